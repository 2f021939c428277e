//! `/{picture}/@@scale/{width}`: a smaller picture, made when it is first asked for, and a blob from then on.

use std::collections::VecDeque;
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

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

/// So many are kept for another attempt.
const MOST_FRESH: usize = 16;

/// Pictures that were just made, by the blob that they were made of, and whose transaction may come again after a
/// conflict: then, as a writer, it must not take the time to make them once more, in which nobody else can write.
#[derive(Debug, Default)]
pub(crate) struct Fresh(Mutex<VecDeque<Made>>);

type Made = (String, u32, Arc<Scaled>);

impl Fresh {
    fn find(&self, original: &FileEntry, width: u32) -> Option<Arc<Scaled>> {
        let fresh = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = fresh.iter().find(|(blob, known, _)| *blob == original.blob && *known == width);
        found.map(|(.., scaled)| Arc::clone(scaled))
    }

    fn add(&self, original: &FileEntry, width: u32, scaled: &Arc<Scaled>) {
        let mut fresh = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if fresh.len() >= MOST_FRESH {
            fresh.pop_front();
        }
        fresh.push_back((original.blob.clone(), width, Arc::clone(scaled)));
    }
}

/// The picture and the width that an address names, if it is one of these.
pub(crate) fn target(path: &str) -> Option<(String, &str)> {
    let (picture, width) = path.split_once("/@@scale/")?;
    Some((percent_decode_str(picture).decode_utf8_lossy().into_owned(), width))
}

/// The picture at `path` in this width.
///
/// It begins as a reader, and becomes a writer when the picture is made: the database is not locked for others while
/// that takes its time. If somebody else has written meanwhile, that is a conflict; the next attempt has the picture.
pub(crate) fn answer(
    pages: &Pages,
    blobs: &FolderStore,
    fresh: &Fresh,
    (path, width): (String, &str),
    request: &Request,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let refuse = |status, detail: String| Err(Refusal::new(status, detail).abort(pages, request));
    let Some(width) = WIDTHS.into_iter().find(|known| known.to_string() == width) else {
        let widths = WIDTHS.map(|width| width.to_string()).join(", ");
        return refuse(StatusCode::NOT_FOUND, format!("Pictures have the widths {widths}."));
    };
    let connection = transaction.connection()?;
    let Some(original) = store::file(connection, &path)? else {
        return refuse(StatusCode::NOT_FOUND, "There is no picture at this address.".to_owned());
    };
    if let Some(entry) = store::scale(connection, &original, width)? {
        return files::show(blobs, &entry, transaction);
    }
    if let Some(scaled) = fresh.find(&original, width) {
        return keep(blobs, &original, width, &scaled, transaction);
    }
    if !picture::can_be_scaled(&original.content_type) {
        let detail = format!("This file is {}: only PNG, JPEG and WebP are scaled.", original.content_type);
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, detail);
    }
    let blob = blobs.blob(&original.blob)?;
    match picture::scaled(BufReader::new(blob.file()), width) {
        Ok(None) => files::show(blobs, &original, transaction),
        Ok(Some(scaled)) => {
            let scaled = Arc::new(scaled);
            fresh.add(&original, width, &scaled);
            keep(blobs, &original, width, &scaled, transaction)
        }
        Err(error) => {
            tracing::info!(path, error = &error as &dyn std::error::Error, "a picture cannot be scaled");
            refuse(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
    }
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
