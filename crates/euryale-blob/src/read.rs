//! What touches files: reads of what is in memory, which never wait, and a lane of blocking threads for the rest.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use euryale_core::{Blob, PanicMessage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::buffers::Buffer;

/// So many blocking threads at a time; who asks first is first. Clones are the same lane.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    turns: Arc<Semaphore>,
    threads: usize,
}

impl Lane {
    pub(crate) fn new(threads: usize) -> Self {
        let threads = threads.clamp(1, Semaphore::MAX_PERMITS);
        Self { turns: Arc::new(Semaphore::new(threads)), threads }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` when it has its turn. Dropped before it begins, it never does. The turn ends with the work, or when
    /// a thread passes it by, so that there is never more in the runtime's queue than there are turns.
    pub(crate) async fn run<T>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T>
    where
        T: Send + 'static,
    {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(io::Error::other)?;
        let mut running = Running(spawn(turn, work)?);
        (&mut running.0).await.map_err(io::Error::other)
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.turns.available_permits()
    }
}

#[expect(clippy::disallowed_methods, reason = "the lane of the blobs: its semaphore bounds it")]
fn spawn<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let work = move || {
        let done = work();
        drop(turn);
        done
    };
    // Without a thread tokio panics, and keeps the closure until it has one.
    PanicMessage::catch(|| tokio::task::spawn_blocking(work)).map_err(io::Error::other)
}

/// Work that nobody waits for any more need not begin.
struct Running<T>(JoinHandle<T>);

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What of it is in memory: `RWF_NOWAIT` never waits for a disk, so that this may be done on a runtime thread.
#[cfg(target_os = "linux")]
pub(crate) fn read_resident(file: &File, space: &mut [u8], at: u64) -> rustix::io::Result<usize> {
    let mut space = [io::IoSliceMut::new(space)];
    rustix::io::preadv2(file, &mut space, at, rustix::io::ReadWriteFlags::NOWAIT)
}

/// Nobody can say.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read_resident(_file: &File, _space: &mut [u8], _at: u64) -> rustix::io::Result<usize> {
    Err(rustix::io::Errno::OPNOTSUPP)
}

/// At least one byte at this place of the file. Blocks.
pub(crate) fn read_at(blob: &Blob, mut buffer: Buffer, want: usize, at: u64) -> io::Result<Bytes> {
    loop {
        match blob.file().read_at(buffer.space(want), at) {
            Ok(0) => {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was"));
            }
            Ok(read) => return Ok(buffer.filled(read)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
