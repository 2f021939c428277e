//! The plan of an import: the folder is listed once, before anything is read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::links::Places;
use super::source::shown;
use super::stop::Stop;
use crate::pages::address;
use crate::pages::archive::{self, List, Listed};
use crate::store::Format;

/// One thing to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) source: PathBuf,
    /// Its destination.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// In bytes.
    pub(super) size: u64,
    /// The entry of a text in the list of an export.
    pub(super) listed: Option<archive::Text>,
}

/// The result for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A document with this text.
    Page(Format),
    /// The same, for a folder.
    Index(Format),
    /// A document for a folder without one, if there is none yet.
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

/// Everything, folders before their contents.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) entries: Vec<Entry>,
    /// In bytes.
    pub(super) size: u64,
    /// The number of names that begin with a dot.
    pub(super) hidden: u64,
    /// The destination of each file and each folder.
    pub(super) places: Places,
}

/// Receives the entries that the walk finds.
pub(super) trait Watch {
    /// Notes the number of entries that were found.
    fn found(&mut self, entries: usize);

    /// An entry that is not imported, and why.
    fn left_out(&mut self, source: &Path, reason: &str);
}

/// The identity of a file, independent of its name.
type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

impl Plan {
    /// The plan for `folder`, without the folder `data` if that is inside. It is cut short when
    /// `stop` is set.
    ///
    /// # Errors
    /// `folder` itself cannot be listed.
    pub(super) fn of(
        folder: &Path,
        data: &Path,
        stop: &Stop,
        watch: &mut dyn Watch,
    ) -> io::Result<Self> {
        let listing = Listing::of(folder)?;
        let list = List::read(folder).unwrap_or_else(|wrong| {
            watch.left_out(&folder.join(archive::LIST), &wrong);
            None
        });
        let is_export = list.is_some();
        let (names, order) = list.map(List::into_maps).unwrap_or_default();
        let mut walk = Walk {
            plan: Self {
                places: Places::of(folder),
                ..Self::default()
            },
            root: folder,
            names,
            data: identity(&fs::metadata(data)?),
            stop,
            watch,
        };
        walk.folder(folder, "/", listing, Vec::new());
        let mut plan = walk.plan;
        if is_export {
            plan.hidden -= 1;
            // A folder before its contents, and the contents of a folder in order.
            plan.entries.sort_by_cached_key(|entry| {
                let depth = entry.path.trim_end_matches('/').split('/').count();
                let place = order.get(&entry.path).copied().unwrap_or(usize::MAX);
                (depth, place)
            });
        }
        Ok(plan)
    }
}

struct Walk<'a> {
    plan: Plan,
    root: &'a Path,
    /// The entries in the list of an export, by name.
    names: HashMap<String, Listed>,
    data: Identity,
    stop: &'a Stop,
    watch: &'a mut dyn Watch,
}

impl Walk<'_> {
    /// The folder that becomes `path`. `beside` are pages next to it with the same name.
    fn folder(&mut self, source: &Path, path: &str, listed: Listing, mut beside: Vec<Entry>) {
        if self.stop.is_set() {
            return;
        }
        self.plan.places.add(source, path);
        let mut found = self.sort(source, path, listed);
        found.index.append(&mut beside);
        if found.index.is_empty() {
            let folder = Entry {
                source: source.to_owned(),
                path: path.to_owned(),
                kind: Kind::Folder,
                size: 0,
                listed: None,
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
                let reason = format!("Something else is imported at {} already.", file.path);
                self.watch.left_out(&file.source, &reason);
            } else {
                taken.insert(file.path.clone());
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
                    let reason =
                        format!("It cannot be opened, so its contents are left out: {error}.");
                    self.watch.left_out(&source, &reason);
                    self.push_first(beside);
                }
            }
        }
    }

    /// The contents of a folder, by the kind of result.
    fn sort(&mut self, folder: &Path, path: &str, listed: Listing) -> Found {
        let mut found = Found::default();
        for error in listed.errors {
            self.watch
                .left_out(folder, &format!("It cannot be listed to its end: {error}."));
        }
        for entry in listed.entries {
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                self.plan.hidden += 1;
            } else if let Err(reason) = self.place(&entry, path, &mut found) {
                self.watch.left_out(&entry.path(), &reason);
            }
        }
        // A page that exists in two formats is imported from Markdown, because `html` sorts after
        // `md`.
        found.index.reverse();
        found.pages.values_mut().for_each(|pages| pages.reverse());
        // And exported entries before added ones.
        found.index.sort_by_key(|page| page.listed.is_none());
        for pages in found.pages.values_mut() {
            pages.sort_by_key(|page| page.listed.is_none());
        }
        found
    }

    fn place(&self, entry: &DirEntry, folder: &str, found: &mut Found) -> Result<(), String> {
        // Of the entry itself: no link is followed.
        let metadata = entry
            .metadata()
            .map_err(|error| format!("It cannot be examined: {error}."))?;
        let source = entry.path();
        let name = entry.file_name();
        let name = name.to_str().ok_or("Its name is not UTF-8.")?;
        if metadata.is_dir() {
            if identity(&metadata) == self.data {
                return Err("It is the data folder itself.".to_owned());
            }
            let path = match self.listed(&source, folder) {
                Some((path, archive::Kind::Folder)) => path,
                _ => address::join(folder, name)
                    .map_err(|what| format!("{what} Its contents are left out, too."))?,
            };
            found.folders.push((source, path));
            return Ok(());
        }
        if !metadata.is_file() {
            return Err(odd(metadata.file_type()).to_owned());
        }
        let (path, kind, listed) = match self.listed(&source, folder) {
            Some((path, archive::Kind::File)) => (path, Kind::File, None),
            Some((path, archive::Kind::Markdown(text))) => {
                (path, Kind::Page(Format::Markdown), Some(text))
            }
            Some((path, archive::Kind::Html(text))) => (path, Kind::Page(Format::Html), Some(text)),
            Some((_, archive::Kind::Folder)) | None => {
                let (path, kind) = by_name(folder, name)?;
                (path, kind, None)
            }
        };
        let is_of_folder = path == folder;
        let entry = Entry {
            source,
            path,
            kind: if is_of_folder { kind.of_folder() } else { kind },
            size: metadata.len(),
            listed,
        };
        match entry.kind {
            Kind::File => found.files.push(entry),
            _ if is_of_folder => found.index.push(entry),
            _ => found
                .pages
                .entry(entry.path.clone())
                .or_default()
                .push(entry),
        }
        Ok(())
    }

    /// The place that the list of an export gives to `source`, a file in the folder that becomes
    /// `folder`: in that folder, or as the folder itself. The list is only a file, and may contain
    /// anything.
    fn listed(&self, source: &Path, folder: &str) -> Option<(String, archive::Kind)> {
        let name = source.strip_prefix(self.root).ok()?.to_str()?;
        let listed = self.names.get(name)?;
        let is_text = matches!(
            listed.kind,
            archive::Kind::Markdown(_) | archive::Kind::Html(_)
        );
        if listed.path == folder && is_text {
            return Some((folder.to_owned(), listed.kind.clone()));
        }
        let (_, name) = listed.path.rsplit_once('/')?;
        let path = address::join(folder, name).ok()?;
        (path == address::normal(&listed.path)).then(|| (path, listed.kind.clone()))
    }

    /// The first of several with the same destination.
    fn push_first(&mut self, entries: Vec<Entry>) {
        let mut entries = entries.into_iter();
        let Some(first) = entries.next() else { return };
        for other in entries {
            let reason = format!(
                "{} is imported at {} already.",
                shown(&first.source),
                other.path
            );
            self.watch.left_out(&other.source, &reason);
        }
        self.push(first);
    }

    fn push(&mut self, entry: Entry) {
        self.plan.places.add(&entry.source, &entry.path);
        self.plan.size += entry.size;
        self.plan.entries.push(entry);
        self.watch.found(self.plan.entries.len());
    }
}

/// The sorted names in a folder, and the errors for the rest.
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
    /// Their files, and their paths.
    folders: Vec<(PathBuf, String)>,
}

/// The kind of entry that a file called `name` becomes.
fn by_name(folder: &str, name: &str) -> Result<(String, Kind), String> {
    Ok(match format(name) {
        Some((stem, format)) if stem.eq_ignore_ascii_case("index") => {
            (folder.to_owned(), Kind::Page(format))
        }
        Some((stem, format)) => (address::join(folder, stem)?, Kind::Page(format)),
        None => (address::join(folder, name)?, Kind::File),
    })
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
