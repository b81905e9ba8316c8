use super::*;
#[derive(Clone)]
pub struct Config {
    pub interface: String,
    pub segment: (),
    pub restored: Vec<crate::domain::lease::Lease>,
}
pub fn segment(_: std::net::Ipv4Addr, _: u8, _: (std::net::Ipv4Addr, std::net::Ipv4Addr), _: String) {}
pub async fn serve(_: Context, _: Config) -> Result<(), ServiceError> {
    std::future::pending().await
}
