//! Writes a body into a file without a name, off the runtime's threads.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use euryale_core::{BlockingLane, Done, close_elsewhere};

/// How much is written at a time. A hop to another thread and back costs about as much as writing
/// 64 KiB into the page cache.
pub(crate) const CHUNK: usize = 256 << 10;

type Writing = Done<io::Result<Unfinished>>;

/// A file that is being written, one chunk at a time, while the next one is read.
pub(crate) struct FileWriter {
    lane: BlockingLane,
    gathered: BytesMut,
    writing: Writing,
}

impl FileWriter {
    /// Creates the file in `directory` and writes `first` into it.
    pub(crate) async fn create(
        directory: Arc<Path>,
        lane: BlockingLane,
        first: [Bytes; 2],
    ) -> io::Result<Self> {
        let writing = start(&lane, move || {
            let mut file = Unfinished::new(tempfile::tempfile_in(directory)?);
            first.iter().try_for_each(|bytes| file.write_all(bytes))?;
            Ok(file)
        })
        .await?;
        Ok(Self {
            lane,
            gathered: BytesMut::new(),
            writing,
        })
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
        self.writing = start(&self.lane, move || file.write_all(&chunk).map(|()| file)).await?;
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

async fn written(writing: &mut Writing) -> io::Result<Unfinished> {
    writing.await.map_err(io::Error::other)?
}

/// Begins to write when there is a thread for it. The next bytes are read meanwhile.
async fn start(
    lane: &BlockingLane,
    write: impl FnOnce() -> io::Result<Unfinished> + Send + 'static,
) -> io::Result<Writing> {
    let turn = lane.enter().await;
    turn.and_then(|turn| turn.start(write))
        .map_err(io::Error::other)
}

/// A file whose body has not come to its end. Who drops it, a client that is gone or a refusal
/// half-way, may be on a runtime thread; closing a large file without a name frees its blocks, so
/// that is done elsewhere.
struct Unfinished {
    file: Option<File>,
}

impl Unfinished {
    fn new(file: File) -> Self {
        Self { file: Some(file) }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file
            .as_mut()
            .map_or(Ok(()), |file| file.write_all(bytes))
    }

    fn into_file(mut self) -> io::Result<File> {
        self.file
            .take()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            close_elsewhere(file);
        }
    }
}
