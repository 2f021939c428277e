//! The streams of HTTP/2: they share a socket, and each must be read.

mod blobs;
mod piece;
mod sending;

pub(crate) use self::blobs::{BlobStreams, Queued};
pub(crate) use self::piece::Piece;
pub(crate) use self::sending::{Sending, watch};
