//! `site import`: a folder becomes documents and files, at the same paths.
//!
//! It lists the source first, then reads, copies and commits in batches, folders before their
//! contents. Whenever it ends, everything committed is complete. A second run skips that, so it
//! continues where the first one ended.

mod batch;
mod copy;
mod links;
mod plan;
mod report;
#[cfg(test)]
mod round_trip;
mod source;
mod stop;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use euryale::{BoxError, Database};
use tokio::runtime::{Builder, Runtime};

use self::batch::{Batch, Item, Pending, Staged, Verdict};
use self::links::Places;
use self::plan::{Entry, Kind, Plan, Watch};
use self::report::Report;
use self::stop::{CUT, Stop};
use self::text::Page;
use crate::cli::error::StartError;
use crate::cli::output::print;
use crate::cli::settings::Settings;
use crate::cli::{size, variables};
use crate::pages::form::LONGEST_BODY;
use crate::pages::{archive, media};
use crate::serve::health::Opened;
use crate::serve::log::Log;
use crate::serve::signals::UserSignals;
use crate::store::data::Data;
use crate::store::{self, Connection, FileEntry, Format};

/// A text, with its markup in a file.
const LONGEST_FILE: usize = LONGEST_BODY + archive::LONGEST_FRAME;

/// The years 1 to 9999, in seconds since 1970: other moments have no day that a page could show.
const EARLIEST: i64 = -62_135_596_800;
const LATEST: i64 = 253_402_300_799;

/// Something was left out, and named.
const LEFT_OUT: u8 = 4;

/// Imports `folder` into the data folder that `settings` name.
pub(crate) fn run(
    settings: &Settings,
    folder: &Path,
    signals: UserSignals,
) -> Result<ExitCode, StartError> {
    let (_log, logs, _writing) = Log::start(settings)?;
    signals.handle(logs, Opened::default())?;
    for warning in variables::unknown() {
        tracing::warn!(target: "site::import", "{warning}");
    }
    let runtime = runtime()?;
    let stop = Stop::at_signals(&runtime)
        .map_err(|error| StartError::of_system("handle signals", &error))?;
    let cannot_look = |error: io::Error| {
        let remedy = "name a folder that can be read";
        StartError::new(
            format!("cannot look into the folder: {error}"),
            folder.display(),
            remedy,
        )
    };
    // Symbolic links in its own path are followed, but not those inside it.
    let folder = fs::canonicalize(folder).map_err(cannot_look)?;
    drop(fs::read_dir(&folder).map_err(cannot_look)?);
    let data = Data::without_samples(settings.storage.location())?;
    let within = fs::canonicalize(&settings.storage.data).map_err(cannot_look)?;
    if folder.starts_with(within) {
        let remedy = "name another folder, or choose another one for the data with --data";
        return Err(StartError::new(
            "this is the data folder itself",
            folder.display(),
            remedy,
        ));
    }
    let mut report = Report::new();
    let plan =
        Plan::of(&folder, &settings.storage.data, &stop, &mut report).map_err(cannot_look)?;
    report.begin(&plan);
    let import = Import {
        data: &data,
        root: name(&folder),
        stop: &stop,
    };
    let ended = import.all(&plan, &mut report);
    let summary = report.end();
    print(&summary);
    ended.map_err(|error| {
        let remedy =
            "what is complete is kept; correct this and run it again: it continues from there";
        StartError::new(
            format!("cannot go on: {error}"),
            settings.storage.data.display(),
            remedy,
        )
    })?;
    if stop.is_set() {
        print("Stopped by a signal. Run it again to continue from there.\n");
        return Ok(ExitCode::from(CUT));
    }
    Ok(if report.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(LEFT_OUT)
    })
}

/// Used only for signals; the import blocks on another thread.
fn runtime() -> Result<Runtime, StartError> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| StartError::of_system("start threads", &error))
}

struct Import<'a> {
    data: &'a Data,
    /// The title of the first page, if the folder has none for it.
    root: String,
    stop: &'a Stop,
}

/// The state of an entry.
enum Step {
    /// It is ready to be committed.
    Stage(Staged),
    /// It exists already.
    Same(Item),
    /// It cannot be read.
    Unreadable(String),
    /// Something else exists at its path.
    Blocked(String),
    Stopped,
}

impl Import<'_> {
    fn all(&self, plan: &Plan, report: &mut Report) -> Result<(), BoxError> {
        let mut connection = self.data.engine.connect()?;
        let mut batch = Batch::default();
        // Folders whose paths are taken, so their contents cannot be imported either.
        let mut blocked: HashSet<String> = HashSet::new();
        for entry in &plan.entries {
            if self.stop.is_set() {
                break;
            }
            if let Some(folder) = folders(&entry.path).find(|folder| blocked.contains(*folder)) {
                report.left_out(
                    &entry.source,
                    &format!("There is a file at {folder}, which would be its folder."),
                );
                report.passed(entry.size);
                continue;
            }
            let mut step = self.step(entry, &plan.places, &mut connection, report)?;
            if let (Step::Unreadable(reason), Kind::Index(_)) = (&step, entry.kind) {
                // Its folder is imported all the same.
                report.left_out(&entry.source, reason);
                step = self.judged(entry, self.folder(entry), &mut connection, report)?;
            }
            match step {
                Step::Stage(staged) => batch.add(staged),
                Step::Same(item) => report.became(&entry.source, &item, &Verdict::Same),
                Step::Unreadable(reason) => report.left_out(&entry.source, &reason),
                Step::Blocked(reason) => {
                    report.left_out(&entry.source, &reason);
                    if matches!(entry.kind, Kind::Index(_) | Kind::Folder) {
                        blocked.insert(entry.path.clone());
                    }
                }
                Step::Stopped => break,
            }
            report.passed(entry.size);
            if batch.is_full() {
                self.commit(&mut batch, report)?;
            }
        }
        self.commit(&mut batch, report)
    }

    fn commit(&self, batch: &mut Batch, report: &mut Report) -> Result<(), BoxError> {
        for (staged, verdict) in batch.commit(self.data)? {
            report.became(&staged.source, &staged.item, &verdict);
        }
        Ok(())
    }

    /// Reads the entries whose contents are needed.
    ///
    /// # Errors
    /// The data folder cannot be written to, so all others would fail as well.
    fn step(
        &self,
        entry: &Entry,
        places: &Places,
        connection: &mut Connection,
        report: &mut Report,
    ) -> Result<Step, BoxError> {
        let item = match entry.kind {
            Kind::Folder => Ok(self.folder(entry)),
            Kind::Page(format) | Kind::Index(format) => self.page(entry, format, places),
            Kind::File => file(entry),
        };
        match item {
            Ok(item) => self.judged(entry, item, connection, report),
            Err(reason) => Ok(Step::Unreadable(reason)),
        }
    }

    /// Copies the bytes of a file, if that is needed.
    fn judged(
        &self,
        entry: &Entry,
        item: Item,
        connection: &mut Connection,
        report: &mut Report,
    ) -> Result<Step, BoxError> {
        match item.judge(connection)? {
            Verdict::Same => Ok(Step::Same(item)),
            Verdict::Blocked(reason) => Ok(Step::Blocked(reason)),
            Verdict::New | Verdict::Other(_) => match item {
                Item::File(file) => self.copy(entry, file, report),
                item => Ok(Step::Stage(Staged {
                    source: entry.source.clone(),
                    item,
                    pending: None,
                })),
            },
        }
    }

    fn folder(&self, entry: &Entry) -> Item {
        Item::Folder {
            path: entry.path.clone(),
            title: self.name(&entry.path).to_owned(),
        }
    }

    /// The title of a document without one.
    fn name<'a>(&'a self, path: &'a str) -> &'a str {
        path.rsplit('/')
            .next()
            .filter(|name| !name.is_empty())
            .unwrap_or(&self.root)
    }

    fn page(&self, entry: &Entry, format: Format, places: &Places) -> Result<Item, String> {
        let (file, metadata) = open(&entry.source)?;
        let mut bytes = Vec::new();
        let read = file.take(LONGEST_FILE as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(&error))?;
        if bytes.len() > LONGEST_FILE {
            let size = size::shown(metadata.len());
            return Err(format!(
                "A text has at most {} KiB; it has {size}.",
                LONGEST_BODY >> 10
            ));
        }
        let link = |body: &str| match format {
            Format::Markdown => {
                links::in_markdown(body, |link| places.resolve(&entry.source, link))
            }
            Format::Html => body.to_owned(),
        };
        let exported = entry
            .listed
            .as_ref()
            .and_then(|listed| Page::exported(&bytes, format, listed));
        let page = match exported {
            Some(page) => page?,
            None => Page::read(&bytes, format, self.name(&entry.path), link)?,
        };
        Ok(Item::Page {
            path: entry.path.clone(),
            page,
            modified: metadata.mtime().clamp(EARLIEST, LATEST),
        })
    }

    fn copy(
        &self,
        entry: &Entry,
        mut file: FileEntry,
        report: &mut Report,
    ) -> Result<Step, BoxError> {
        let (source, before) = match open(&entry.source) {
            Ok(opened) => opened,
            Err(reason) => return Ok(Step::Unreadable(reason)),
        };
        let mut pending = Pending::create(&self.data.blobs)?;
        let copied = copy::copy(&source, pending.file(), self.stop, |bytes| {
            report.copied(bytes);
        })
        .and_then(|bytes| {
            let after = source.metadata()?;
            Ok(bytes.map(|bytes| (bytes, is_unchanged(&before, &after))))
        });
        match copied {
            Ok(None) => Ok(Step::Stopped),
            Ok(Some((bytes, true))) if bytes == before.len() => {
                file.blob = pending.name().to_owned();
                (file.size, file.modified) = (bytes, before.mtime());
                let source = entry.source.clone();
                Ok(Step::Stage(Staged {
                    source,
                    item: Item::File(file),
                    pending: Some(pending),
                }))
            }
            Ok(Some(_)) => Ok(Step::Unreadable(
                "It was changed while it was copied.".to_owned(),
            )),
            Err(error) if is_of_target(&error) => Err(error.into()),
            Err(error) => Ok(Step::Unreadable(unreadable(&error))),
        }
    }
}

/// Its state before anything is copied: it has no blob yet.
fn file(entry: &Entry) -> Result<Item, String> {
    let metadata = fs::symlink_metadata(&entry.source).map_err(|error| unreadable(&error))?;
    Ok(Item::File(FileEntry {
        path: entry.path.clone(),
        blob: String::new(),
        size: metadata.len(),
        content_type: media::of_name(&entry.path).to_owned(),
        modified: metadata.mtime(),
    }))
}

/// Opens a regular file and no link, even if it was something else a moment ago.
fn open(source: &Path) -> Result<(File, Metadata), String> {
    let open = || -> io::Result<_> {
        let named = fs::symlink_metadata(source)?;
        if !named.is_file() {
            return Ok(None);
        }
        let file = File::open(source)?;
        let opened = file.metadata()?;
        let is_same = (named.dev(), named.ino()) == (opened.dev(), opened.ino());
        Ok(is_same.then_some((file, opened)))
    };
    open()
        .map_err(|error| unreadable(&error))?
        .ok_or_else(|| "It was replaced while it was read.".to_owned())
}

fn unreadable(error: &io::Error) -> String {
    format!("It cannot be read: {error}.")
}

fn is_unchanged(before: &Metadata, after: &Metadata) -> bool {
    let of = |metadata: &Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    of(before) == of(after)
}

/// Reading does not fail like this.
fn is_of_target(error: &io::Error) -> bool {
    use ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | ReadOnlyFilesystem | FileTooLarge
    )
}

/// The name of a folder, as a title.
fn name(folder: &Path) -> String {
    folder.file_name().map_or_else(
        || "Home".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The folders of `path`, beginning with the innermost.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(store::parent(path), |folder| store::parent(folder))
}
