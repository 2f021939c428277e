//! Bytes of an early answer that were written and not yet sent: a window in memory, and beyond it a
//! file.

use std::any::Any;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::spill::{SpillFile, SpillStore};
use crate::threads::close_elsewhere;

/// Shared by the writer in its worker and the body on the runtime.
///
/// Bytes go through three places, in this order: `front`, from which they are sent, the file, and
/// `back`, to which they are written. The file is used only while the client is slower than the
/// writer. Once it is empty it is written again from its beginning, so it never gets longer than
/// the bound.
pub(crate) struct EarlyWindow {
    state: Mutex<Unsent>,
    moved: Condvar,
    /// The size of `front` and of `back`.
    half: usize,
    bound: u64,
    stall: Duration,
    /// The deadline of the publication.
    deadline: Option<Instant>,
    store: Option<Arc<dyn SpillStore>>,
    _charge: Option<Box<dyn Any + Send + Sync>>,
}

#[derive(Default)]
struct Unsent {
    front: Bytes,
    file: Option<Spilled>,
    back: BytesMut,
    /// A file could not be written, so none is tried again.
    has_no_file: bool,
    /// The number of times that the reader has taken something.
    taken: u64,
    waker: Option<Waker>,
    side: Side,
}

struct Spilled {
    file: Arc<dyn SpillFile>,
    written: u64,
    read: u64,
}

/// Open ⇒ Stalled when the client read nothing for too long, Open ⇒ Stopped when the publication
/// must not go on, (Open or Stalled) ⇒ Gone when the body is dropped.
#[derive(Clone, Copy, Default, PartialEq)]
enum Side {
    #[default]
    Open,
    Gone,
    Stalled,
    Stopped,
}

/// What the reader finds.
pub(crate) enum Found {
    Bytes(Bytes),
    /// The next bytes are in the file, and must be read in a thread that may block.
    InFile(Unread),
}

/// A piece of the file.
pub(crate) struct Unread {
    file: Arc<dyn SpillFile>,
    at: u64,
    len: usize,
}

impl Unread {
    /// Reads it. Blocks for as long as the disk does.
    pub(crate) fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.len];
        self.file.file().read_exact_at(&mut bytes, self.at)?;
        Ok(bytes.into())
    }
}

impl EarlyWindow {
    pub(crate) fn new(size: usize, stall: Duration, deadline: Option<Instant>) -> Self {
        Self {
            state: Mutex::default(),
            moved: Condvar::new(),
            half: (size / 2).max(1),
            bound: 0,
            stall,
            deadline,
            store: None,
            _charge: None,
        }
    }

    /// Keeps up to `bound` bytes that do not fit in a file of this store. What was charged for the
    /// memory is returned when the window is dropped.
    pub(crate) fn with_files(
        mut self,
        store: Arc<dyn SpillStore>,
        bound: u64,
        charge: Option<Box<dyn Any + Send + Sync>>,
    ) -> Self {
        self.bound = bound;
        self.store = Some(store);
        self._charge = charge;
        self
    }

    /// Writes all of `bytes` unless that may block. Returns whether it did.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<bool> {
        let mut state = self.lock();
        state.check()?;
        if state.back.len() + bytes.len() > self.half {
            return Ok(false);
        }
        state.back.extend_from_slice(bytes);
        wake(state);
        Ok(true)
    }

    /// Writes all of `bytes`. Blocks while the window is full and the file may not grow.
    pub(crate) fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut state = self.lock();
            state.check()?;
            let room = self.half.saturating_sub(state.back.len());
            if room == 0 {
                self.make_room(state)?;
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            state.back.extend_from_slice(now);
            wake(state);
            bytes = later;
        }
        Ok(())
    }

    /// Moves the full `back` on, or waits until the reader has taken something.
    fn make_room(&self, mut state: MutexGuard<'_, Unsent>) -> io::Result<()> {
        if state.front.is_empty() && state.is_file_empty() {
            state.front = state.back.split().freeze();
            return Ok(());
        }
        let seen = state.taken;
        if self.spill(state) {
            return Ok(());
        }
        self.wait(seen)
    }

    /// Writes `back` to the file, without the lock. Returns false if there is no room for it; then
    /// `back` is unchanged.
    fn spill(&self, mut state: MutexGuard<'_, Unsent>) -> bool {
        let Some(store) = self.store.as_ref().filter(|_| !state.has_no_file) else {
            return false;
        };
        if let Some(spilled) = &mut state.file
            && spilled.read == spilled.written
        {
            (spilled.read, spilled.written) = (0, 0);
        }
        let known = state.file.as_ref().map(|spilled| spilled.file.clone());
        let at = state.file.as_ref().map_or(0, |spilled| spilled.written);
        let end = at + state.back.len() as u64;
        if end > self.bound {
            return false;
        }
        let back = state.back.split();
        drop(state);

        let written = match known {
            Some(file) => Ok(Some(file)),
            None => store.create(),
        };
        let written = written.and_then(|file| match file {
            Some(file) if file.reserve(end) => {
                file.file().write_all_at(&back, at)?;
                Ok(Some(file))
            }
            _ => Ok(None),
        });

        let mut state = self.lock();
        let file = match written {
            Ok(Some(file)) => file,
            no_room => {
                state.back = back;
                state.has_no_file = no_room.is_err();
                wake(state);
                if let Err(error) = no_room {
                    tracing::warn!(%error, "an early answer cannot be kept in a file");
                }
                return false;
            }
        };
        if let Some(spilled) = &mut state.file {
            spilled.written = end;
        } else if state.side == Side::Open {
            state.file = Some(Spilled {
                file,
                written: end,
                read: 0,
            });
        }
        wake(state);
        true
    }

    /// Waits until the reader has taken something since `seen`.
    fn wait(&self, seen: u64) -> io::Result<()> {
        let mut state = self.lock();
        // The real clock, because this is a blocking thread.
        let stalled_at = Instant::now().checked_add(self.stall);
        let until = [stalled_at, self.deadline].into_iter().flatten().min();
        while state.taken == seen {
            state.check()?;
            let left = match until {
                None => self.stall,
                Some(until) => until.saturating_duration_since(Instant::now()),
            };
            if left.is_zero() {
                state.side = if until == self.deadline {
                    Side::Stopped
                } else {
                    Side::Stalled
                };
                let failed = state.check();
                wake(state);
                return failed;
            }
            state = self
                .moved
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Ok(())
    }

    /// Returns the next bytes, in memory or in the file, of which at most `most` are read at a
    /// time. Pending while there are none, even if none can arrive any more.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>, most: u64) -> Poll<io::Result<Found>> {
        let mut state = self.lock();
        let bytes = if !state.front.is_empty() {
            std::mem::take(&mut state.front)
        } else if let Some(unread) = state.unread(most) {
            return Poll::Ready(Ok(Found::InFile(unread)));
        } else if !state.back.is_empty() {
            state.back.split().freeze()
        } else if state.side == Side::Stalled {
            return Poll::Ready(Err(stalled()));
        } else {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        state.taken += 1;
        drop(state);
        self.moved.notify_one();
        Poll::Ready(Ok(Found::Bytes(bytes)))
    }

    /// The reader has read these bytes from the file.
    pub(crate) fn was_read(&self, bytes: &Bytes) {
        let mut state = self.lock();
        if let Some(spilled) = &mut state.file {
            spilled.read += bytes.len() as u64;
        }
        state.taken += 1;
        drop(state);
        self.moved.notify_one();
    }

    /// Stops the writer: the publication has ended or must not go on. Later writes fail; bytes that
    /// are already in the window stay readable.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        if state.side == Side::Open {
            state.side = Side::Stopped;
        }
        drop(state);
        self.moved.notify_one();
    }

    /// Returns whether the reader is gone or has read nothing for too long, while the publication
    /// may go on.
    pub(crate) fn is_deserted(&self) -> bool {
        let is_in_time = self.deadline.is_none_or(|end| Instant::now() < end);
        is_in_time && matches!(self.lock().side, Side::Gone | Side::Stalled)
    }

    /// The reader is gone.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        let side = match state.side {
            Side::Stopped => Side::Stopped,
            Side::Open | Side::Gone | Side::Stalled => Side::Gone,
        };
        let left = Unsent {
            side,
            ..Unsent::default()
        };
        let unsent = std::mem::replace(&mut *state, left);
        drop(state);
        self.moved.notify_one();
        if let Some(spilled) = unsent.file {
            close_elsewhere(spilled.file);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Unsent> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unsent {
    fn check(&self) -> io::Result<()> {
        match self.side {
            Side::Open => Ok(()),
            Side::Gone => Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the client is gone",
            )),
            Side::Stalled => Err(stalled()),
            Side::Stopped => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the publication was stopped",
            )),
        }
    }

    fn is_file_empty(&self) -> bool {
        self.file
            .as_ref()
            .is_none_or(|spilled| spilled.read == spilled.written)
    }

    fn unread(&self, most: u64) -> Option<Unread> {
        let spilled = self.file.as_ref()?;
        let left = spilled.written - spilled.read;
        let len = usize::try_from(left.min(most)).unwrap_or(usize::MAX);
        (len > 0).then(|| Unread {
            file: spilled.file.clone(),
            at: spilled.read,
            len,
        })
    }
}

/// Wakes the reader, after the lock has been released.
fn wake(mut state: MutexGuard<'_, Unsent>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn stalled() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the client took nothing for too long",
    )
}
