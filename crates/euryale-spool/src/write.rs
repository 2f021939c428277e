//! Writes a body into a file without a name, off the runtime's threads.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// How much is written at a time. A hop to another thread and back costs about as much as writing 64 KiB into
/// the page cache.
pub(crate) const CHUNK: usize = 256 << 10;

/// A file that is being written, one chunk at a time, while the next one is read.
pub(crate) struct FileWriter {
    threads: Arc<Semaphore>,
    gathered: BytesMut,
    writing: JoinHandle<io::Result<File>>,
}

impl FileWriter {
    /// Creates the file in `directory` and writes `first` into it.
    pub(crate) async fn create(directory: Arc<Path>, threads: Arc<Semaphore>, first: Vec<Bytes>) -> Self {
        let writing = spawn(&threads, move || {
            let mut file = tempfile::tempfile_in(directory)?;
            first.iter().try_for_each(|bytes| file.write_all(bytes))?;
            Ok(file)
        })
        .await;
        Self { threads, gathered: BytesMut::new(), writing }
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
        self.writing = spawn(&self.threads, move || file.write_all(&chunk).map(|()| file)).await;
        Ok(())
    }

    /// Writes what is left, and gives the file.
    pub(crate) async fn finish(mut self) -> io::Result<File> {
        if !self.gathered.is_empty() {
            self.flush().await?;
        }
        written(&mut self.writing).await
    }
}

async fn written(writing: &mut JoinHandle<io::Result<File>>) -> io::Result<File> {
    writing.await.map_err(io::Error::other)?
}

/// Runs `write` when a thread of the lane is free. Whoever drops the handle leaves the thread its turn to the
/// end: it closes the file there.
#[expect(clippy::disallowed_methods, reason = "the lane of the spool: its semaphore bounds it")]
async fn spawn(
    threads: &Arc<Semaphore>,
    write: impl FnOnce() -> io::Result<File> + Send + 'static,
) -> JoinHandle<io::Result<File>> {
    let turn = Arc::clone(threads).acquire_owned().await;
    tokio::task::spawn_blocking(move || {
        let file = write();
        drop(turn);
        file
    })
}
