use super::*;
#[derive(Clone)]
pub struct Config {
    pub interface: String,
}
pub async fn serve(_: Context, _: Config) -> Result<(), ServiceError> {
    std::future::pending().await
}
