//! What an installed system with cloud-init reports at the end of a boot: `tests/cloud-image/report`.

use std::time::Duration;

use super::Running;
use super::journey::reaches;

/// The report of one boot: a key and a value in each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report(Vec<(String, String)>);

impl Report {
    /// Waits for the report of this boot, counted from 1 on each disk.
    #[track_caller]
    pub(crate) fn wait_for(power: &mut Running, boot: u32) -> Self {
        let seconds = reaches(power.wait_for(&format!("{MARK}end of boot {boot}"), BOOTED));
        println!("boot {boot} reported {seconds:.1} s after power-on");
        let heard = power.heard();
        let said = heard.iter().filter_map(|line| Some(line.split_once(MARK)?.1));
        let of_this = said.skip_while(|line| **line != format!("boot {boot}")).skip(1);
        let lines = of_this.take_while(|line| !line.starts_with("end of boot"));
        let parted = lines.map(|line| line.split_once(' ').unwrap_or((line, "")));
        Self(parted.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
    }

    /// Every value of this key, in order.
    pub(crate) fn all(&self, key: &str) -> Vec<&str> {
        self.0.iter().filter(|(its, _)| its == key).map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of this key.
    #[track_caller]
    pub(crate) fn the(&self, key: &str) -> &str {
        let all = self.all(key);
        assert_eq!(all.len(), 1, "one {key}: {self:#?}");
        all[0]
    }
}

const MARK: &str = "OXBOW-REPORT ";
/// At least three times what an emulated machine needs alone on two cores.
const BOOTED: Duration = Duration::from_secs(360);
