//! The control socket: what the command line asks of a running station. `desk` knows the answers.

mod dispatch;
mod list;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as Listener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;

use super::{ServiceContext, ServiceError};
use crate::domain::import::FILE_LIMIT;
use crate::domain::station::service::ServiceName;
use crate::protocol::control::{ControlReply, ControlRequest, Message};

/// Where the socket is.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    pub socket: PathBuf,
}

/// Serves until told to stop. Who may open the socket is who may write the station's data: its owner.
pub async fn serve(context: ServiceContext, config: ControlConfig) -> Result<(), ServiceError> {
    let cannot = |source| ServiceError {
        what: format!("cannot make the control socket {}: {source}", config.socket.display()),
        hint: "the path must be shorter than 108 characters, and its directory writable".into(),
        source: Some(source),
    };
    let listener = listen(&config.socket).and_then(UnixListener::from_std).map_err(cannot)?;
    context.up(ServiceName::Control, config.socket.display()).await;
    let (places, mut connections) = (Arc::new(Semaphore::new(CONNECTIONS)), JoinSet::new());
    loop {
        let stream = tokio::select! {
            () = context.stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match (stream, places.clone().try_acquire_owned()) {
            (Ok((stream, _)), Ok(place)) => {
                let context = context.clone();
                connections.spawn(async move {
                    if let Err(err) = converse(stream, context).await {
                        debug!("control connection ended: {err}");
                    }
                    drop(place);
                });
            }
            (Ok(_), Err(_)) => debug!("control connection refused: {CONNECTIONS} are open"),
            (Err(err), _) => {
                debug!("accept: {err}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    let _nobody_connects_any_more = fs::remove_file(&config.socket);
    let _what_is_under_way_may_end = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

/// Answers one ask after the other until the other side has no more.
pub async fn converse(stream: UnixStream, context: ServiceContext) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read);
    loop {
        let line = tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            line = timeout(PATIENCE, line(&mut reader)) => line??,
        };
        let Some(line) = line else { return Ok(()) };
        let ask = match serde_json::from_slice::<Message<ControlRequest>>(&line) {
            Ok(message) => message.body,
            Err(err) => {
                let hint = "use the oxbow that the station was started with".into();
                let answer =
                    ControlReply::Failed { problem: format!("the station cannot read this request: {err}"), hint };
                return send(&mut write, &[answer]).await;
            }
        };
        let bytes = body(&ask, &mut reader).await?;
        let (answers, mut queue) = mpsc::channel(QUEUED);
        let deliver = async {
            let mut together = Vec::new();
            while queue.recv_many(&mut together, QUEUED).await > 0 {
                send(&mut write, &together).await?;
                together.clear();
            }
            // The desk is told by the closed queue that nobody listens.
            io::Result::Ok(())
        };
        let (sent, ()) = tokio::join!(deliver, dispatch::answer(&context, ask, bytes, answers));
        sent?;
    }
}

/// The next line, if there is one.
async fn line(from: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.take(LINE_LIMIT).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a request that is too long, or was cut off")),
    }
}

/// The file behind an import. One byte more than may be is enough to tell that it is too large.
async fn body(ask: &ControlRequest, from: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let ControlRequest::Import(list) = ask else { return Ok(Vec::new()) };
    if list.bytes > FILE_LIMIT + 1 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a list that is too large"));
    }
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 256 * 1024]);
    while bytes.len() < list.bytes {
        let wanted = piece.len().min(list.bytes - bytes.len());
        match timeout(PATIENCE, from.read(&mut piece[..wanted])).await?? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
    Ok(bytes)
}

async fn send(to: &mut OwnedWriteHalf, answers: &[ControlReply]) -> io::Result<()> {
    let mut lines = Vec::new();
    for answer in answers {
        serde_json::to_writer(&mut lines, &Message::new(answer))?;
        lines.push(b'\n');
    }
    timeout(PATIENCE, to.write_all(&lines)).await?
}

/// A socket of this name that only its owner may open, in place of whatever had the name. It is made in a directory that
/// nobody else may enter, and given its name when it is as it should be.
fn listen(socket: &Path) -> io::Result<Listener> {
    let nursery = socket.with_file_name(".new");
    let _left_by_one_that_was_killed = fs::remove_dir_all(&nursery);
    fs::create_dir(&nursery)?;
    fs::set_permissions(&nursery, Permissions::from_mode(0o700))?;
    let unnamed = nursery.join("c");
    let listener = Listener::bind(&unnamed)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&unnamed, Permissions::from_mode(0o600))?;
    fs::rename(&unnamed, socket)?;
    fs::remove_dir(&nursery)?;
    Ok(listener)
}

/// Commands at one time. People type them.
const CONNECTIONS: usize = 16;
/// Bytes of a request without the file behind it.
const LINE_LIMIT: u64 = 64 * 1024;
/// Answers that may wait for the other side; the desk waits when it is full.
const QUEUED: usize = 64;
/// How long the other side may be silent, or not read.
const PATIENCE: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(3);
