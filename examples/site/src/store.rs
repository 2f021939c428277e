//! The stored data: documents, the database's part of files, and a counter.
//!
//! The database is SQLite or PostgreSQL. Only this folder distinguishes them: all others use
//! [`Engine`] and [`Connection`], and call functions.

mod below;
mod connection;
pub(crate) mod data;
mod documents;
mod engine;
mod error;
mod files;
mod place;
mod recent;
mod schema;
mod search;
mod sql;
#[cfg(test)]
#[cfg(feature = "postgres")]
mod tests;
mod tokens;
mod value;
#[cfg(feature = "postgres")]
mod words;
mod write;

#[cfg(test)]
pub(crate) use euryale_sqlite::rusqlite::{Connection as RawConnection, Row};

pub(crate) use self::below::{Text, files_below, text_below, texts_below};
pub(crate) use self::connection::Connection;
pub(crate) use self::documents::{
    Document, Entry, Format, Portion, Range, ancestors, children, counter, document, is_imported,
    now, parent, set_counter, set_imported,
};
pub(crate) use self::engine::{Engine, FILE};
pub(crate) use self::error::{Error, Result, is_damaged};
pub(crate) use self::files::{
    FileEntry, file, files, has_marked_blobs, identity, named, put_file, put_scale, remove_file,
    remove_scales, scale, set_marked_blobs, some_blob,
};
pub(crate) use self::place::Place;
pub(crate) use self::recent::{numbers, recent};
#[cfg(test)]
pub(crate) use self::schema::sqlite::{STEPS as SQLITE_STEPS, TOKENIZER};
#[cfg(test)]
pub(crate) use self::search::expression;
pub(crate) use self::search::{Hit, Hits, Phrase, search};
pub(crate) use self::tokens::{Tokenizer, with_tokenizer};
pub(crate) use self::write::{add, add_at, change, exists, has_children, remove, replace};
