//! The publisher's side of an early answer.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use http::header::CONTENT_LENGTH;
use http_body::SizeHint;

use super::future::HandOver;
use super::sending::EarlyBody;
use super::settings::EarlyAnswers;
use super::window::EarlyWindow;
use crate::body::Body;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::request::Response;

/// The right of a publication to answer before its transaction has ended. Its route has the release
/// point [`BodyEnd`](crate::transaction::ReleasePoint::BodyEnd).
///
/// Made by `Publish`; publishers get it by
/// [`Transaction::answer_early`](crate::transaction::Transaction::answer_early).
#[must_use]
pub struct Early {
    settings: EarlyAnswers,
    ledger: Ledger,
    hand_over: HandOver,
    check: Check,
    is_head: bool,
    outlives_client: bool,
    deadline: Option<Instant>,
}

type Check = Box<dyn FnOnce(Response) -> Result<Response, Error> + Send>;

impl Early {
    /// An answer that `hand_over` delivers, once `check` has made it what may be sent.
    ///
    /// With `is_head` the body is not sent, and the answer leaves when the publisher returns.
    pub fn new(
        settings: EarlyAnswers,
        ledger: &Ledger,
        hand_over: HandOver,
        is_head: bool,
        check: impl FnOnce(Response) -> Result<Response, Error> + Send + 'static,
    ) -> Self {
        Self {
            settings,
            ledger: ledger.clone(),
            hand_over,
            check: Box::new(check),
            is_head,
            outlives_client: false,
            deadline: None,
        }
    }

    /// The publication goes on when its client disconnects: bytes for it are dropped.
    pub(crate) fn outlive_client(mut self, outlives: bool) -> Self {
        self.outlives_client = outlives;
        self
    }

    /// No write blocks beyond the deadline of the publication.
    pub(crate) fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Begins the answer. Nothing is sent yet.
    pub fn answer(self, head: http::Response<()>) -> EarlyAnswer {
        let has_body =
            !head.status().is_informational() && ![204, 205, 304].contains(&head.status().as_u16());
        let is_silent = self.is_head || !has_body;
        EarlyAnswer {
            outlives_client: self.outlives_client,
            state: if is_silent {
                AnswerState::Silent(head)
            } else {
                AnswerState::Unsent(head, Box::new(self))
            },
        }
    }
}

impl fmt::Debug for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Early")
    }
}

/// An answer that begins to leave with its first byte, while its publisher writes the rest.
///
/// Until then the publication can still fail with an error page, conflict or suspend. Afterwards
/// any failure, and a value that is dropped without [`finish`](Self::finish), breaks the body off,
/// so that no client mistakes a part for the whole. The end of the body is sent after the commit.
///
/// A head with `Content-Length` announces the length. Then a body that is longer or shorter breaks
/// off, and its last bytes are sent after the commit.
///
/// # Backpressure
/// See [`EarlyAnswers`].
///
/// # Errors
/// From a write, if the transaction only reads: [`BrokenPipe`](io::ErrorKind::BrokenPipe) when the
/// client has gone, and [`TimedOut`](io::ErrorKind::TimedOut) when it has read nothing for too
/// long. A transaction that may write is finished, so its bytes are dropped without an error, until
/// its deadline. A write of a transaction that was stopped always fails. Any other error says why
/// the answer must not be sent.
#[must_use]
pub struct EarlyAnswer {
    state: AnswerState,
    outlives_client: bool,
}

/// Unsent ⇒ Sending at the first byte, or Refused. Silent stays silent.
enum AnswerState {
    Unsent(http::Response<()>, Box<Early>),
    Sending(Arc<EarlyWindow>),
    /// The body is not sent.
    Silent(http::Response<()>),
    Refused,
}

/// In the response of a publisher whose answer has left or was refused.
#[derive(Clone, Copy)]
struct HasLeft;

impl EarlyAnswer {
    /// Returns the response for the publisher to return, when the body is complete. If nothing was
    /// written, it is the answer itself, with an empty body.
    pub fn finish(self) -> Response {
        match self.state {
            AnswerState::Unsent(head, _) => head.map(|()| Body::empty()),
            AnswerState::Silent(head) => {
                let size = announced(&head).map_or_else(SizeHint::default, SizeHint::with_exact);
                head.map(|()| Body::head_of(size))
            }
            AnswerState::Sending(_) | AnswerState::Refused => {
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(HasLeft);
                response
            }
        }
    }

    /// Returns whether `response` is that of [`finish`](Self::finish), for an answer that has left
    /// or was refused.
    #[must_use]
    pub fn has_left(response: &Response) -> bool {
        response.extensions().get::<HasLeft>().is_some()
    }

    /// Writes all of `bytes` unless that may block, and returns whether it did: for code that gives
    /// up a lock before it blocks. The first byte of an answer never blocks.
    ///
    /// # Errors
    /// Those of a write.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        if bytes.is_empty() {
            return Ok(true);
        }
        let Some(window) = self.window()? else {
            return Ok(true);
        };
        let written = window.try_write(bytes);
        if self.is_over(&written) {
            return Ok(true);
        }
        written
    }

    /// The window, once the answer has left; `None` if the body is not sent.
    fn window(&mut self) -> io::Result<Option<&EarlyWindow>> {
        if let AnswerState::Unsent(..) = self.state {
            let unsent = std::mem::replace(&mut self.state, AnswerState::Refused);
            if let AnswerState::Unsent(head, early) = unsent {
                self.state = AnswerState::Sending(early.leave(head)?);
            }
        }
        match &self.state {
            AnswerState::Sending(window) => Ok(Some(window)),
            AnswerState::Silent(_) => Ok(None),
            AnswerState::Unsent(..) | AnswerState::Refused => {
                Err(io::Error::other("this answer must not be sent"))
            }
        }
    }

    /// Returns whether nobody reads the rest, although the publisher goes on.
    fn is_over<T>(&self, written: &io::Result<T>) -> bool {
        match &self.state {
            AnswerState::Sending(window) => {
                self.outlives_client && written.is_err() && window.is_deserted()
            }
            _ => false,
        }
    }
}

impl Early {
    /// Hands the answer over.
    fn leave(self, head: http::Response<()>) -> io::Result<Arc<EarlyWindow>> {
        let window = Arc::new(self.settings.open(self.deadline));
        let length = announced(&head);
        let record = self.hand_over.record().clone();
        let body = EarlyBody::new(
            Arc::clone(&window),
            length,
            self.settings.lane,
            self.ledger,
            record,
        );
        let response = head.map(|()| Body::early(body));
        let response = (self.check)(response).map_err(io::Error::other)?;
        self.hand_over.send(response);
        Ok(window)
    }
}

fn announced(head: &http::Response<()>) -> Option<u64> {
    let length = head.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

impl Write for EarlyAnswer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let Some(window) = self.window()? else {
            return Ok(());
        };
        let written = window.write(bytes);
        if self.is_over(&written) {
            return Ok(());
        }
        written
    }

    /// There is nothing to flush.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for EarlyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EarlyAnswer")
            .field("is_sending", &matches!(self.state, AnswerState::Sending(_)))
            .finish_non_exhaustive()
    }
}
