//! Standard error, or a file that can be opened again.

use std::fs::{File, OpenOptions};
use std::io::{self, Stderr, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Logs contain addresses of clients, so not everyone may read them.
const MODE: u32 = 0o640;

/// Where lines are written to.
#[derive(Debug)]
pub(super) enum Output {
    Stderr(Stderr),
    File { file: File, path: PathBuf },
}

impl Output {
    pub(super) fn stderr() -> Self {
        Self::Stderr(io::stderr())
    }

    /// The end of this file.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::File {
            file: open(path)?,
            path: path.to_owned(),
        })
    }

    /// Opens the file of this name, which may be a new one. After an error, lines are still written
    /// to the old one.
    pub(super) fn reopen(&mut self) {
        let Self::File { file, path } = self else {
            return;
        };
        match open(path) {
            Ok(new) => {
                *file = new;
                tracing::info!(
                    target: "site::log::output",
                    path = %path.display(),
                    "log file reopened"
                );
            }
            Err(error) => {
                tracing::error!(
                    target: "site::log::output",
                    path = %path.display(),
                    %error,
                    "the log file cannot be reopened"
                );
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(MODE)
        .open(path)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stderr(stderr) => stderr.write(bytes),
            Self::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
