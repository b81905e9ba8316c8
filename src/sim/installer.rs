//! Somebody else's installer, as far as the station notices: it takes its answers, works, and calls home if they say so.

use std::time::Duration;

use super::power::Power;
use super::web::{Web, WebError};

/// What a kernel that is no agent's was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SimInstaller {
    answers: String,
}

impl SimInstaller {
    /// The installer that this command line starts, if it starts one: a word says where its answers are.
    pub(super) fn of(cmdline: &str) -> Option<Self> {
        let url = cmdline.split_whitespace().find_map(|word| word.strip_prefix("url="))?;
        Some(Self { answers: url.to_owned() })
    }

    /// Installs; whether it was told where to call, and did.
    pub(super) fn run(&self, web: Web<'_>, power: &Power) -> Result<bool, WebError> {
        let answers = web.text(&self.answers)?;
        power.pause(WORK)?;
        match home(&answers) {
            Some(home) => web.text(home).map(|_| true),
            None => Ok(false),
        }
    }
}

/// Where the answers say to call in the end.
fn home(answers: &str) -> Option<&str> {
    let commands = answers.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut words = commands.flat_map(|line| line.split(|c: char| c.is_whitespace() || c == ';'));
    words.find(|word| word.starts_with("http://") && word.ends_with("/done"))
}

const WORK: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installer_is_known_by_its_answers_and_calls_where_they_say() {
        let cmdline = "initrd=initrd.gz auto=true url=http://10.77.0.1/r/07/answers hostname=debian";
        assert_eq!(SimInstaller::of(cmdline), Some(SimInstaller { answers: "http://10.77.0.1/r/07/answers".into() }));
        assert_eq!(SimInstaller::of("oxbow.station=http://10.77.0.1 oxbow.run=07"), None);
        let answers = "# http://a/done\nd-i x string \\\n until wget -q http://10.77.0.1/r/07/done; do sleep 5; done\n";
        assert_eq!(home(answers), Some("http://10.77.0.1/r/07/done"));
        assert_eq!(home("d-i x string poweroff\n"), None);
    }
}
