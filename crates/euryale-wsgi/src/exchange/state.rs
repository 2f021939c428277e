//! What an application has said and sent so far.

use std::io;

use euryale_core::body::Early;
use http::header::CONTENT_LENGTH;

use crate::collected::Collected;
use crate::failure::Incomplete;
use crate::start::{Refused, Start};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) start: Start,
    pub(super) collected: Collected,
    /// Whether a block exceeded the announced length.
    pub(super) is_cut: bool,
    /// The right to answer early, until it is used or not wanted.
    pub(super) early: Option<Early>,
    /// Whether the answer is wanted whole.
    pub(super) is_whole: bool,
    /// The answer was given up. That is final, whatever the application does with the exception.
    pub(super) incomplete: Option<Incomplete>,
}

/// Whether more blocks are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    More,
    /// The answer has reached the announced `Content-Length`.
    Enough,
}

/// The reason why a block was not taken.
pub(super) enum NotTaken {
    Refused(Refused),
    Incomplete(Incomplete),
}

impl From<Refused> for NotTaken {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Incomplete> for NotTaken {
    fn from(incomplete: Incomplete) -> Self {
        Self::Incomplete(incomplete)
    }
}

impl State {
    /// Returns whether a file is to be sent in place of the body.
    pub(super) fn names_file(&self) -> bool {
        self.start.head().is_some_and(|head| head.file.is_some())
    }

    /// Begins an answer that leaves early, if it may.
    pub(super) fn leave(&mut self) {
        if let Some(early) = self.early.take()
            && let Some(head) = self.start.head()
        {
            let length = head.length;
            let mut head = head.clone().into_response();
            if let Some(length) = length {
                head.headers_mut().insert(CONTENT_LENGTH, length.into());
            }
            self.collected = Collected::Leaving(early.answer(head), 0);
        }
    }

    /// The answer, if it is leaving; otherwise nothing changes.
    pub(super) fn take_leaving(&mut self) -> Collected {
        match self.collected {
            Collected::Leaving(..) => std::mem::take(&mut self.collected),
            _ => Collected::Nothing,
        }
    }
}

/// The error of a write for a client that nobody may wait for any longer.
pub(super) fn no_client(error: io::Error) -> Incomplete {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Incomplete::ClientGone,
        _ => error.into(),
    }
}
