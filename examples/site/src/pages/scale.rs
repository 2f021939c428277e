//! `/{picture}/@@scale/{width}`: a smaller picture, made at the first request, and a blob from then
//! on.
//!
//! A promise makes it, once for all simultaneous requests. That keeps a processor busy for a while,
//! but neither a worker nor the database waits for it. The transaction only adds a name and a row.

use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use euryale::body::{Descriptors, NoDescriptor, SpooledBody, UnnamedFile};
use euryale::promise::{Key, PromiseError, PromisesExt};
use euryale::store::{BlobStore, FolderStore};
use euryale::threads::BlockingLane;
use euryale::{Abort, Blob, BoxError, Request, Response, Transaction};
use http::StatusCode;
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;

use crate::pages::address;
use crate::pages::files;
use crate::pages::page::Pages;
use crate::pages::picture::{self, Header, PictureError};
use crate::pages::reader::Reader;
use crate::pages::refusal::Refusal;
use crate::store::{self, Engine, FileEntry};

/// The allowed widths. They are few, because each is a file that is kept.
pub(crate) const WIDTHS: [u32; 6] = [64, 128, 256, 512, 1024, 2048];

/// The number of pictures that are made at a time.
const AT_ONCE: usize = 2;
/// The maximum number of running promises, because waiting pictures count as running promises.
const MOST_WAITING: usize = 4096;

/// The time limit for a picture, including the wait for those before it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A unit of [`ROOM`], in bytes.
const UNIT: u64 = 1 << 10;

/// The remaining memory for pictures, for the whole process: after a reload, pictures that the old
/// site is still making count as well.
pub(crate) static ROOM: Semaphore = Semaphore::const_new((picture::MEMORY / UNIT) as usize);

/// A picture that was made from a blob, in an unnamed file; `None` if the blob is not wider than
/// that.
type Made = Result<Option<Scaled>, PictureError>;

/// The processor and the disk do the work once, and a failure is shared as well.
const MADE: Key<io::Result<Made>> = Key::new("scale");

#[derive(Debug)]
struct Scaled {
    body: SpooledBody,
    content_type: &'static str,
}

/// The threads that make pictures.
pub(crate) fn lane() -> BlockingLane {
    BlockingLane::cpu()
        .resized(AT_ONCE)
        .max_waiting(MOST_WAITING)
}

/// Makes pictures.
#[derive(Debug)]
pub(crate) struct Scales {
    cpu: BlockingLane,
    descriptors: Descriptors,
}

impl Scales {
    pub(crate) fn new(cpu: BlockingLane, descriptors: &Descriptors) -> Self {
        Self {
            cpu,
            descriptors: descriptors.clone(),
        }
    }

    /// The picture at `path` in this width.
    ///
    /// A pass begins as a reader, because usually the picture exists. Only a request with a new
    /// picture begins again as a writer: of simultaneous requests the first one keeps it, and the
    /// others find it.
    pub(crate) fn answer(
        &self,
        pages: &Pages,
        blobs: &FolderStore,
        (path, width): (String, &str),
        request: &Request,
        transaction: &mut Transaction<'_, Engine>,
    ) -> Result<Response, Abort> {
        let refuse =
            |status, detail: String| Err(Refusal::new(status, detail).abort(pages, request));
        let Some(width) = WIDTHS.into_iter().find(|known| known.to_string() == width) else {
            let widths = WIDTHS.map(|width| width.to_string()).join(", ");
            return refuse(
                StatusCode::NOT_FOUND,
                format!("Pictures have the widths {widths}."),
            );
        };
        let promises = request.promises().shared(Duration::ZERO).deadline(PATIENCE);
        let connection = transaction.connection()?;
        let Some(original) = store::file(connection, &path)? else {
            return refuse(
                StatusCode::NOT_FOUND,
                "There is no picture at this address.".to_owned(),
            );
        };
        if let Some(entry) = store::scale(connection, &original, width)? {
            return files::show(blobs, &entry, transaction);
        }
        if !picture::can_be_scaled(&original.content_type) {
            let detail = format!(
                "This file is {}: only PNG, JPEG and WebP are scaled.",
                original.content_type
            );
            return refuse(StatusCode::UNPROCESSABLE_ENTITY, detail);
        }
        let blob = files::open(blobs, &original, transaction)?;
        let cpu = self.cpu.clone();
        let descriptors = self.descriptors.clone();
        let folder = blobs.folder().to_owned();
        let made = promises.ask(
            MADE.with(format_args!("{} {width}", original.blob)),
            move || made(cpu, blob, width, folder, descriptors),
        );
        let made = match made.ready()? {
            Err(PromiseError::Elapsed) => {
                return refuse(
                    StatusCode::GATEWAY_TIMEOUT,
                    "The picture was not made in time.".to_owned(),
                );
            }
            made => made?,
        };
        match &*made {
            Ok(Ok(Some(scaled))) => {
                transaction.writable()?;
                keep(blobs, &original, width, scaled, transaction)
            }
            Ok(Ok(None)) => files::show(blobs, &original, transaction),
            Ok(Err(error)) => {
                tracing::info!(
                    target: "site::scale", path,
                    error = error as &dyn std::error::Error,
                    "a picture cannot be scaled"
                );
                refuse(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
            // The error tells whether there was no room.
            Err(error) if Descriptors::are_exhausted(error) => Err(NoDescriptor.into()),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string()).into()),
        }
    }
}

/// The picture and the width that an address names, if it is one of these.
pub(crate) fn target(path: &str) -> Option<(String, &str)> {
    let (picture, width) = path.split_once("/@@scale/")?;
    let picture = percent_decode_str(picture).decode_utf8_lossy();
    Some((address::normal(&picture), width))
}

/// Calculates the memory that the picture will need, waits until it is free, and then makes the
/// picture. While it waits, it holds neither memory nor a thread.
async fn made(
    cpu: BlockingLane,
    original: Blob,
    width: u32,
    folder: PathBuf,
    descriptors: Descriptors,
) -> Result<io::Result<Made>, BoxError> {
    let file = original.clone();
    let counted = cpu.run(move || count(&file, width)).await?;
    let (header, memory) = match counted {
        Ok(Ok(counted)) => counted,
        Ok(Err(error)) => return Ok(Ok(Err(error))),
        Err(error) => return Ok(Err(error)),
    };
    let units = u32::try_from(memory.div_ceil(UNIT))?;
    let room = ROOM.acquire_many(units).await?;
    let make = move || {
        let made = make(&original, &header, width, (&folder, &descriptors));
        drop(room);
        made
    };
    Ok(cpu.run(make).await?)
}

/// Reads the head of the file, and returns how many bytes the picture needs. Blocks.
fn count(original: &Blob, width: u32) -> io::Result<Result<(Header, u64), PictureError>> {
    let mut file = BufReader::new(Reader::new(original.clone()));
    let Some(header) = Header::read(&mut file, original.len())? else {
        return Ok(Err(PictureError::Broken("an unknown head".into())));
    };
    Ok(header.memory(width).map(|memory| (header, memory)))
}

/// When it returns, the bytes are on the disk and only need a name. Blocks.
fn make(
    original: &Blob,
    header: &Header,
    width: u32,
    (folder, descriptors): (&Path, &Descriptors),
) -> io::Result<Made> {
    let from = BufReader::new(Reader::new(original.clone()));
    let small = match picture::scaled(from, header, width) {
        Ok(Some(small)) => small,
        Ok(None) => return Ok(Ok(None)),
        Err(error) => return Ok(Err(error)),
    };
    let descriptor = descriptors.take(1)?;
    let mut file = UnnamedFile::create(folder)?;
    file.write_all(&small.bytes)?;
    let blob = file.into_blob()?;
    blob.file().sync_all()?;
    Ok(Ok(Some(Scaled {
        body: blob.counted(descriptor).into(),
        content_type: small.content_type,
    })))
}

/// Sends the new picture at once: the bytes are those of the file that is just getting its name.
fn keep(
    blobs: &FolderStore,
    original: &FileEntry,
    width: u32,
    scaled: &Scaled,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let blob = scaled.body.as_blob().cloned();
    let blob = blob.ok_or_else(|| io::Error::other("a picture without its file"))?;
    let entry = FileEntry {
        path: original.path.clone(),
        blob: blobs.keep(scaled.body.clone(), transaction)?,
        size: blob.len(),
        content_type: scaled.content_type.to_owned(),
        modified: store::now(),
    };
    store::put_scale(transaction.connection()?, original, width, &entry)?;
    files::response(blob, &entry)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use euryale::Ledger;
    use euryale::body::{Descriptors, UnnamedFile};

    use super::{count, make};

    /// Independent of other readers' positions; the blob may be a part of the file.
    #[test]
    fn picture_is_read_from_where_it_begins() {
        let mut png = std::io::Cursor::new(Vec::new());
        let picture = image::RgbImage::new(200, 100);
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let png = png.into_inner();
        let folder = tempfile::tempdir().unwrap();
        let mut file = UnnamedFile::create(folder.path()).unwrap();
        file.write_all(b"before").unwrap();
        file.write_all(&png).unwrap();
        file.write_all(b"behind").unwrap();
        let blob = file.into_blob().unwrap().slice(6, png.len() as u64);
        let (header, _) = count(&blob, 64).unwrap().unwrap();
        let descriptors = Descriptors::new(10, &Ledger::new());
        let place = (folder.path(), &descriptors);
        let made = make(&blob, &header, 64, place).unwrap().unwrap();
        assert!(made.is_some());
    }
}
