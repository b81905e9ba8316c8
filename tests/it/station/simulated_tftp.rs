//! The TFTP client of simulated machines against a TFTP server that is not ours: the crate `async-tftp`.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use async_tftp::server::TftpServerBuilder;
use oxbow::sim::Power;
use oxbow::sim::tftp::{TftpClient, TftpError, TftpOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Serves the files of `directory` on a free port of the loopback interface until the runtime is dropped.
fn served(directory: &Path) -> (Runtime, SocketAddrV4) {
    let runtime = Runtime::new().expect("a runtime");
    let address = runtime.block_on(async {
        let builder = TftpServerBuilder::with_dir_ro(directory).expect("a directory");
        let server = builder.bind((Ipv4Addr::LOCALHOST, 0).into()).build().await.expect("a free port");
        let address = server.listen_addr().expect("an address");
        tokio::spawn(server.serve());
        address
    });
    let SocketAddr::V4(address) = address else { panic!("{address} is not what was asked for") };
    (runtime, address)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at >> 12) as u8).collect()
}

#[test]
fn files_of_all_sizes_arrive_whole_with_every_set_of_options() {
    let directory = TempDir::new().expect("a directory");
    let (_runtime, server) = served(directory.path());
    let power = Power::default();
    let client = TftpClient { from: Ipv4Addr::LOCALHOST, server, power: &power };
    let plain = TftpOptions { blksize: 512, windowsize: None, tsize: false };
    for options in [
        plain,
        TftpOptions { windowsize: Some(16), ..plain },
        TftpOptions::BIOS,
        TftpOptions::IPXE,
        TftpOptions::UEFI,
        TftpOptions { tsize: true, ..TftpOptions::UEFI },
        TftpOptions { blksize: 8192, windowsize: Some(8), tsize: true },
    ] {
        let block = usize::from(options.blksize);
        let window = block * usize::from(options.windowsize.unwrap_or(1));
        // The last block, and the last window, are empty, full, or one byte away from it.
        for length in [0, 1, block - 1, block, block + 1, window - 1, window, 3 * window, 3 * window + 1, 3_000_000] {
            let wanted = content(length);
            std::fs::write(directory.path().join("file"), &wanted).expect("a file");
            let loaded =
                client.fetch("file", options).unwrap_or_else(|err| panic!("{options:?}, {length} bytes: {err}"));
            assert!(loaded == wanted, "{options:?}, {length} bytes: {} came, or others", loaded.len());
        }
    }
}

#[test]
fn block_numbers_go_on_from_zero_after_65535() {
    let directory = TempDir::new().expect("a directory");
    let (_runtime, server) = served(directory.path());
    let power = Power::default();
    let client = TftpClient { from: Ipv4Addr::LOCALHOST, server, power: &power };
    let wanted = content(65_540 * 512 + 7);
    std::fs::write(directory.path().join("large"), &wanted).expect("a file");
    let loaded = client.fetch("large", TftpOptions { blksize: 512, windowsize: Some(16), tsize: true });
    assert!(loaded.expect("loaded") == wanted);
}

#[test]
fn a_file_that_is_not_there_is_reported_with_the_servers_reason() {
    let directory = TempDir::new().expect("a directory");
    let (_runtime, server) = served(directory.path());
    let power = Power::default();
    let client = TftpClient { from: Ipv4Addr::LOCALHOST, server, power: &power };
    let refused = |error: TftpError| match error {
        TftpError::Refused { file, reason } => (file, reason),
        other => panic!("{other}"),
    };
    let expected = ("nothing.efi".to_owned(), "File not found".to_owned());
    assert_eq!(refused(client.fetch("nothing.efi", TftpOptions::UEFI).expect_err("no file")), expected);
    assert_eq!(refused(client.probe("nothing.efi").expect_err("no file")), expected);
}

/// The server ignores the ERROR and goes on sending (up to 0.4.2), to a port where nobody is any more.
#[test]
fn a_file_is_loaded_after_its_size_was_probed() {
    let directory = TempDir::new().expect("a directory");
    let (_runtime, server) = served(directory.path());
    let power = Power::default();
    let client = TftpClient { from: Ipv4Addr::LOCALHOST, server, power: &power };
    let wanted = content(100_000);
    std::fs::write(directory.path().join("ipxe.efi"), &wanted).expect("a file");
    client.probe("ipxe.efi").expect("its size is known");
    assert!(client.fetch("ipxe.efi", TftpOptions::UEFI).expect("loaded") == wanted);
}
