//! `tftp-peer ADDRESS DIRECTORY` : the files of a directory by `async-tftp`, as it comes.

use std::net::SocketAddr;

use async_tftp::server::TftpServerBuilder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, directory] = <[String; 2]>::try_from(args).map_err(|_| "usage: tftp-peer ADDRESS DIRECTORY")?;
    let address: SocketAddr = address.parse()?;
    async_io::block_on(async {
        TftpServerBuilder::with_dir_ro(directory)?.bind(address).build().await?.serve().await
    })?;
    Ok(())
}
