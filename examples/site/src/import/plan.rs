//! What is to be imported: the folder is looked through once, before anything is read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::stop::Stop;
use crate::address;
use crate::store::Format;

/// One thing to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) source: PathBuf,
    /// Where it goes.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// In bytes.
    pub(super) size: u64,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A document with this text.
    Page(Format),
    /// The same, for a folder.
    Index(Format),
    /// A document for a folder that brings none, if there is none yet.
    Folder,
    File,
}

impl Kind {
    /// The same text, as that of a folder.
    fn of_folder(self) -> Self {
        match self {
            Self::Page(format) => Self::Index(format),
            other => other,
        }
    }
}

/// Everything, folders before what is in them.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) entries: Vec<Entry>,
    /// In bytes.
    pub(super) size: u64,
    /// So many names begin with a dot.
    pub(super) hidden: u64,
}

/// Who is told what the walk finds.
pub(super) trait Watch {
    /// So many entries were found.
    fn found(&mut self, entries: usize);

    /// This is not imported, and why.
    fn left_out(&mut self, source: &Path, reason: &str);
}

/// Which file it is, whatever it is called.
type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

impl Plan {
    /// Of `folder`, without the folder `data`, if that is in it. It is cut short when `stop` is
    /// set.
    ///
    /// # Errors
    /// When `folder` itself cannot be looked into.
    pub(super) fn of(
        folder: &Path,
        data: &Path,
        stop: &Stop,
        watch: &mut dyn Watch,
    ) -> io::Result<Self> {
        let mut walk = Walk {
            plan: Self::default(),
            data: identity(&fs::metadata(data)?),
            stop,
            watch,
        };
        let listed = Listing::of(folder)?;
        walk.folder(folder, "/", listed, Vec::new());
        Ok(walk.plan)
    }
}

struct Walk<'a> {
    plan: Plan,
    data: Identity,
    stop: &'a Stop,
    watch: &'a mut dyn Watch,
}

impl Walk<'_> {
    /// The folder that becomes `path`; `beside` are pages that stand beside it and are called as it
    /// is.
    fn folder(&mut self, source: &Path, path: &str, listed: Listing, mut beside: Vec<Entry>) {
        if self.stop.is_set() {
            return;
        }
        let mut found = self.sort(source, path, listed);
        found.index.append(&mut beside);
        if found.index.is_empty() {
            let folder = Entry {
                source: source.to_owned(),
                path: path.to_owned(),
                kind: Kind::Folder,
                size: 0,
            };
            self.push(folder);
        }
        self.push_first(found.index);
        let mut taken = BTreeSet::new();
        let folders: BTreeSet<String> =
            found.folders.iter().map(|(_, path)| path.clone()).collect();
        let (mut beside, pages): (BTreeMap<_, _>, BTreeMap<_, _>) = found
            .pages
            .into_iter()
            .partition(|(path, _)| folders.contains(path));
        for (path, pages) in pages {
            self.push_first(pages);
            taken.insert(path);
        }
        for file in found.files {
            if taken.contains(&file.path) || folders.contains(&file.path) {
                self.watch.left_out(
                    &file.source,
                    &format!("A page is imported at {} already.", file.path),
                );
            } else {
                self.push(file);
            }
        }
        for (source, path) in found.folders {
            let mut beside = beside.remove(&path).unwrap_or_default();
            match Listing::of(&source) {
                Ok(listed) => {
                    beside
                        .iter_mut()
                        .for_each(|page| page.kind = page.kind.of_folder());
                    self.folder(&source, &path, listed, beside);
                }
                Err(error) => {
                    let reason = format!("It cannot be looked into, nor what is in it: {error}.");
                    self.watch.left_out(&source, &reason);
                    self.push_first(beside);
                }
            }
        }
    }

    /// What is in a folder, by what becomes of it.
    fn sort(&mut self, folder: &Path, path: &str, listed: Listing) -> Found {
        let mut found = Found::default();
        for error in listed.errors {
            self.watch.left_out(
                folder,
                &format!("It cannot be looked through to its end: {error}."),
            );
        }
        for entry in listed.entries {
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                self.plan.hidden += 1;
            } else if let Err(reason) = self.place(&entry, path, &mut found) {
                self.watch.left_out(&entry.path(), &reason);
            }
        }
        // A page that is there in two formats is imported from Markdown: `html` stands behind `md`.
        found.index.reverse();
        found.pages.values_mut().for_each(|pages| pages.reverse());
        found
    }

    fn place(&self, entry: &DirEntry, folder: &str, found: &mut Found) -> Result<(), String> {
        // Of the entry itself: no link is followed.
        let metadata = entry
            .metadata()
            .map_err(|error| format!("It cannot be looked at: {error}."))?;
        let source = entry.path();
        let name = entry.file_name();
        let name = name.to_str().ok_or("Its name is not UTF-8.")?;
        if metadata.is_dir() {
            if identity(&metadata) == self.data {
                return Err("It is the data folder itself.".to_owned());
            }
            let path = address::join(folder, name)
                .map_err(|what| format!("{what} What is in it neither."))?;
            found.folders.push((source, path));
            return Ok(());
        }
        if !metadata.is_file() {
            return Err(odd(metadata.file_type()).to_owned());
        }
        let size = metadata.len();
        let entry = |path, kind| Entry {
            source: source.clone(),
            path,
            kind,
            size,
        };
        match format(name) {
            Some((stem, format)) if stem.eq_ignore_ascii_case("index") => {
                found
                    .index
                    .push(entry(folder.to_owned(), Kind::Index(format)));
            }
            Some((stem, format)) => {
                let path = address::join(folder, stem)?;
                found
                    .pages
                    .entry(path.clone())
                    .or_default()
                    .push(entry(path, Kind::Page(format)));
            }
            None => found
                .files
                .push(entry(address::join(folder, name)?, Kind::File)),
        }
        Ok(())
    }

    /// The first one of several that go to the same place.
    fn push_first(&mut self, entries: Vec<Entry>) {
        let mut entries = entries.into_iter();
        let Some(first) = entries.next() else { return };
        for other in entries {
            let reason = format!(
                "{} is imported at {} already.",
                super::shown(&first.source),
                other.path
            );
            self.watch.left_out(&other.source, &reason);
        }
        self.push(first);
    }

    fn push(&mut self, entry: Entry) {
        self.plan.size += entry.size;
        self.plan.entries.push(entry);
        self.watch.found(self.plan.entries.len());
    }
}

/// Names in a folder, in their order, and what went wrong with the rest.
struct Listing {
    entries: Vec<DirEntry>,
    errors: Vec<io::Error>,
}

impl Listing {
    fn of(folder: &Path) -> io::Result<Self> {
        let mut listing = Self {
            entries: Vec::new(),
            errors: Vec::new(),
        };
        for entry in fs::read_dir(folder)? {
            match entry {
                Ok(entry) => listing.entries.push(entry),
                Err(error) => listing.errors.push(error),
            }
        }
        listing.entries.sort_by_key(DirEntry::file_name);
        Ok(listing)
    }
}

#[derive(Default)]
struct Found {
    /// For the folder itself.
    index: Vec<Entry>,
    /// By path.
    pages: BTreeMap<String, Vec<Entry>>,
    files: Vec<Entry>,
    /// Where they are, and their paths.
    folders: Vec<(PathBuf, String)>,
}

/// The name without its ending, if that is a page's.
fn format(name: &str) -> Option<(&str, Format)> {
    let name = Path::new(name);
    let ending = name.extension()?.to_str()?;
    let is = |other: &str| ending.eq_ignore_ascii_case(other);
    let format = match () {
        () if is("md") => Format::Markdown,
        () if is("html") || is("htm") => Format::Html,
        () => return None,
    };
    Some((name.file_stem().and_then(OsStr::to_str)?, format))
}

fn odd(kind: FileType) -> &'static str {
    if kind.is_symlink() {
        "It is a link, and none is followed."
    } else if kind.is_fifo() {
        "It is a pipe."
    } else if kind.is_socket() {
        "It is a socket."
    } else {
        "It is a device."
    }
}
