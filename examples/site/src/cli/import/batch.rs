//! Some entries that are committed together.
//!
//! Bytes are copied and synced before the transaction; it writes rows, and nothing else is done
//! while it holds the database's lock.

use std::fs::File;
use std::path::PathBuf;
use std::{io, mem, thread};

use euryale::BoxError;
use euryale::store::FolderStore;

use super::text::Page;
use crate::store::data::Data;
use crate::store::{self, Connection, FileEntry};

/// The maximum number in one batch; each holds a file open.
const ENTRIES: usize = 250;
/// The maximum number of bytes of files that are synced together.
const BYTES: u64 = 64 << 20;
/// The maximum amount of text: it is indexed within the transaction, and other transactions would
/// wait too long for more.
const TEXT: usize = 1 << 20;

/// The number of files that are synced at a time: each waits for the disk, and the disk can do
/// several at once.
const SYNCS: usize = 16;

/// The content to store at a path.
#[derive(Debug)]
pub(super) enum Item {
    /// Replaces any other document.
    Page {
        path: String,
        page: Page,
        /// The time of the last change, in seconds since 1970.
        modified: i64,
    },
    /// Only if there is no document yet.
    Folder {
        path: String,
        title: String,
    },
    File(FileEntry),
}

/// How an item relates to the stored content at its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    /// Something different is stored; for a file, this blob.
    Other(Option<String>),
    Same,
    /// It cannot be stored there, with the reason.
    Blocked(String),
}

impl Item {
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Page { path, .. } | Self::Folder { path, .. } => path,
            Self::File(file) => &file.path,
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// In bytes, of a file.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.size,
            _ => 0,
        }
    }

    /// Its current relation to the stored content.
    pub(super) fn judge(&self, connection: &mut Connection) -> store::Result<Verdict> {
        let file = store::file(connection, self.path())?;
        if let Self::File(new) = self {
            if store::exists(connection, &new.path)? {
                return Ok(Verdict::Blocked(format!(
                    "There is a page at {}.",
                    new.path
                )));
            }
            return Ok(match file {
                None => Verdict::New,
                Some(old) if (old.size, old.modified) == (new.size, new.modified) => Verdict::Same,
                Some(old) => Verdict::Other(Some(old.blob)),
            });
        }
        if file.is_some() {
            return Ok(Verdict::Blocked(format!(
                "There is a file at {}. Delete it first.",
                self.path()
            )));
        }
        let Self::Page { path, page, .. } = self else {
            let is_there = store::exists(connection, self.path())?;
            return Ok(if is_there {
                Verdict::Same
            } else {
                Verdict::New
            });
        };
        Ok(match store::document(connection, path)? {
            None => Verdict::New,
            Some(old)
                if (&old.title, old.format, &old.body)
                    == (&page.title, page.format, &page.body) =>
            {
                Verdict::Same
            }
            Some(_) => Verdict::Other(None),
        })
    }

    /// Writes its row if necessary, and returns the previous relation.
    fn write(&self, connection: &mut Connection) -> store::Result<Verdict> {
        let verdict = self.judge(connection)?;
        if !matches!(verdict, Verdict::New | Verdict::Other(_)) {
            return Ok(verdict);
        }
        // It existed, or precedes this one. If it is missing, it has been deleted in the meantime.
        if let Some(folder) = store::parent(self.path())
            && !store::exists(connection, folder)?
        {
            return Ok(Verdict::Blocked(format!(
                "There is no page at {folder} to put it in."
            )));
        }
        match self {
            Self::File(file) => store::put_file(connection, file)?,
            Self::Folder { path, title } => {
                store::add(connection, path, title, store::Format::Markdown, "")?;
            }
            Self::Page {
                path,
                page,
                modified,
            } => {
                let put = if verdict == Verdict::New {
                    store::add_at
                } else {
                    store::replace
                };
                put(
                    connection,
                    path,
                    &page.title,
                    page.format,
                    &page.body,
                    *modified,
                )?;
            }
        }
        Ok(verdict)
    }
}

/// A file among the blobs that no row names yet. It is discarded when it is dropped.
#[derive(Debug)]
pub(super) struct Pending {
    blobs: FolderStore,
    name: String,
    file: File,
    is_kept: bool,
}

impl Pending {
    pub(super) fn create(blobs: &FolderStore) -> io::Result<Self> {
        let (name, file) = blobs.create()?;
        Ok(Self {
            blobs: blobs.clone(),
            name,
            file,
            is_kept: false,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.is_kept {
            discard(&self.blobs, &self.name);
        }
    }
}

/// Files that are not discarded are swept away at the next start.
fn discard(blobs: &FolderStore, name: &str) {
    match blobs.discard(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(
                target: "site::import::batch",
                %error,
                name,
                "a blob that is not needed is kept until the next start"
            );
        }
        _ => {}
    }
}

/// An item, its source, and its bytes if it is a file.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) source: PathBuf,
    pub(super) item: Item,
    pub(super) pending: Option<Pending>,
}

/// The uncommitted items. If this is dropped, none of them is kept.
#[derive(Debug, Default)]
pub(super) struct Batch {
    staged: Vec<Staged>,
    bytes: u64,
    text: usize,
}

impl Batch {
    pub(super) fn add(&mut self, staged: Staged) {
        self.bytes += staged.item.size();
        if let Item::Page { page, .. } = &staged.item {
            self.text += page.body.len();
        }
        self.staged.push(staged);
    }

    pub(super) fn is_full(&self) -> bool {
        self.staged.len() >= ENTRIES || self.bytes >= BYTES || self.text >= TEXT
    }

    /// Commits all of it or nothing, in one transaction, and empties it. Returns the result for
    /// each item.
    pub(super) fn commit(&mut self, data: &Data) -> Result<Vec<(Staged, Verdict)>, BoxError> {
        let Self { mut staged, .. } = mem::take(self);
        if staged.is_empty() {
            return Ok(Vec::new());
        }
        sync(&staged)?;
        data.blobs.sync()?;
        // From here on rows may name them, even if the commit fails; the next start finds out.
        staged
            .iter_mut()
            .filter_map(|staged| staged.pending.as_mut())
            .for_each(|file| file.is_kept = true);
        let verdicts = data.write(|connection| {
            if !store::is_imported(connection)? {
                // The first page comes from this import, and samples would conflict with it.
                store::set_imported(connection)?;
            }
            let written = staged.iter().map(|staged| staged.item.write(connection));
            Ok(written.collect::<store::Result<Vec<_>>>()?)
        })?;
        for (staged, verdict) in staged.iter_mut().zip(&verdicts) {
            if let (Some(file), Verdict::Same | Verdict::Blocked(_)) =
                (&mut staged.pending, verdict)
            {
                file.is_kept = false;
            }
            // A reader that has it open reads it to its end.
            if let Verdict::Other(Some(blob)) = verdict {
                discard(&data.blobs, blob);
            }
        }
        Ok(staged.into_iter().zip(verdicts).collect())
    }
}

/// Flushes the files to disk.
fn sync(staged: &[Staged]) -> io::Result<()> {
    let files: Vec<&File> = staged
        .iter()
        .filter_map(|staged| Some(&staged.pending.as_ref()?.file))
        .collect();
    let share = files.len().div_ceil(SYNCS).max(1);
    thread::scope(|scope| {
        let sync = |files: &[&File]| files.iter().try_for_each(|file| file.sync_all());
        let threads: Vec<_> = files
            .chunks(share)
            .map(|files| scope.spawn(move || sync(files)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
        })
    })
}
