//! Writes a body into a file without a name, off the runtime's threads.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use euryale_core::{PanicMessage, close_elsewhere};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// How much is written at a time. A hop to another thread and back costs about as much as writing 64 KiB into
/// the page cache.
pub(crate) const CHUNK: usize = 256 << 10;

/// A file that is being written, one chunk at a time, while the next one is read.
pub(crate) struct FileWriter {
    threads: Arc<Semaphore>,
    gathered: BytesMut,
    writing: JoinHandle<io::Result<Unfinished>>,
}

impl FileWriter {
    /// Creates the file in `directory` and writes `first` into it.
    pub(crate) async fn create(
        directory: Arc<Path>,
        threads: Arc<Semaphore>,
        first: [Bytes; 2],
    ) -> io::Result<Self> {
        let writing = spawn(&threads, move || {
            let mut file = Unfinished::new(tempfile::tempfile_in(directory)?);
            first.iter().try_for_each(|bytes| file.write_all(bytes))?;
            Ok(file)
        })
        .await?;
        Ok(Self { threads, gathered: BytesMut::new(), writing })
    }

    /// Takes more bytes; waits for the disk only when it is a whole chunk behind.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() < CHUNK {
            return Ok(());
        }
        self.flush().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        let mut file = written(&mut self.writing).await?;
        let chunk = self.gathered.split();
        self.writing = spawn(&self.threads, move || file.write_all(&chunk).map(|()| file)).await?;
        Ok(())
    }

    /// Writes what is left, and gives the file.
    pub(crate) async fn finish(mut self) -> io::Result<File> {
        if !self.gathered.is_empty() {
            self.flush().await?;
        }
        written(&mut self.writing).await?.into_file()
    }
}

async fn written(writing: &mut JoinHandle<io::Result<Unfinished>>) -> io::Result<Unfinished> {
    writing.await.map_err(io::Error::other)?
}

/// Runs `write` when a thread of the lane is free.
#[expect(clippy::disallowed_methods, reason = "the lane of the spool: its semaphore bounds it")]
async fn spawn(
    threads: &Arc<Semaphore>,
    write: impl FnOnce() -> io::Result<Unfinished> + Send + 'static,
) -> io::Result<JoinHandle<io::Result<Unfinished>>> {
    let turn = Arc::clone(threads).acquire_owned().await;
    let write = move || {
        let file = write();
        drop(turn);
        file
    };
    // Without a thread tokio panics, and keeps the closure until it has one.
    PanicMessage::catch(|| tokio::task::spawn_blocking(write)).map_err(io::Error::other)
}

/// A file whose body has not come to its end. Who drops it, a client that is gone or a refusal half-way, may be on a
/// runtime thread; closing a large file without a name frees its blocks, so that is done elsewhere.
struct Unfinished {
    file: Option<File>,
}

impl Unfinished {
    fn new(file: File) -> Self {
        Self { file: Some(file) }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    fn into_file(mut self) -> io::Result<File> {
        self.file.take().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            close_elsewhere(file);
        }
    }
}
