//! Has papers written by the station's office on a thread of its own, joined when the screen ends: one at a time. The screen
//! asks, hears how far it is, and goes on.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::domain::batch::export::{Export, ExportError, ExportProgress, WrittenExport};

/// Who writes a paper. It is told where to say how far it is; `false` from there is that nobody wants the paper any more, and
/// then nothing is left of it.
pub type ExportFn =
    Arc<dyn Fn(&Export, &dyn Fn(ExportProgress) -> bool) -> Result<WrittenExport, ExportError> + Send + Sync>;

/// What is heard of a paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportNews {
    Step(ExportProgress),
    Ended(Result<WrittenExport, ExportError>),
}

#[derive(Debug)]
pub struct ExportThread {
    papers: Option<SyncSender<Export>>,
    ended: Receiver<Result<WrittenExport, ExportError>>,
    /// The latest step: earlier ones are of no interest.
    step: Arc<Mutex<Option<ExportProgress>>>,
    /// The paper under way is not wanted any more.
    dropped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ExportThread {
    /// Without an office nothing is written.
    pub fn start(office: Option<ExportFn>) -> io::Result<Self> {
        let (papers, asked) = sync_channel::<Export>(PAPERS);
        let (end, ended) = channel();
        let (step, dropped) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let Some(office) = office else { return Ok(Self { papers: None, ended, step, dropped, thread: None }) };
        let (latest, enough) = (step.clone(), dropped.clone());
        let work = move || {
            for paper in asked {
                let watch = |step| {
                    *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
                    !enough.load(Ordering::Relaxed)
                };
                let written = office(&paper, &watch);
                if end.send(written).is_err() {
                    return;
                }
            }
        };
        let thread = Some(Builder::new().name("clerk".into()).spawn(work)?);
        Ok(Self { papers: Some(papers), ended, step, dropped, thread })
    }

    /// Hands `paper` over; `false` while another is being written.
    pub fn send(&self, paper: Export) -> bool {
        self.dropped.store(false, Ordering::Relaxed);
        self.papers.as_ref().is_some_and(|papers| papers.try_send(paper).is_ok())
    }

    /// The paper under way is not wanted any more. That it has ended is news as ever.
    pub fn drop_it(&self) {
        self.dropped.store(true, Ordering::Relaxed);
    }

    /// What has been heard since.
    pub fn news(&self) -> impl Iterator<Item = ExportNews> {
        let step = self.step.lock().unwrap_or_else(PoisonError::into_inner).take();
        step.map(ExportNews::Step).into_iter().chain(self.ended.try_iter().map(ExportNews::Ended))
    }
}

impl Drop for ExportThread {
    fn drop(&mut self) {
        self.drop_it();
        self.papers = None;
        if let Some(thread) = self.thread.take() {
            let _its_panic_is_in_the_log = thread.join();
        }
    }
}

/// Papers that wait. The screen asks for one at a time.
const PAPERS: usize = 1;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn step(done: usize) -> ExportProgress {
        ExportProgress { what: "machines signed", done, of: Some(3) }
    }

    #[test]
    fn a_paper_is_heard_of_while_it_is_written_and_once_it_is() {
        let (go, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let office: ExportFn = Arc::new(move |_, watch| {
            assert!(watch(step(1)) && watch(step(2)));
            wait.lock().expect("whole").recv_timeout(Duration::from_secs(60)).expect("it may go on");
            Ok(WrittenExport { place: "/reports/batch-3".into(), about: Vec::new() })
        });
        let clerk = ExportThread::start(Some(office)).expect("a thread");
        assert!(clerk.send(Export::List));
        let heard = |wanted: &ExportNews| {
            let deadline = std::time::Instant::now() + Duration::from_secs(60);
            while std::time::Instant::now() < deadline {
                if clerk.news().any(|news| news == *wanted) {
                    return;
                }
                std::thread::yield_now();
            }
            panic!("not heard: {wanted:?}");
        };
        heard(&ExportNews::Step(step(2)));
        go.send(()).expect("somebody waits");
        heard(&ExportNews::Ended(Ok(WrittenExport { place: "/reports/batch-3".into(), about: Vec::new() })));
    }

    #[test]
    fn a_screen_that_ends_waits_until_what_was_begun_is_put_away() {
        let put_away = Arc::new(AtomicBool::new(false));
        let mark = put_away.clone();
        let office: ExportFn = Arc::new(move |_, watch| {
            while watch(step(0)) {
                std::thread::yield_now();
            }
            mark.store(true, Ordering::Relaxed);
            Err(ExportError::Dropped)
        });
        let clerk = ExportThread::start(Some(office)).expect("a thread");
        assert!(clerk.send(Export::List));
        drop(clerk);
        assert!(put_away.load(Ordering::Relaxed));
    }

    #[test]
    fn without_an_office_nothing_is_taken() {
        assert!(!ExportThread::start(None).expect("no thread").send(Export::List));
    }
}
