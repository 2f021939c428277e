//! What a server serves: a view, the number of workers, a folder with the blobs.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use rustix::fs::{Advice, fadvise};
use tempfile::TempDir;

use crate::children;

/// The small page of every server.
pub(crate) const PAGE: &str = "hello";

/// The work of a server for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum View {
    /// Five characters, built in a worker
    Page,
    /// A row of SQLite, read in a transaction
    Read,
    /// A row of SQLite, changed in a transaction
    Write,
    /// One second of outside work, in the worker
    Slow,
    /// The same work after the transaction, by a call that blocks
    Deferred,
    /// The same, by one that does not
    DeferredAsync,
    /// The same, by a promise between two publications
    Promise,
    /// Three concurrent promises of 300 ms between two publications
    Promises,
    /// The files of the folder; `/` is the small page
    Files,
    /// The length of the request's body; `/` is the small page
    Upload,
    /// `/count` adds one to a number, in transactions that conflict; `/` is the small page
    Conflicts,
}

impl View {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Read => "read",
            Self::Write => "write",
            Self::Slow => "slow",
            Self::Deferred => "deferred",
            Self::DeferredAsync => "deferred-async",
            Self::Promise => "promise",
            Self::Promises => "promises",
            Self::Files => "files",
            Self::Upload => "upload",
            Self::Conflicts => "conflicts",
        }
    }
}

/// The settings of a server.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) view: View,
    pub(crate) cap: usize,
    pub(crate) folder: PathBuf,
}

/// The folder of a run. It is removed when this handle is dropped, or by a signal.
pub(crate) struct Stage {
    folder: TempDir,
}

impl Stage {
    /// Creates it below `parent`, or below the system's folder for temporary files.
    pub(crate) fn new(parent: Option<&Path>) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("euryale-bench-");
        let folder = match parent {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        };
        let folder = folder.context("making a folder for blobs and uploads")?;
        children::remove_at_end(folder.path().to_owned());
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Creates the blob of this length, unless it exists.
    pub(crate) fn blob(&self, length: u64) -> Result<()> {
        let path = self.folder().join(blob_name(length));
        if fs::metadata(&path).is_ok_and(|found| found.len() == length) {
            return Ok(());
        }
        eprintln!("writing a blob of {length} bytes");
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        let mut pattern = Pattern::new();
        let mut left = length;
        let mut piece = vec![0; 64 << 10];
        while left > 0 {
            let size = usize::try_from(left.min(64 << 10))?;
            pattern.fill(&mut piece[..size]);
            file.write_all(&piece[..size])?;
            left -= size as u64;
        }
        file.flush()?;
        // Dirty pages that the system has not written to the disk yet would disturb the runs.
        file.get_ref()
            .sync_all()
            .context("bringing a blob to the disk")
    }

    /// Evicts the blob of this length from the page cache, so that it is only on the disk.
    pub(crate) fn forget(&self, length: u64) -> Result<()> {
        let file = File::open(self.folder().join(blob_name(length)))?;
        fadvise(&file, 0, None, Advice::DontNeed).context("dropping a blob from the page cache")
    }
}

/// The name of the blob of this length, both in the folder and after the slash of its path.
pub(crate) fn blob_name(length: u64) -> String {
    format!("blob-{length}")
}

/// Bytes without repetition, so that a misplaced piece is seen as wrong bytes.
pub(crate) struct Pattern {
    word: u64,
}

impl Pattern {
    pub(crate) fn new() -> Self {
        Self { word: 0 }
    }

    /// The next bytes. All calls but the last ask for a multiple of eight.
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            // splitmix64
            self.word = self.word.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (self.word ^ (self.word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let bytes = (mixed ^ (mixed >> 27)).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}
