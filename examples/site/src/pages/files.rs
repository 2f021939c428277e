//! Files among the documents. The asynchronous layers receive and send them; this module gives them
//! their names.

use std::io::{self, Read};

use euryale::blob::{BlobPath, coding_of_name};
use euryale::respond::accepts_html;
use euryale::spool::{SPOOL_UNAVAILABLE, Upload};
use euryale::store::{BlobStore, FolderStore};
use euryale::{Abort, Blob, Body, Error, Request, Response, Transaction};
use http::header::{
    CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use crate::pages::conditions::{self, Current};
use crate::pages::notice::{self, Notice};
use crate::pages::page::{Pages, encoded, text};
use crate::pages::reader::Reader;
use crate::pages::refusal::Refusal;
use crate::pages::{address, date, media};
use crate::store::{self, Connection, Engine, FileEntry};

/// Everyone who may write can upload a page or a picture with a script, which must not run with the
/// site's origin.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; \
    frame-ancestors 'none'; \
     sandbox";

/// Answers with the open file: the worker is free once it has found it.
pub(crate) fn show(
    blobs: &FolderStore,
    file: &FileEntry,
    transaction: &Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let blob = open(blobs, file, transaction)?;
    let mut response = response(blob, file)?;
    // A proxy that sends it might leave out the policy that keeps its scripts from running.
    if !can_hold_scripts(&file.content_type) {
        response
            .extensions_mut()
            .insert(BlobPath(blobs.folder().join(&file.blob)));
    }
    Ok(response)
}

/// Opens the blob of `file`, if it is complete.
///
/// If the blob of a row is missing, the row was replaced after the transaction began, and the next
/// attempt will see the new one. The log names the missing blob.
pub(crate) fn open(
    blobs: &FolderStore,
    file: &FileEntry,
    transaction: &Transaction<'_, Engine>,
) -> Result<Blob, Abort> {
    blobs
        .blob_of_len(&file.blob, file.size)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if transaction.attempt().number() == 1 => {
                store::Error::Replaced.into()
            }
            io::ErrorKind::NotFound => {
                let place = blobs.folder().join(&file.blob);
                let place = place.display();
                let text = format!("the blob {place} is missing; restore it from a backup");
                io::Error::new(error.kind(), text).into()
            }
            _ => error.into(),
        })
}

/// Returns `blob` as a response with the properties of `file`.
pub(crate) fn response(blob: Blob, file: &FileEntry) -> Result<Response, Abort> {
    // The name promises gzip, and a browser would show nothing else.
    let coding = coding_of_name(&file.path).filter(|_| is_gzip(&blob));
    let blob = match coding {
        Some(coding) => blob.coded(coding),
        None => blob,
    };
    let mut response = Response::new(Body::from(blob));
    let headers = response.headers_mut();
    let content_type = media::sent(&file.content_type);
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(&*content_type)?);
    if let Some(coding) = coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    headers.insert(ETAG, HeaderValue::try_from(format!("\"{}\"", file.blob))?);
    if let Some(date) = date::http(file.modified) {
        headers.insert(LAST_MODIFIED, HeaderValue::try_from(date)?);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if can_hold_scripts(&file.content_type) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    }
    Ok(response)
}

/// Returns whether it begins as gzip does (RFC 1952 §2.3.1). A file that cannot be read fails
/// later, when it is sent.
fn is_gzip(blob: &Blob) -> bool {
    let mut begin = [0; 2];
    let read = Reader::new(blob.clone()).read_exact(&mut begin);
    read.is_ok() && begin == [0x1f, 0x8b]
}

/// A browser opens these as pages.
fn can_hold_scripts(content_type: &str) -> bool {
    content_type.starts_with("text/html") || content_type.contains("xml")
}

/// Stores `uploads` in the folder at `path`, each under its own name, replacing files with that
/// name. Stores none of them if the request's conditions do not hold for a file that would be
/// replaced.
///
/// A program gets 201, with the address of the first file and the paths of all; a browser gets 303,
/// to the folder.
pub(crate) fn take(
    pages: &Pages,
    blobs: &FolderStore,
    path: &str,
    uploads: &[Upload],
    request: &Request,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let targets = match targets(path, uploads) {
        Ok(targets) => targets,
        Err(refusal) => return Err(refusal.abort_with_navigation(pages, request, transaction)),
    };
    // Done before a connection is requested, so that no other request waits for the database while
    // files reach the disk.
    let kept = uploads
        .iter()
        .map(|upload| blobs.keep(upload.body().clone(), transaction));
    // The folder may be missing or not writable, which is as serious as a missing database. A full
    // disk is distinguished here as well.
    let kept = kept
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| Error::with_source(SPOOL_UNAVAILABLE, error))?;
    if !store::exists(transaction.connection()?, path)? {
        let path = pages.seen(path);
        let detail = format!("There is no page at {path} to put files in. Make that first.");
        let refusal = Refusal::conflict(detail);
        return Err(refusal.abort_with_navigation(pages, request, transaction));
    }
    for ((target, upload), blob) in targets.iter().zip(uploads).zip(kept) {
        let before = match existing(pages, transaction.connection()?, target)? {
            Ok(before) => before,
            Err(refusal) => {
                return Err(refusal.abort_with_navigation(pages, request, transaction));
            }
        };
        // The form is sent to a folder, but its conditions are about the file in it.
        conditions::require(pages, request, Current::file(before.as_ref()))?;
        if let Some(before) = before {
            remove_blobs(blobs, &before, transaction)?;
        }
        let file = FileEntry {
            path: target.clone(),
            blob,
            size: upload.body().len(),
            content_type: media::of_name(target).to_owned(),
            modified: store::now(),
        };
        store::put_file(transaction.connection()?, &file)?;
    }
    let (status, location) = if accepts_html(request.headers()) {
        (StatusCode::SEE_OTHER, path)
    } else {
        (StatusCode::CREATED, targets[0].as_str())
    };
    let mut response = text(
        targets
            .iter()
            .map(|target| format!("{}\n", pages.seen(target)))
            .collect(),
    );
    *response.status_mut() = status;
    response.headers_mut().insert(
        LOCATION,
        HeaderValue::try_from(pages.location(&encoded(location)))?,
    );
    if status == StatusCode::SEE_OTHER {
        let page = notice::Page {
            path,
            ..notice::Page::default()
        };
        Notice::Uploaded.send(&page, request, &mut response);
    }
    Ok(response)
}

/// Removes the blob of `file`, and those of its scales, at the commit; call it before its row
/// changes.
pub(crate) fn remove_blobs(
    blobs: &FolderStore,
    file: &FileEntry,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<(), Abort> {
    for scale in store::remove_scales(transaction.connection()?, file)? {
        blobs.remove(&scale, transaction);
    }
    blobs.remove(&file.blob, transaction);
    Ok(())
}

/// The path of each of `uploads`.
fn targets(folder: &str, uploads: &[Upload]) -> Result<Vec<String>, Refusal> {
    let mut targets = Vec::new();
    for upload in uploads {
        // Some browsers send the file's full local path.
        let name = upload
            .file_name()
            .rsplit(['/', '\\'])
            .next()
            .unwrap_or_default();
        let target = address::join(folder, name).map_err(Refusal::bad)?;
        if targets.contains(&target) {
            return Err(Refusal::bad(format!(
                "Two files are called {name}; send one of them."
            )));
        }
        targets.push(target);
    }
    Ok(targets)
}

/// The existing file at that path.
fn existing(
    pages: &Pages,
    connection: &mut Connection,
    path: &str,
) -> store::Result<Result<Option<FileEntry>, Refusal>> {
    if store::exists(connection, path)? {
        let path = pages.seen(path);
        let detail = format!("There is a page at {path}. Give the file another name.");
        return Ok(Err(Refusal::conflict(detail)));
    }
    store::file(connection, path).map(Ok)
}
