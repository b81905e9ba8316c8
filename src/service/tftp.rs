use super::*;
#[derive(Clone)]
pub struct Config {
    pub interface: String,
    pub address: std::net::Ipv4Addr,
    pub directory: std::path::PathBuf,
    pub autoexec: String,
}
pub async fn serve(_: Context, _: Config) -> Result<(), ServiceError> {
    std::future::pending().await
}
