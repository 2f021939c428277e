//! The hub: passes each frame of a member on to all other members.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use crate::frame::Frame;

/// The number of frames that a member may be behind; one that is further behind gets a gap.
const BEHIND: usize = 1024;

/// The right to be the hub. The kernel releases it when the process ends in any way.
pub(crate) struct Office {
    listener: UnixListener,
    _lock: File,
}

impl Office {
    /// Takes the office, unless another process has it.
    ///
    /// # Errors
    /// The files cannot be made.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(name)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // A socket that is there belongs to a hub that has ended.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = StdListener::bind(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Some(Self {
            listener: UnixListener::from_std(listener)?,
            _lock: lock,
        }))
    }

    /// Serves members until the future is dropped.
    pub(crate) async fn serve(self) {
        let (frames, _) = broadcast::channel::<(u64, Option<Bytes>)>(BEHIND);
        let mut members = JoinSet::new();
        let mut number = 0;
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, _)) if is_ours(&socket) => {
                        number += 1;
                        // Subscribed before the member learns that it is connected.
                        let others = frames.subscribe();
                        members.spawn(member(number, socket, frames.clone(), others));
                    }
                    Ok(_) => tracing::warn!("a process of another user is not let onto the bus"),
                    Err(error) => {
                        tracing::warn!(%error, "the bus cannot accept a member");
                        tokio::time::sleep(super::member::PAUSE).await;
                    }
                },
                Some(_) = members.join_next(), if !members.is_empty() => {}
            }
        }
    }
}

/// Returns whether the peer runs as the same user, or as root.
fn is_ours(socket: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    socket
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

type Frames = broadcast::Sender<(u64, Option<Bytes>)>;

/// Serves one member until it leaves. If it does not say that it leaves, its last messages may have
/// been lost, and all others are told.
async fn member(
    number: u64,
    socket: UnixStream,
    frames: Frames,
    others: broadcast::Receiver<(u64, Option<Bytes>)>,
) {
    let (from, to) = socket.into_split();
    let has_left = tokio::select! {
        has_left = receive(number, from, &frames) => has_left,
        () = send(number, to, others) => false,
    };
    if !has_left {
        // An error means that there are no others.
        let _ = frames.send((number, None));
    }
}

/// Passes on what a member sends. Returns whether it said that it leaves.
async fn receive(number: u64, from: OwnedReadHalf, frames: &Frames) -> bool {
    let mut from = BufReader::new(from);
    loop {
        let frame = match Frame::read(&mut from).await {
            Ok(Frame::Bye) => return true,
            Ok(Frame::Gap) => None,
            Ok(frame @ Frame::Message(..)) => Some(frame.to_bytes()),
            Err(_) => return false,
        };
        let _ = frames.send((number, frame));
    }
}

/// Sends the frames of other members to one, until it reads no more.
async fn send(
    number: u64,
    mut to: OwnedWriteHalf,
    mut others: broadcast::Receiver<(u64, Option<Bytes>)>,
) {
    let gap = Frame::Gap.to_bytes();
    // The first frame says that everything from now on will arrive.
    if to.write_all(&gap).await.is_err() {
        return;
    }
    loop {
        let frame = match others.recv().await {
            Ok((sender, _)) if sender == number => continue,
            Ok((_, Some(frame))) => frame,
            Ok((_, None)) | Err(RecvError::Lagged(_)) => gap.clone(),
            Err(RecvError::Closed) => return,
        };
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}
