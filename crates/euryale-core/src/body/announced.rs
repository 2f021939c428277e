//! A length that was announced to the client, and the bytes that follow.

use std::error::Error as StdError;
use std::fmt;

use bytes::Bytes;

/// The length that was announced to the client.
pub(crate) struct Announced {
    left: u64,
    /// The last bytes, which complete the body, are kept here until the writer has succeeded.
    last: Option<Bytes>,
}

pub(crate) enum Measured {
    Send(Bytes),
    Wait,
    /// Ends the body, and sends the bytes that were kept until then.
    End(Option<Bytes>),
}

impl Announced {
    pub(crate) fn new(length: u64) -> Self {
        Self {
            left: length,
            last: None,
        }
    }

    /// The number of bytes that are not sent yet.
    pub(crate) fn left(&self) -> u64 {
        self.left + self.last.as_ref().map_or(0, |last| last.len() as u64)
    }

    /// Decides what to do with a piece, or with the end. A client that knows the length takes that
    /// number of bytes for the whole body, so the last of them are sent only when nothing can fail
    /// any more.
    pub(crate) fn measure(
        announced: &mut Option<Self>,
        piece: Option<Bytes>,
    ) -> Result<Measured, WrongLength> {
        let Some(announced) = announced else {
            return Ok(piece.map_or(Measured::End(None), Measured::Send));
        };
        let Some(piece) = piece else {
            return match announced.left {
                0 => Ok(Measured::End(announced.last.take())),
                left => Err(WrongLength::Short { left }),
            };
        };
        announced.left = announced
            .left
            .checked_sub(piece.len() as u64)
            .ok_or(WrongLength::Long)?;
        if announced.left > 0 {
            return Ok(Measured::Send(piece));
        }
        announced.last = Some(piece);
        Ok(Measured::Wait)
    }
}

/// The body did not have the announced length.
#[derive(Debug)]
pub(crate) enum WrongLength {
    Short { left: u64 },
    Long,
}

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { left } => {
                write!(f, "a body is shorter than was announced, by {left} bytes")
            }
            Self::Long => f.write_str("a body is longer than was announced"),
        }
    }
}

impl StdError for WrongLength {}
