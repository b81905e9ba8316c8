//! What is to be said of verdicts where nobody watches the screen: each once, when it comes up, and when it is over.

use std::collections::BTreeMap;

use super::finding::Finding;
use super::verdict::{Diagnosis, Severity};
use crate::domain::ids::{MacAddr, NodeId};

/// What was said of whom.
#[derive(Clone, Debug, Default)]
pub struct DoctorLog {
    said: BTreeMap<Patient, LastLogged>,
}

/// Whom a verdict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Patient {
    Node(NodeId),
    /// A machine that is no node.
    Stranger(MacAddr),
}

/// A verdict on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedVerdict {
    pub patient: Patient,
    pub mac: MacAddr,
    /// What the node is called.
    pub name: Option<String>,
    pub verdict: Diagnosis,
}

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogNotice {
    Found(LoggedVerdict),
    /// As it was said before.
    Over(LoggedVerdict),
    /// So many more were found than can be said.
    More(usize),
}

#[derive(Clone, Debug)]
struct LastLogged {
    case: LoggedVerdict,
    /// There was room to say it.
    aloud: bool,
}

impl DoctorLog {
    /// Takes in all verdicts of this moment. Counts and times in their words may grow: that is no news.
    pub fn news(&mut self, cases: impl IntoIterator<Item = LoggedVerdict>) -> Vec<LogNotice> {
        let mut before = std::mem::take(&mut self.said);
        let (mut found, mut more) = (Vec::new(), 0);
        for case in cases {
            let known = before.remove(&case.patient);
            if let Some(known) = known.filter(|known| key(&known.case) == key(&case)) {
                self.said.insert(case.patient, known);
                continue;
            }
            let aloud = found.len() < MOST;
            if aloud {
                found.push(LogNotice::Found(case.clone()));
            } else {
                more += 1;
            }
            self.said.insert(case.patient, LastLogged { case, aloud });
        }
        let over = before.into_values().filter(|said| said.aloud).map(|said| LogNotice::Over(said.case));
        let more = (more > 0).then_some(LogNotice::More(more));
        over.take(MOST).chain(found).chain(more).collect()
    }
}

fn key(case: &LoggedVerdict) -> (Finding, Severity) {
    (case.verdict.finding, case.verdict.severity)
}

/// Lines at once: a batch that is switched on with the wrong cable is told of, a flood is cut short.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::doctor::verdict::StoppedAt;

    fn case(number: u32, severity: Severity, what: &str) -> LoggedVerdict {
        let [a, b, c, d] = number.to_be_bytes();
        let mac = MacAddr::new([2, 0, a, b, c, d]).expect("a MAC");
        let verdict = Diagnosis {
            finding: Finding::SystemSilent,
            stage: StoppedAt::Kernel,
            severity,
            what: what.into(),
            hint: "look at its screen".into(),
        };
        LoggedVerdict { patient: Patient::Stranger(mac), mac, name: None, verdict }
    }

    #[test]
    fn a_verdict_is_said_once_and_again_when_it_is_worse_or_over() {
        let mut bulletin = DoctorLog::default();
        let first = case(1, Severity::Warning, "silent for 1:30");
        assert_eq!(bulletin.news([first.clone()]), [LogNotice::Found(first.clone())]);
        assert_eq!(bulletin.news([case(1, Severity::Warning, "silent for 2:00")]), []);
        let worse = case(1, Severity::Failure, "silent for 3:00");
        assert_eq!(bulletin.news([worse.clone()]), [LogNotice::Found(worse.clone())]);
        assert_eq!(bulletin.news([]), [LogNotice::Over(worse)]);
        assert_eq!(bulletin.news([]), []);
    }

    #[test]
    fn in_a_flood_the_rest_is_counted_and_its_end_is_not_told() {
        let mut bulletin = DoctorLog::default();
        let all = || (0..1000).map(|number| case(number, Severity::Failure, "no address is left"));
        let news = bulletin.news(all());
        assert_eq!((news.len(), news.last()), (MOST + 1, Some(&LogNotice::More(1000 - MOST))));
        assert_eq!(bulletin.news(all()), []);
        assert_eq!(bulletin.news([]).len(), MOST);
    }
}
