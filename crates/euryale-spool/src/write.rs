//! Writes a body into an unnamed file, off the runtime's threads.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use euryale_core::Blob;
use euryale_core::body::UnnamedFile;
use euryale_core::threads::{BlockingLane, Done, close_elsewhere};

use crate::budget::{Buffer, FileCharge, MemoryCharge, Share};
use crate::settings::Settings;

/// The number of bytes that are written at a time, if there is memory to collect them. Handing work
/// to another thread and back costs about as much as writing 64 KiB into the page cache.
pub(crate) const CHUNK: usize = 256 << 10;

type Writing = Done<io::Result<Unfinished>>;

/// A file that is being written one chunk at a time, while the next chunk is read.
///
/// At most one piece of a body is in memory without being charged: if there is no memory for a
/// piece, it is written before the next one is read.
pub(crate) struct FileWriter {
    settings: Arc<Settings>,
    gathered: Buffer,
    disk: Disk,
}

/// Idle ⇒ Writing ⇒ Idle. Both ⇒ Failed, which is also the state during a transition.
enum Disk {
    Idle(Unfinished),
    Writing(Writing),
    Failed,
}

impl FileWriter {
    /// Creates the file, and writes `begun` and `more` into it.
    pub(crate) async fn create(
        settings: Arc<Settings>,
        begun: Buffer,
        more: Bytes,
    ) -> io::Result<Self> {
        let file_charge = FileCharge::open(&settings).map_err(io::Error::other)?;
        let directory = Arc::clone(&settings.directory);
        let writing = start(&settings.lane, move || {
            let file = UnnamedFile::create(directory)?;
            let mut file = Unfinished::new(file, file_charge);
            file.write_all(begun.as_slice())?;
            file.write_all(&more)?;
            Ok(file)
        })
        .await?;
        let gathered = Buffer::new(MemoryCharge::none(&settings));
        let mut writer = Self {
            settings,
            gathered,
            disk: Disk::Writing(writing),
        };
        writer.settle().await?;
        Ok(writer)
    }

    /// Takes more bytes. Waits only if the disk is a whole chunk behind, or if there is no memory
    /// to collect a chunk.
    pub(crate) async fn write(&mut self, data: Bytes) -> io::Result<()> {
        if !self.gathered.extend(&data, CHUNK, Share::Half) {
            self.flush(data).await?;
            return self.settle().await;
        }
        if self.gathered.as_slice().len() < CHUNK {
            return Ok(());
        }
        self.flush(Bytes::new()).await?;
        // Reserves the buffer for the next chunk, if there is memory for it.
        self.gathered.reserve(CHUNK, Share::Half);
        Ok(())
    }

    /// Writes the collected bytes, and `more`.
    async fn flush(&mut self, more: Bytes) -> io::Result<()> {
        let mut file = self.settled().await?;
        let next = Buffer::new(MemoryCharge::none(&self.settings));
        let chunk = std::mem::replace(&mut self.gathered, next);
        let write = move || {
            file.write_all(chunk.as_slice())?;
            file.write_all(&more)?;
            Ok(file)
        };
        self.disk = Disk::Writing(start(&self.settings.lane, write).await?);
        Ok(())
    }

    /// Writes the rest, and returns the file, which is read-only from then on.
    pub(crate) async fn finish(mut self) -> io::Result<(Blob, FileCharge)> {
        let mut file = self.settled().await?;
        let chunk = self.gathered;
        let finish = move || {
            file.write_all(chunk.as_slice())?;
            file.finish()
        };
        let finishing = start(&self.settings.lane, finish).await?;
        finishing.await.map_err(io::Error::other)?
    }

    /// Waits until nothing is being written.
    async fn settle(&mut self) -> io::Result<()> {
        self.disk = Disk::Idle(self.settled().await?);
        Ok(())
    }

    /// Returns the file once nothing is being written.
    async fn settled(&mut self) -> io::Result<Unfinished> {
        match std::mem::replace(&mut self.disk, Disk::Failed) {
            Disk::Idle(file) => Ok(file),
            Disk::Writing(writing) => writing.await.map_err(io::Error::other)?,
            Disk::Failed => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Starts a write as soon as a thread is free. Meanwhile the next bytes are read.
async fn start<T: Send + 'static>(
    lane: &BlockingLane,
    write: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<Done<io::Result<T>>> {
    let turn = lane.enter().await;
    turn.and_then(|turn| turn.start(write))
        .map_err(io::Error::other)
}

/// A file whose body is incomplete, and its charge. It may be dropped on a runtime thread if the
/// client disconnects or is refused. Closing a large unnamed file frees its blocks, which takes
/// time, so it is closed on another thread.
struct Unfinished {
    /// `None` after completion and after drop.
    open: Option<(UnnamedFile, FileCharge)>,
}

impl Unfinished {
    fn new(file: UnnamedFile, charge: FileCharge) -> Self {
        Self {
            open: Some((file, charge)),
        }
    }

    /// Charges `bytes`, and then writes them.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (file, charge) = self.open.as_mut().ok_or(io::ErrorKind::NotFound)?;
        charge.grow(bytes.len() as u64).map_err(io::Error::other)?;
        file.write_all(bytes)
    }

    /// Completes the file. Blocks.
    fn finish(mut self) -> io::Result<(Blob, FileCharge)> {
        let (file, charge) = self.open.take().ok_or(io::ErrorKind::NotFound)?;
        Ok((file.into_blob()?, charge))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            close_elsewhere(open);
        }
    }
}
