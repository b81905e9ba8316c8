//! Takes what people ask for to the hub and brings the answers back, so that the screen waits for nobody.
//!
//! One thread of its own, joined when the screen ends; the next question waits until the one before is answered.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::inbox::{Inbox, Note};
use crate::tui::msg::{Answer, Ask, NotDone};

#[derive(Debug)]
pub struct Courier {
    asks: Option<SyncSender<Ask>>,
    answers: Receiver<Answer>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Courier {
    pub fn start(runtime: Handle, inbox: Inbox, stop: &CancellationToken) -> io::Result<Self> {
        let (asks, asked) = sync_channel::<Ask>(ASKS);
        let (answered, answers) = channel();
        let stop = stop.child_token();
        let until = stop.clone();
        let work = move || {
            for Ask { command, deed } in asked {
                let answer = until.run_until_cancelled(inbox.ask(|back| Note::Command(command, back)));
                let result = match runtime.block_on(answer).flatten() {
                    Some(result) => result.map_err(NotDone::Refused),
                    None => Err(NotDone::Stopping),
                };
                if answered.send(Answer { deed, result }).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name("courier".into()).spawn(work)?;
        Ok(Self { asks: Some(asks), answers, stop, thread: Some(thread) })
    }

    /// Sends `ask` off, or says at once why not.
    pub fn send(&self, ask: Ask) -> Result<(), Answer> {
        let Some(asks) = &self.asks else { return Err(Answer { deed: ask.deed, result: Err(NotDone::Stopping) }) };
        asks.try_send(ask).map_err(|err| match err {
            TrySendError::Full(ask) => Answer { deed: ask.deed, result: Err(NotDone::Waiting) },
            TrySendError::Disconnected(ask) => Answer { deed: ask.deed, result: Err(NotDone::Stopping) },
        })
    }

    /// The answers that have come since.
    pub fn answers(&self) -> impl Iterator<Item = Answer> {
        self.answers.try_iter()
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.stop.cancel();
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            let _its_panic_is_in_the_log = thread.join();
        }
    }
}

/// Questions on their way. Full means that the hub is stuck: a person is told so.
const ASKS: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::command::{Command, Refusal};
    use crate::domain::ids::NodeId;
    use crate::inbox::inbox;

    fn forget(node: u32) -> Ask {
        Ask { command: Command::Forget { node: NodeId(node) }, deed: format!("forget {node}") }
    }

    #[test]
    fn an_answer_comes_back_with_what_was_asked() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (inbox, mut outlet) = inbox();
        let courier = Courier::start(runtime.handle().clone(), inbox, &CancellationToken::new()).expect("a courier");
        courier.send(forget(1)).expect("room");
        let Some(Note::Command(command, back)) = runtime.block_on(outlet.notes.recv()) else { panic!("no command") };
        assert_eq!(command, Command::Forget { node: NodeId(1) });
        back.send(Err(Refusal::NoSuchNode(NodeId(1)))).expect("somebody waits");
        let answer = courier.answers.recv_timeout(Duration::from_secs(5)).expect("an answer");
        assert_eq!(answer.deed, "forget 1");
        assert_eq!(answer.result, Err(NotDone::Refused(Refusal::NoSuchNode(NodeId(1)))));
    }

    #[test]
    fn a_hub_that_does_not_answer_holds_nobody_up() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (inbox, _outlet) = inbox();
        let courier = Courier::start(runtime.handle().clone(), inbox, &CancellationToken::new()).expect("a courier");
        let waiting = (0..100).find_map(|node| courier.send(forget(node)).err()).expect("a bound");
        assert_eq!(waiting.result, Err(NotDone::Waiting));
        drop(courier);
    }
}
