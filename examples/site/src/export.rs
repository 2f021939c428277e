//! `/@@export`: a document with everything below it, as one download.
//!
//! Documents and open files are collected in the transaction, so they are of one moment. They are
//! written after it, into a tar archive that is sent while it is made: a slow client holds a
//! thread, and no connection. `site import` reads what was unpacked.

use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use euryale::blob::{BlobStore, FolderStore};
use euryale::{Abort, Blob, Body, BodyWriter, Request, Response, Transaction};
use euryale_sqlite::Sqlite;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tar::{Builder, EntryType, Header};

use crate::page::Pages;
use crate::query::parameter;
use crate::refusal::Refusal;
use crate::store::{self, FileEntry, Format, Text};

/// So many files are open for one export at most: the system has only so many descriptors.
const MOST_FILES: usize = 100;

/// So many bytes of text are in memory for one export at most.
const MOST_TEXT: usize = 32 << 20;

/// What goes into the archive.
struct Entry {
    name: String,
    /// In seconds since 1970.
    modified: i64,
    content: Content,
}

enum Content {
    Text(String),
    File(Blob),
}

/// The archive of `path` (default: the root).
pub(crate) fn answer(
    pages: &Pages,
    blobs: &FolderStore,
    request: &Request,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let refuse = |refusal: Refusal| refusal.abort(pages, request);
    let path = parameter::<String>(request.uri(), "path", "the path of a page")
        .map_err(|detail| refuse(Refusal::bad(detail)))?
        .unwrap_or_else(|| "/".to_owned());
    let entries = collect(blobs, &path, transaction)?.map_err(refuse)?;
    let mut response = Response::new(Body::writer(move |writer| write(entries, writer)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    headers.insert(
        CONTENT_DISPOSITION,
        HeaderValue::try_from(disposition(&path))?,
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Everything at `path` and below, the files open; or why not.
fn collect(
    blobs: &FolderStore,
    path: &str,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Result<Vec<Entry>, Refusal>, Abort> {
    let connection = transaction.connection()?;
    let files = store::files_below(connection, path, MOST_FILES + 1)?;
    let mut texts = Vec::new();
    let mut bytes = 0;
    store::texts_below(connection, path, |text| {
        bytes += text.body.len();
        texts.push(text);
        bytes <= MOST_TEXT
    })?;
    if files.len() > MOST_FILES || bytes > MOST_TEXT {
        let mib = MOST_TEXT >> 20;
        let detail = format!(
            "An export holds at most {MOST_FILES} files and {mib} MiB of text. Export the folders \
                below {path}."
        );
        return Ok(Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, detail)));
    }
    // Without a slash it would be a part of every path.
    if !path.starts_with('/') || texts.is_empty() && files.is_empty() {
        return Ok(Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format!("There is nothing at {path}."),
        )));
    }
    let texts = texts.iter().map(|text| Entry::of_text(text, &files));
    let mut entries: Vec<Entry> = texts.collect();
    for file in &files {
        // One that another transaction has replaced meanwhile is gone; then all is read again, at a
        // later moment.
        let blob = blobs
            .blob(&file.blob)
            .map_err(|error| crate::files::replaced_or(&error, file, transaction))?;
        entries.push(Entry {
            name: relative(&file.path).to_owned(),
            modified: file.modified,
            content: Content::File(blob),
        });
    }
    Ok(Ok(entries))
}

impl Entry {
    /// A document, under a name that none of `files` has.
    fn of_text(text: &Text, files: &[FileEntry]) -> Self {
        let (extension, content) = match text.format {
            Format::Markdown => ("md", format!("# {}\n\n{}", text.title, text.body)),
            Format::Html => ("html", page(text)),
        };
        let path = relative(&text.path);
        let inside = |folder: &str| {
            format!("{folder}/index.{extension}")
                .trim_start_matches('/')
                .to_owned()
        };
        let beside = format!("{path}.{extension}");
        let is_taken = files.iter().any(|file| relative(&file.path) == beside);
        let name = if path.is_empty() || is_taken {
            inside(path)
        } else {
            beside
        };
        Self {
            name,
            modified: text.modified,
            content: Content::Text(content),
        }
    }
}

/// HTML with its title.
fn page(text: &Text) -> String {
    let title = text.title.replace('&', "&amp;").replace('<', "&lt;");
    let body = &text.body;
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<body>\n\
            {body}\n</body>\n"
    )
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// Sends the archive. Nothing of the transaction is left here but what it collected.
fn write(entries: Vec<Entry>, writer: &mut BodyWriter) -> io::Result<()> {
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
            Content::File(blob) => {
                header.set_size(blob.len());
                archive.append_data(&mut header, entry.name, Reader { blob, at: 0 })?;
            }
        }
    }
    archive.into_inner().map(drop)
}

/// Reads a file that others may be reading, too.
struct Reader {
    blob: Blob,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.blob.len() - self.at;
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self
            .blob
            .file()
            .read_at(&mut buffer[..most], self.blob.offset() + self.at)?;
        if read == 0 {
            // An archive with less in it than it says would be read wrongly to its end.
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file is shorter than it was",
            ));
        }
        self.at += read as u64;
        Ok(read)
    }
}

/// Under what name a browser saves it (RFC 6266).
fn disposition(path: &str) -> String {
    let name = match path.rsplit('/').next() {
        None | Some("") => "site",
        Some(name) => name,
    };
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    format!("attachment; filename=\"export.tar\"; filename*=UTF-8''{name}.tar")
}
