//! `/{picture}/@@scale/{width}`: a smaller picture, made when it is first asked for, and a blob from then on.

use std::collections::HashSet;
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use euryale::blob::{BlobStore, FolderStore};
use euryale::{Abort, Blob, Request, Response, SpooledBody, Transaction};
use euryale_sqlite::Sqlite;
use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::files;
use crate::page::Pages;
use crate::picture::{self, Scaled};
use crate::refusal::Refusal;
use crate::store::{self, FileEntry};

/// Only these: each is a file that is kept.
pub(crate) const WIDTHS: [u32; 6] = [64, 128, 256, 512, 1024, 2048];

/// So many pictures are known to be there. Beyond that all are forgotten, which costs each a look.
const MOST_KNOWN: usize = 10_000;

/// Which scales this process has seen: those only need to be read.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashSet<(String, u32)>>);

impl Known {
    fn has(&self, path: &str, width: u32) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&(path.to_owned(), width))
    }

    fn add(&self, path: String, width: u32) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert((path, width));
    }
}

/// The picture and the width that an address names, if it is one of these.
pub(crate) fn target(path: &str) -> Option<(String, &str)> {
    let (picture, width) = path.split_once("/@@scale/")?;
    Some((percent_decode_str(picture).decode_utf8_lossy().into_owned(), width))
}

/// The picture at `path` in this width.
pub(crate) fn answer(
    pages: &Pages,
    blobs: &FolderStore,
    known: &Known,
    (path, width): (String, &str),
    request: &Request,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let refuse = |status, detail: String| Err(Refusal::new(status, detail).abort(pages, request));
    let Some(width) = WIDTHS.into_iter().find(|known| known.to_string() == width) else {
        let widths = WIDTHS.map(|width| width.to_string()).join(", ");
        return refuse(StatusCode::NOT_FOUND, format!("Pictures have the widths {widths}."));
    };
    if !known.has(&path, width) {
        // It will write, most likely. Said before the first look, so that nothing has to be looked at twice.
        transaction.writable()?;
    }
    let connection = transaction.connection()?;
    let Some(original) = store::file(connection, &path)? else {
        return refuse(StatusCode::NOT_FOUND, "There is no picture at this address.".to_owned());
    };
    let entry = match store::scale(connection, &original, width)? {
        Some(entry) => entry,
        None => {
            if !picture::can_be_scaled(&original.content_type) {
                let detail =
                    format!("This file is {}: only PNG, JPEG and WebP are scaled.", original.content_type);
                return refuse(StatusCode::UNPROCESSABLE_ENTITY, detail);
            }
            let blob = blobs.blob(&original.blob)?;
            match picture::scaled(BufReader::new(blob.file()), width) {
                Err(error) => {
                    tracing::info!(
                        path,
                        error = &error as &dyn std::error::Error,
                        "a picture cannot be scaled"
                    );
                    return refuse(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
                }
                Ok(None) => original,
                Ok(Some(scaled)) => return keep(blobs, &original, width, &scaled, transaction),
            }
        }
    };
    let response = files::show(blobs, &entry, transaction)?;
    known.add(path, width);
    Ok(response)
}

/// Sends the new picture at once: the file has no name yet, which it gets when the transaction commits.
fn keep(
    blobs: &FolderStore,
    original: &FileEntry,
    width: u32,
    scaled: &Scaled,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let mut file = tempfile::tempfile_in(blobs.folder())?;
    file.write_all(&scaled.bytes)?;
    file.seek(SeekFrom::Start(0))?;
    let blob = Blob::stable(file.try_clone()?)?;
    let entry = FileEntry {
        path: original.path.clone(),
        blob: blobs.keep(SpooledBody::file(file)?, transaction)?,
        size: blob.len(),
        content_type: scaled.content_type.to_owned(),
        modified: store::now(),
    };
    store::put_scale(transaction.connection()?, original, width, &entry)?;
    files::response(blob, &entry)
}
