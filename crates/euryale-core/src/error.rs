//! What services return.

mod answer;
mod chain;
mod line;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;

pub use self::line::ErrorChain;
use crate::Response;
use crate::abort::Pending;

/// Any error, as the tower family boxes it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why a request has no response of its own. Opaque; ask [`kind`](Error::kind), and the source
/// chain for the cause.
///
/// `RespondLayer` is the one place that turns it into a response.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    source: Option<BoxError>,
    wrote: bool,
    after_transaction: bool,
    told: Option<Cow<'static, str>>,
    // An error must be `Sync`; what it carries need not be.
    carried: Mutex<Carried>,
}

enum Carried {
    Nothing,
    Pending(Pending),
    Response(Box<Response>),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The queue for a connection is full.
    QueueFull,
    /// The request waited too long for a connection.
    QueueElapsed,
    /// The pool is closed: the server is going down.
    Closed,
    /// There is no thread to run the job on: the system refuses one, or the runtime is gone.
    NoWorker,
    /// The database could not be reached.
    Unavailable,
    /// A conflict with another transaction; published again by `ConflictPolicy`.
    Conflict,
    /// The last attempt that the policy allows ended in a conflict, too.
    ConflictsExhausted,
    /// The publication took longer than its deadline, or the database stopped a statement that
    /// took too long. Nothing was committed, and nothing will be. If the database cannot stop a
    /// statement, the publisher may still run, and keep its permit.
    PublishElapsed,
    /// Application code panicked.
    Panicked,
    /// A commit was sent, and nobody knows whether it took place.
    InDoubt,
    /// The client went away before the commit, and the publication only read, or its route aborts
    /// then.
    ClientGone,
    /// The publisher suspended for a promise. Handled by `Republish`.
    Suspended,
    /// Application code aborted with a response of its own, where only a value could be returned.
    Refused,
    /// A job waits for a permit on a thread that holds one: it would wait for itself.
    WouldDeadlock,
    /// The request's body is larger than its route allows.
    BodyTooLarge,
    /// The request's body stopped coming.
    BodyStalled,
    /// There is no room left to keep the request's body.
    SpoolFull,
    /// The request's body cannot be kept for another reason: no descriptor is left, the folder is
    /// gone.
    SpoolUnavailable,
    /// The request bodies that are held leave no room for another one.
    SpoolBusy,
    /// The request's promises needed more passes than are allowed.
    PassLimit,
    /// The request asked for more promises than are allowed.
    PromiseLimit,
    /// Too many requests wait for promises already.
    SuspendedFull,
    /// The request is malformed.
    Malformed,
    /// A deferred response failed before its first byte.
    DeferredFailed,
    /// Work that an answer needs took longer than its deadline.
    Elapsed,
    /// All threads, or all places, for work after the transaction are taken.
    LaneFull,
    /// A transform failed that no page may be sent without.
    TransformFailed,
    /// There is no room left for what the publisher writes, into the database or beside it.
    StorageFull,
    /// No descriptor is left for a file that the request needs: requests have as many open as they
    /// may, or the process has.
    NoDescriptor,
    /// Any other error of the application's.
    Application,
}

impl ErrorKind {
    /// The status with which a request that ended so is answered.
    pub fn status(self) -> StatusCode {
        match self {
            Self::QueueFull
            | Self::QueueElapsed
            | Self::Closed
            | Self::NoWorker
            | Self::Unavailable
            | Self::SpoolUnavailable
            | Self::SpoolBusy
            | Self::SuspendedFull
            | Self::Conflict
            | Self::ConflictsExhausted
            | Self::NoDescriptor
            | Self::LaneFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::PublishElapsed | Self::Elapsed => StatusCode::GATEWAY_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyStalled => StatusCode::REQUEST_TIMEOUT,
            Self::SpoolFull | Self::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            Self::PassLimit | Self::PromiseLimit => StatusCode::LOOP_DETECTED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::DeferredFailed => StatusCode::BAD_GATEWAY,
            Self::Panicked
            | Self::InDoubt
            | Self::ClientGone
            | Self::Suspended
            | Self::Refused
            | Self::WouldDeadlock
            | Self::TransformFailed
            | Self::Application => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// After how long the client may try again: for every 503 (RFC 9110 §10.2.3), unless the
    /// transaction is [over](Error::is_after_transaction) and the method is not safe.
    pub fn retry_after(self) -> Option<Duration> {
        (self.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(Duration::from_secs(1))
    }

    fn says(self) -> &'static str {
        match self {
            Self::QueueFull => "the queue for a connection is full",
            Self::QueueElapsed => "waited too long for a connection",
            Self::Closed => "the pool is closed",
            Self::NoWorker => "no thread to run the job on",
            Self::Unavailable => "the database is unavailable",
            Self::Conflict => "conflict with another transaction",
            Self::ConflictsExhausted => "conflict with another transaction in every attempt",
            Self::PublishElapsed => "publishing took too long",
            Self::Panicked => "application code panicked",
            Self::InDoubt => "a commit is in doubt",
            Self::ClientGone => "the client went away before the commit",
            Self::Suspended => {
                "suspended for a promise, but no Republish layer stands above Publish"
            }
            Self::Refused => "the transaction was aborted with a response",
            Self::WouldDeadlock => {
                "waiting for a connection in a worker that holds one would never end"
            }
            Self::BodyTooLarge => "the request body is too large",
            Self::BodyStalled => "the request body stopped coming",
            Self::SpoolFull => "no room left for the request body",
            Self::SpoolUnavailable => "the request body cannot be kept",
            Self::SpoolBusy => "too many request bodies are held",
            Self::PassLimit => "too many passes for promises",
            Self::PromiseLimit => "too many promises",
            Self::SuspendedFull => "too many requests wait for promises",
            Self::Malformed => "the request is malformed",
            Self::DeferredFailed => "a deferred response failed",
            Self::Elapsed => "work that the answer needs took too long",
            Self::LaneFull => "too much work of this kind is being done already",
            Self::TransformFailed => "a critical transform failed",
            Self::StorageFull => "no room left to write",
            Self::NoDescriptor => "no descriptor is left",
            Self::Application => "the publisher failed",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.says())
    }
}

impl Error {
    /// An error of this kind, without a cause.
    pub fn new(kind: ErrorKind) -> Self {
        Self::build(kind, None, Carried::Nothing)
    }

    /// An error of this kind, with its cause.
    pub fn with_source(kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self::build(kind, Some(source.into()), Carried::Nothing)
    }

    /// A publisher's suspension, on its way to the layer that resolves it.
    pub fn suspended(pending: Pending) -> Self {
        Self::build(ErrorKind::Suspended, None, Carried::Pending(pending))
    }

    /// An abort with a response, where only a value can be returned. `RespondLayer` sends the
    /// response.
    pub fn refused(response: Response) -> Self {
        Self::build(
            ErrorKind::Refused,
            None,
            Carried::Response(Box::new(response)),
        )
    }

    fn build(kind: ErrorKind, source: Option<BoxError>, carried: Carried) -> Self {
        let carried = Mutex::new(carried);
        let inner = Inner {
            kind,
            source,
            wrote: false,
            after_transaction: false,
            told: None,
            carried,
        };
        Self {
            inner: Box::new(inner),
        }
    }

    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The same error, taken for something else: a conflict for the last one, say.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// The same error, met when the request's transaction was over: what it did is done.
    /// `RespondLayer` then invites nobody to send a request again whose method is not safe.
    #[must_use]
    pub fn after_transaction(mut self) -> Self {
        self.inner.after_transaction = true;
        self
    }

    /// Was it met when the request's transaction was over?
    pub fn is_after_transaction(&self) -> bool {
        self.inner.after_transaction
    }

    /// The same error, with a sentence for the client, which takes the place of the one that its
    /// kind has: which limit was met, and where it is. No internals; those belong in the source.
    #[must_use]
    pub fn telling(mut self, sentence: impl Into<Cow<'static, str>>) -> Self {
        self.inner.told = Some(sentence.into());
        self
    }

    /// The sentence for the client.
    pub fn told(&self) -> Option<&str> {
        self.inner.told.as_deref()
    }

    /// The transaction that met this error wrote, or tried to: the next attempt begins as a writer.
    pub fn wrote(&self) -> bool {
        self.inner.wrote
    }

    pub(crate) fn set_wrote(mut self, wrote: bool) -> Self {
        self.inner.wrote = wrote;
        self
    }

    /// What the publisher waits for, if this is a suspension. Taken once.
    pub fn take_pending(&mut self) -> Option<Pending> {
        let carried = self
            .inner
            .carried
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(carried, Carried::Nothing) {
            Carried::Pending(pending) => Some(pending),
            other => {
                *carried = other;
                None
            }
        }
    }

    /// The response that this error carries, if it was an abort with a response. Taken once.
    pub fn take_response(&mut self) -> Option<Response> {
        let carried = self
            .inner
            .carried
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(carried, Carried::Nothing) {
            Carried::Response(response) => Some(*response),
            other => {
                *carried = other;
                None
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.kind.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<BoxError> for Error {
    /// Converts errors of foreign middleware between our layers (tower's time-outs and buffers box
    /// errors): one of ours is taken out of its box, and any other is of kind
    /// [`Application`](ErrorKind::Application).
    fn from(boxed: BoxError) -> Self {
        match boxed.downcast::<Self>() {
            Ok(own) => *own,
            Err(foreign) => Self::with_source(ErrorKind::Application, foreign),
        }
    }
}
