//! `/@@export`: a document with everything below it, as one download.
//!
//! Documents and open files are collected in the transaction, so they are a consistent snapshot.
//! After it, they are written into a tar archive that is sent while it is made, so a slow client
//! holds a thread but no connection. If there are more files than may be open at a time, only their
//! names are collected, and each file is opened when it is needed. A name always means the same
//! bytes; if the file is gone by then, the download is cut off.
//!
//! `site import` reads the unpacked archive and creates the same pages from it ([`archive`]).

use std::collections::HashMap;
use std::io::{self, Write};

use euryale::blob::ContentDisposition;
use euryale::store::{BlobStore, FolderStore};
use euryale::{Abort, Blob, Body, Request, Response, Transaction};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use tar::{Builder, EntryType, Header};

use crate::pages::archive::{self, Kind, Layout, List, Listed, Place};
use crate::pages::page::Pages;
use crate::pages::query::parameter;
use crate::pages::reader::Reader;
use crate::pages::refusal::Refusal;
use crate::pages::{address, files};
use crate::store::{self, Connection, Engine, FileEntry, Format, Text};

/// The maximum number of files that an export opens in its transaction, because descriptors are
/// few. An export with more files opens one at a time.
const MOST_OPEN: usize = 100;

/// The maximum number of files in an export. Each takes some hundred bytes of memory until it is
/// sent.
const MOST_FILES: usize = 20_000;

/// The maximum number of bytes of text in memory for one export.
const MOST_TEXT: u64 = 32 << 20;

/// The entries of the archive.
pub(crate) struct Entry {
    name: String,
    /// In seconds since 1970.
    modified: i64,
    content: Content,
}

enum Content {
    Text(String),
    File(Blob),
    /// A file that is opened when it is needed.
    Named(FileEntry),
}

/// The archive of `path` (default: the root). The paths of a virtual host's client are below its
/// folder, and it gets nothing else.
pub(crate) fn answer(
    pages: &Pages,
    blobs: &FolderStore,
    request: &Request,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let refuse = |refusal: Refusal| refusal.abort(pages, request);
    let path = parameter::<String>(request.uri(), "path", "the path of a page")
        .map_err(|detail| refuse(Refusal::bad(detail)))?;
    let asked = path.as_deref().unwrap_or("/");
    // Without a slash it would be a part of every path.
    if !asked.starts_with('/') {
        let detail = "The parameter path must be the path of a page, which begins with a slash.";
        return Err(refuse(Refusal::bad(detail)));
    }
    let path = address::normal(&pages.inner(asked));
    let found = find(transaction.connection()?, &path)?.map_err(refuse)?;
    // If another transaction has replaced a file in between, that file is gone. Then everything is
    // read again, at a later moment.
    let open = |file: &FileEntry| files::open(blobs, file, transaction);
    let entries = found.into_entries(open)?;
    let mut response = Response::new(Body::writer({
        let blobs = blobs.clone();
        move |writer| write(entries, &blobs, writer).map(drop)
    }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    let name = match asked.rsplit('/').next() {
        None | Some("") => "site",
        Some(name) => name,
    };
    let attached = ContentDisposition::attachment(&format!("{name}.tar"));
    headers.insert(CONTENT_DISPOSITION, attached.into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The database's entries at a path and below, in the order in which folders list them.
pub(crate) struct Found {
    texts: Vec<Text>,
    files: Vec<FileEntry>,
}

/// Everything at `path` and below, or the reason for a refusal.
pub(crate) fn find(
    connection: &mut Connection,
    path: &str,
) -> store::Result<Result<Found, Refusal>> {
    let files = store::files_below(connection, path, MOST_FILES + 1)?;
    // Known before they are read, because all of them are in memory then.
    let bytes = store::text_below(connection, path)?;
    if files.len() > MOST_FILES || bytes > MOST_TEXT {
        let mib = MOST_TEXT >> 20;
        let detail = format!(
            "An export holds at most {MOST_FILES} files and {mib} MiB of text. Export what \
                is in this folder part by part."
        );
        return Ok(Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, detail)));
    }
    let mut texts = store::texts_below(connection, path)?;
    if texts.is_empty() && files.is_empty() {
        let detail = "There is nothing at this path.";
        return Ok(Err(Refusal::new(StatusCode::NOT_FOUND, detail)));
    }
    // Pages of one folder keep their order; their paths tell which folder they are in.
    texts.sort_by(|one, other| (one.position, &one.title).cmp(&(other.position, &other.title)));
    Ok(Ok(Found { texts, files }))
}

impl Found {
    /// The entries of the archive, beginning with the list. Files are opened by `open`, unless
    /// there are too many.
    pub(crate) fn into_entries(
        self,
        mut open: impl FnMut(&FileEntry) -> Result<Blob, Abort>,
    ) -> Result<Vec<Entry>, Abort> {
        let Self { texts, files } = self;
        let page = |text: &Text| Some(archive::ending(text.format));
        let mut places: Vec<Place<'_>> = texts
            .iter()
            .map(|text| (text.path.as_str(), page(text)))
            .chain(files.iter().map(|file| (file.path.as_str(), None)))
            .map(|(path, page)| Place { path, page })
            .collect();
        // Names go by paths, whatever the order of folders is.
        places.sort_by_key(|place| place.path);
        let layout = Layout::of(&places);
        let names: HashMap<&str, &String> = places
            .iter()
            .map(|place| place.path)
            .zip(layout.names())
            .collect();
        let name = |path: &str| {
            names
                .get(path)
                .map_or_else(String::new, |name| (*name).clone())
        };
        let mut listed: Vec<Listed> = layout
            .folders()
            .map(|(path, name)| Listed {
                name: name.to_owned(),
                path: path.to_owned(),
                kind: Kind::Folder,
            })
            .collect();
        let mut entries = Vec::new();
        let mut newest = 0;
        for text in &texts {
            let content = archive::framed(&text.title, text.format, &text.body);
            let known = archive::Text::new(&text.title, &content);
            listed.push(Listed {
                name: name(&text.path),
                path: text.path.clone(),
                kind: match text.format {
                    Format::Markdown => Kind::Markdown(known),
                    Format::Html => Kind::Html(known),
                },
            });
            newest = newest.max(text.modified);
            entries.push(Entry {
                name: name(&text.path),
                modified: text.modified,
                content: Content::Text(content),
            });
        }
        let is_open = files.len() <= MOST_OPEN;
        for file in &files {
            listed.push(Listed {
                name: name(&file.path),
                path: file.path.clone(),
                kind: Kind::File,
            });
            newest = newest.max(file.modified);
            entries.push(Entry {
                name: name(&file.path),
                modified: file.modified,
                content: if is_open {
                    Content::File(open(file)?)
                } else {
                    Content::Named(file.clone())
                },
            });
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let list = Entry {
            name: archive::LIST.to_owned(),
            modified: newest,
            content: Content::Text(List::new(listed).to_json()?),
        };
        entries.insert(0, list);
        Ok(entries)
    }
}

/// Writes the archive, from the data that the transaction has collected.
///
/// # Errors
/// The writer's, or a missing file: the archive then has no end, so that it is not mistaken for a
/// complete one.
pub(crate) fn write<W: Write>(
    entries: Vec<Entry>,
    blobs: &FolderStore,
    writer: W,
) -> io::Result<W> {
    let mut archive = Builder::new(writer);
    for entry in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(u64::try_from(entry.modified).unwrap_or(0));
        match entry.content {
            Content::Text(text) => {
                header.set_size(text.len() as u64);
                archive.append_data(&mut header, entry.name, text.as_bytes())?;
            }
            Content::File(blob) => append(&mut archive, header, entry.name, blob)?,
            Content::Named(file) => {
                let blob = blobs.blob_of_len(&file.blob, file.size).map_err(|error| {
                    let text = format!("{} was not exported: {error}", file.path);
                    io::Error::new(error.kind(), text)
                })?;
                append(&mut archive, header, entry.name, blob)?;
            }
        }
    }
    archive.into_inner()
}

fn append<W: Write>(
    archive: &mut Builder<W>,
    mut header: Header,
    name: String,
    blob: Blob,
) -> io::Result<()> {
    header.set_size(blob.len());
    archive.append_data(&mut header, name, Reader::new(blob))
}
