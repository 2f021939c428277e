//! The reason why a call ended without an answer.

use std::fmt;
use std::io;
use std::sync::Arc;

use euryale_core::body::{Descriptors, NoDescriptor};

use crate::budget::NoRoom;
use crate::start::Refused;

/// The reason why a call ended without an answer.
#[derive(Debug)]
pub enum Failure<E> {
    /// The application broke a rule of PEP 3333.
    Refused(Refused),
    /// The answer was given up.
    Incomplete(Incomplete),
    /// The application raised this exception.
    Application(E),
}

impl<E> From<Refused> for Failure<E> {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<E> From<Incomplete> for Failure<E> {
    fn from(incomplete: Incomplete) -> Self {
        Self::Incomplete(incomplete)
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Incomplete(incomplete) => incomplete.fmt(f),
            Self::Application(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for Failure<E> {}

/// The reason why an answer was given up. The application cannot prevent this: whatever it does
/// with the exception, there is no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Incomplete {
    /// The answer is longer than [`Limits::total`](crate::Limits::total), in bytes.
    TooLong(u64),
    /// The [budget](crate::AnswerBudget) of all answers is used up.
    NoRoom,
    /// No [descriptor](crate::AnswerBudget::descriptors) is left for the answer's file.
    NoDescriptor,
    /// The answer's file could not be written or read.
    Io(Arc<io::Error>),
    /// The client has disconnected.
    ClientGone,
}

impl Incomplete {
    /// Returns whether the same request may succeed a little later, because the server has no room
    /// or no descriptor, or the disk is full.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NoRoom | Self::NoDescriptor => true,
            Self::Io(error) => {
                let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
                full.contains(&error.kind()) || Descriptors::are_exhausted(error)
            }
            Self::TooLong(_) | Self::ClientGone => false,
        }
    }
}

impl From<NoRoom> for Incomplete {
    fn from(_: NoRoom) -> Self {
        Self::NoRoom
    }
}

impl From<NoDescriptor> for Incomplete {
    fn from(_: NoDescriptor) -> Self {
        Self::NoDescriptor
    }
}

impl From<io::Error> for Incomplete {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(most) => write!(
                f,
                "the answer is longer than {most} bytes: raise max_response_body_size, or answer \
                    with a file through wsgi.file_wrapper"
            ),
            Self::NoRoom => f.write_str(
                "there is no room for the answer: raise response_disk, or answer with a file \
                    through wsgi.file_wrapper",
            ),
            Self::NoDescriptor => f.write_str(
                "there is no descriptor for the answer's file: raise the process's limit of open \
                    files, or max_sockets if that is lower",
            ),
            Self::Io(error) => write!(f, "cannot keep the answer in a temporary file: {error}"),
            Self::ClientGone => f.write_str("the client has disconnected"),
        }
    }
}

impl std::error::Error for Incomplete {}

/// The answer's length differs from the one in its head. It is sent nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongLength {
    /// This many bytes are missing, and the body breaks off where they would begin.
    Short(u64),
    /// There were more bytes, which are cut off.
    Long,
}

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(missing) => write!(
                f,
                "Content-Length announced {missing} more bytes than the application sent"
            ),
            Self::Long => f.write_str("the application sent more bytes than Content-Length says"),
        }
    }
}
