//! What a server serves: a view, the number of workers, a folder with the blobs.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
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
    /// A page of `count` bytes
    Sized,
    /// The small page, from a pool with `count` lanes
    Lanes,
    /// A page of 16 KiB to which each of `count` transforms appends a letter
    Transforms,
    /// `/suspended` waits for a promise, which `/release` resolves; `/` is the small page
    Suspended,
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
            Self::Sized => "sized",
            Self::Lanes => "lanes",
            Self::Transforms => "transforms",
            Self::Suspended => "suspended",
        }
    }
}

/// What a server and its clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wire {
    /// HTTP/1.1
    Http1,
    /// HTTP/2 without TLS, which clients speak from their first byte (prior knowledge)
    Http2,
    /// TLS, with HTTP/2 or HTTP/1.1 as the client prefers
    Tls,
}

impl Wire {
    fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::Tls => "tls",
        }
    }

    /// The scheme of its URLs.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Http1 | Self::Http2 => "http",
            Self::Tls => "https",
        }
    }
}

/// The settings of a server.
#[derive(Args, Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) view: View,
    #[arg(long)]
    pub(crate) cap: usize,
    #[arg(long)]
    pub(crate) wire: Wire,
    /// How many bytes, lanes or transforms the view has
    #[arg(long)]
    pub(crate) count: usize,
    #[arg(long)]
    pub(crate) folder: PathBuf,
}

impl Scene {
    /// The arguments that it is parsed from.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let cap = self.cap.to_string();
        let count = self.count.to_string();
        let words = [
            self.view.name(),
            "--cap",
            &cap,
            "--wire",
            self.wire.name(),
            "--count",
            &count,
            "--folder",
        ];
        let words = words.map(OsString::from).into_iter();
        words.chain([self.folder.clone().into()]).collect()
    }

    /// The body of the page at `/`.
    pub(crate) fn page(&self) -> Cow<'static, str> {
        match self.view {
            View::Sized => "x".repeat(self.count).into(),
            View::Transforms => {
                let [before, after] = transformed();
                format!("{before}{}{after}", LETTER.repeat(self.count)).into()
            }
            _ => PAGE.into(),
        }
    }

    /// The certificate of servers with TLS, and its key.
    pub(crate) fn certificate(&self) -> [PathBuf; 2] {
        certificate(&self.folder)
    }
}

/// What each transform appends.
pub(crate) const LETTER: &str = "t";

/// A page of 16 KiB, before and after the place where transforms append a letter.
pub(crate) fn transformed() -> [String; 2] {
    let paragraph = "<p class=\"text\">text with a <a href=\"/\">link</a></p>\n";
    let paragraphs = paragraph.repeat((16 << 10) / paragraph.len());
    [
        format!("<!DOCTYPE html><html><body>\n{paragraphs}<footer>"),
        "</footer></body></html>\n".to_owned(),
    ]
}

fn certificate(folder: &Path) -> [PathBuf; 2] {
    ["certificate.pem", "key.pem"].map(|name| folder.join(name))
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
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let [certificate, key] = certificate(folder.path());
        fs::write(certificate, made.cert.pem())?;
        fs::write(key, made.signing_key.serialize_pem())?;
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
