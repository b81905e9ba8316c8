//! Takes what people ask for to the hub and brings the answers back, so that the screen waits for nobody.
//!
//! One thread of its own, joined when the screen ends; the next question waits until the one before is answered.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use futures_util::stream::{self, StreamExt};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::domain::command::Command;
use crate::domain::ids::MacAddr;
use crate::domain::refusal::Refusal;
use crate::inbox::{Inbox, Input};
use crate::tui::msg::{HubAction, HubReply, HubRequest, NotDone};

#[derive(Debug)]
pub struct HubClient {
    asks: Option<SyncSender<HubRequest>>,
    answers: Receiver<HubReply>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl HubClient {
    /// Captures of packets are kept in the folder `captures`.
    pub fn start(runtime: Handle, inbox: Inbox, captures: PathBuf, stop: &CancellationToken) -> io::Result<Self> {
        let (asks, asked) = sync_channel::<HubRequest>(ASKS);
        let (answered, answers) = channel();
        let stop = stop.child_token();
        let until = stop.clone();
        let work = move || {
            for HubRequest { what, deed } in asked {
                let answer = match what {
                    HubAction::Capture { macs, name } => {
                        let file = runtime.block_on(until.run_until_cancelled(capture(&inbox, macs)));
                        let kept =
                            file.unwrap_or(Err(NotDone::Stopping)).and_then(|file| keep(&captures, &name, &file));
                        match kept {
                            Ok(path) => HubReply { deed: format!("{deed} in {path}"), result: Ok(()) },
                            Err(why) => HubReply { deed, result: Err(why) },
                        }
                    }
                    HubAction::One(_) | HubAction::Each(_) | HubAction::Import { .. } => {
                        let answer = runtime.block_on(until.run_until_cancelled(ask(&inbox, what)));
                        HubReply { deed, result: answer.unwrap_or(Err(NotDone::Stopping)) }
                    }
                };
                if answered.send(answer).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name("courier".into()).spawn(work)?;
        Ok(Self { asks: Some(asks), answers, stop, thread: Some(thread) })
    }

    /// Sends `ask` off, or says at once why not.
    pub fn send(&self, ask: HubRequest) -> Result<(), HubReply> {
        let Some(asks) = &self.asks else { return Err(HubReply { deed: ask.deed, result: Err(NotDone::Stopping) }) };
        asks.try_send(ask).map_err(|err| match err {
            TrySendError::Full(ask) => HubReply { deed: ask.deed, result: Err(NotDone::Waiting) },
            TrySendError::Disconnected(ask) => HubReply { deed: ask.deed, result: Err(NotDone::Stopping) },
        })
    }

    /// The answers that have come since.
    pub fn answers(&self) -> impl Iterator<Item = HubReply> {
        self.answers.try_iter()
    }
}

impl Drop for HubClient {
    fn drop(&mut self) {
        self.stop.cancel();
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            let _its_panic_is_in_the_log = thread.join();
        }
    }
}

/// The packets that are kept of these cards, as a file.
async fn capture(inbox: &Inbox, macs: Vec<MacAddr>) -> Result<Vec<u8>, NotDone> {
    let file = inbox.ask(|back| Input::Capture(macs, back)).await.ok_or(NotDone::Stopping)?;
    file.ok_or(NotDone::NoPackets)
}

/// Writes a capture, and says where. Packets may hold what a site does not show everybody.
fn keep(folder: &Path, name: &str, file: &[u8]) -> Result<String, NotDone> {
    let path = folder.join(name);
    let write = || {
        fs::create_dir_all(folder)?;
        let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&path)?;
        to.write_all(file)
    };
    let path = path.display().to_string();
    match write() {
        Ok(()) => Ok(path),
        Err(err) => Err(NotDone::NotWritten { path, why: err.to_string() }),
    }
}

/// Asks for all of it and waits for every answer.
async fn ask(inbox: &Inbox, what: HubAction) -> Result<(), NotDone> {
    let ask = |command: Command| inbox.ask(|back| Input::Command(command, back));
    let commands = match what {
        HubAction::One(command) => {
            return ask(command).await.ok_or(NotDone::Stopping)?.map_err(NotDone::Refused);
        }
        // Its rows are copied here, not on the screen's thread: they may be many.
        HubAction::Import { preview, .. } => {
            let import = Command::Import(preview.import_without_errors());
            return ask(import).await.ok_or(NotDone::Stopping)?.map_err(NotDone::Refused);
        }
        HubAction::Each(commands) => commands,
        // Brought back as a file, see above.
        HubAction::Capture { .. } => Vec::new(),
    };
    // The hub stores several together: one after the other would take a disk's time each.
    let answers: Vec<Option<Result<(), Refusal>>> = stream::iter(commands).map(ask).buffered(TOGETHER).collect().await;
    let all = answers.len();
    let answered: Vec<_> = answers.into_iter().flatten().collect();
    if answered.len() < all {
        return Err(NotDone::Stopping);
    }
    let refused: Vec<Refusal> = answered.into_iter().filter_map(Result::err).collect();
    if refused.is_empty() { Ok(()) } else { Err(NotDone::Partly { done: all - refused.len(), refused }) }
}

/// Commands that are asked for before the first of them is answered.
const TOGETHER: usize = 64;
/// Questions on their way. Full means that the hub is stuck: a person is told so.
const ASKS: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::ids::NodeId;
    use crate::inbox::inbox;

    fn forget(node: u32) -> HubRequest {
        HubRequest::one(Command::Forget { nodes: vec![NodeId(node)] }, format!("forget {node}"))
    }

    #[test]
    fn an_answer_comes_back_with_what_was_asked() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (inbox, mut outlet) = inbox();
        let courier = HubClient::start(runtime.handle().clone(), inbox, "/nowhere".into(), &CancellationToken::new())
            .expect("a courier");
        courier.send(forget(1)).expect("room");
        let Some(Input::Command(command, back)) = runtime.block_on(outlet.notes.recv()) else { panic!("no command") };
        assert_eq!(command, Command::Forget { nodes: vec![NodeId(1)] });
        back.send(Err(Refusal::NoSuchNode(NodeId(1)))).expect("somebody waits");
        let answer = courier.answers.recv_timeout(Duration::from_secs(5)).expect("an answer");
        assert_eq!(answer.deed, "forget 1");
        assert_eq!(answer.result, Err(NotDone::Refused(Refusal::NoSuchNode(NodeId(1)))));
    }

    #[test]
    fn of_several_commands_those_that_can_be_are_done() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (inbox, mut outlet) = inbox();
        let courier = HubClient::start(runtime.handle().clone(), inbox, "/nowhere".into(), &CancellationToken::new())
            .expect("a courier");
        let each = (0..100).map(|node| Command::Forget { nodes: vec![NodeId(node)] }).collect();
        courier.send(HubRequest { what: HubAction::Each(each), deed: "forget 100 nodes".into() }).expect("room");
        for number in 0..100 {
            let Some(Input::Command(_, back)) = runtime.block_on(outlet.notes.recv()) else { panic!("no command") };
            let answer = if number == 7 { Err(Refusal::NoSuchNode(NodeId(7))) } else { Ok(()) };
            back.send(answer).expect("somebody waits");
        }
        let answer = courier.answers.recv_timeout(Duration::from_secs(5)).expect("an answer");
        let refused = vec![Refusal::NoSuchNode(NodeId(7))];
        assert_eq!(answer.result, Err(NotDone::Partly { done: 99, refused }));
    }

    #[test]
    fn a_hub_that_does_not_answer_holds_nobody_up() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (inbox, _outlet) = inbox();
        let courier = HubClient::start(runtime.handle().clone(), inbox, "/nowhere".into(), &CancellationToken::new())
            .expect("a courier");
        let waiting = (0..100).find_map(|node| courier.send(forget(node)).err()).expect("a bound");
        assert_eq!(waiting.result, Err(NotDone::Waiting));
        drop(courier);
    }

    #[test]
    fn a_capture_is_kept_and_where_it_is_comes_back() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let captures = folder.path().join("captures");
        let (inbox, mut outlet) = inbox();
        let stop = CancellationToken::new();
        let courier = HubClient::start(runtime.handle().clone(), inbox, captures.clone(), &stop).expect("a courier");
        for (packets, wanted) in [(Some(vec![1, 2, 3]), Ok(())), (None, Err(NotDone::NoPackets))] {
            let what = HubAction::Capture { macs: Vec::new(), name: "press-07.pcap".into() };
            courier.send(HubRequest { what, deed: "save the packets of press-07".into() }).expect("room");
            let Some(Input::Capture(_, back)) = runtime.block_on(outlet.notes.recv()) else { panic!("not asked") };
            back.send(packets).expect("somebody waits");
            let answer = courier.answers.recv_timeout(Duration::from_secs(5)).expect("an answer");
            assert_eq!(answer.result, wanted);
            if wanted.is_ok() {
                let path = captures.join("press-07.pcap");
                assert_eq!(answer.deed, format!("save the packets of press-07 in {}", path.display()));
                assert_eq!(fs::read(path).expect("written"), [1, 2, 3]);
            }
        }
        assert!(matches!(keep(Path::new("/dev/null"), "x", &[]), Err(NotDone::NotWritten { .. })));
    }
}
