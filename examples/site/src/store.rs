//! The stored data: documents, the database's part of files, and a counter.

mod below;
pub(crate) mod data;
mod documents;
mod files;
mod recent;
mod schema;
mod search;
mod tokens;
mod write;

use euryale_sqlite::rusqlite;
#[cfg(test)]
pub(crate) use euryale_sqlite::rusqlite::{Connection as RawConnection, Row};

pub(crate) use self::below::{Text, files_below, texts_below};
pub(crate) use self::documents::{
    Document, Entry, Format, Portion, Range, ancestors, children, counter, document, is_imported,
    now, parent, set_counter, set_imported,
};
pub(crate) use self::files::{
    FileEntry, file, files, has_marked_blobs, identity, is_damaged, named, put_file, put_scale,
    remove_file, remove_scales, replaced, scale, set_marked_blobs, some_blob,
};
pub(crate) use self::recent::{numbers, recent};
pub(crate) use self::schema::STEPS;
#[cfg(test)]
pub(crate) use self::schema::TOKENIZER;
pub(crate) use self::search::{Hit, Hits, search};
pub(crate) use self::tokens::{Tokenizer, with_tokenizer};
pub(crate) use self::write::{add, add_at, change, exists, has_children, remove, replace};

/// What SQLite answers.
pub(crate) type Result<T> = rusqlite::Result<T>;

/// SQLite's error.
pub(crate) type Error = rusqlite::Error;
