//! sim
pub struct Options {
    pub interface: String,
    pub machines: u16,
    pub disk_dir: Option<std::path::PathBuf>,
    pub pace: Option<u64>,
    pub seconds: u64,
}
pub fn run(_: Options) -> Result<String, std::io::Error> {
    Ok(String::new())
}
