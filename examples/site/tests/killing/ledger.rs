//! The expected and the actual contents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::store::Row;

use super::process::alone;
use super::upload;
use crate::demo::content;
use crate::store::data::Data;

/// One upload, as its client saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) number: u32,
    /// `None` if it was never answered.
    pub(super) status: Option<u16>,
    /// Uploads from this number on were sent after its end.
    pub(super) until: u32,
}

/// The outcome of the uploads that were never answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unanswered {
    Lost,
    Kept,
    Either,
}

/// All uploads to one folder.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    there: BTreeSet<u32>,
    ended: BTreeMap<u32, u32>,
}

impl Uploads {
    /// After a kill: starts the site in `folder` again, and checks that everything is as it must
    /// be.
    pub(super) fn check(&mut self, folder: &Path, sent: &[Sent], unanswered: Unanswered) {
        let (found, last) = found(folder);
        for upload in sent {
            let is_there = match (upload.status, unanswered) {
                (Some(201), _) | (None, Unanswered::Kept) => true,
                (None, Unanswered::Either) => found.contains(&upload.number),
                _ => false,
            };
            if is_there {
                self.there.insert(upload.number);
                self.ended.insert(upload.number, upload.until);
            }
        }
        assert_eq!(found, self.there, "{sent:?}");
        // A file that replaced others is the last one, as far as clients can tell.
        assert_eq!(last.is_some(), !self.there.is_empty());
        if let Some(last) = last {
            let newest = self.there.last().unwrap();
            assert!(
                *newest < self.ended[&last],
                "upload {last} stands where {newest} was put later"
            );
        }
    }
}

/// The uploads that are complete, and the last one. There is nothing else, except for the samples.
fn found(folder: &Path) -> (BTreeSet<u32>, Option<u32>) {
    // Sweeps.
    let data = alone(|| Data::open(folder)).unwrap();
    let (rows, integrity) = data
        .read(|connection| {
            let connection = connection.sqlite();
            let mut select = connection.prepare("SELECT path, blob, size FROM file")?;
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let rows: Vec<(String, String, i64)> =
                select.query_map([], row)?.collect::<Result<_, _>>()?;
            Ok((
                rows,
                connection
                    .query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))?,
            ))
        })
        .unwrap();
    assert_eq!(integrity, "ok");
    let mut blobs = blobs(data.blobs.folder());
    let mut files = BTreeMap::new();
    for (path, blob, size) in rows {
        assert!(blobs.remove(&blob), "{path} has no blob {blob}");
        let content = fs::read(data.blobs.folder().join(blob)).unwrap();
        assert_eq!(i64::try_from(content.len()), Ok(size), "{path}");
        files.insert(path, content);
    }
    assert!(blobs.is_empty(), "no file names {blobs:?}");

    for (path, bytes) in content::PICTURES {
        assert!(
            files.remove(path).is_some_and(|found| found == bytes),
            "{path}"
        );
    }
    assert!(
        files
            .remove(content::CHORD)
            .is_some_and(|chord| !chord.is_empty())
    );
    let numbers = files
        .keys()
        .filter_map(|path| path.strip_prefix("/new-")?.parse().ok());
    let uploads: BTreeSet<u32> = numbers.collect();
    let last = files
        .get("/large")
        .map(|large| upload::number(large).unwrap());
    for number in uploads.iter().copied() {
        // All but the last one had two files replaced.
        let indices = if Some(number) == last { 0..3 } else { 2..3 };
        for index in indices {
            let path = format!("/{}", upload::names(number)[index]);
            let is_whole = files
                .remove(&path)
                .is_some_and(|found| found == upload::content(number, index));
            assert!(is_whole, "{path} is not of upload {number}");
        }
    }
    assert!(files.is_empty(), "left over: {:?}", files.keys());
    (uploads, last)
}

/// All names in the folder. Besides blobs there are only the mark of their database, and a writer's
/// folder with its lock.
fn blobs(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for writer in fs::read_dir(folder).unwrap() {
        let writer = writer.unwrap();
        if writer.file_name() == "owner" {
            continue;
        }
        assert!(
            writer.file_type().unwrap().is_dir(),
            "{} was left over",
            writer.path().display()
        );
        let before = names.len();
        for blob in fs::read_dir(writer.path()).unwrap() {
            let name = blob.unwrap().file_name();
            if name != "lock" {
                names.insert(format!(
                    "{}/{}",
                    writer.file_name().display(),
                    name.display()
                ));
            }
        }
        assert!(
            names.len() > before,
            "{} is empty and was not swept",
            writer.path().display()
        );
    }
    names
}
