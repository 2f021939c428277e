//! What a client may do about an error.

use std::time::Duration;

use http::StatusCode;

use super::Level;

/// What a client may do about an error. The list is closed: the class alone determines the status,
/// and whether the response has a Retry-After.
///
/// The names of the variants are the server's view: it is busy, a part of it is unavailable, and so
/// on. Each [`Code`](super::Code) has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// There are too many requests of this kind at the moment: 503 with Retry-After. The client may
    /// try again soon.
    Busy,
    /// The server is closing, or something that it needs is unavailable: 503 with Retry-After.
    Unavailable,
    /// The work took longer than its deadline: 504.
    Elapsed,
    /// The request, or a part of it, is larger than the server accepts: 413.
    TooLarge,
    /// The request stopped arriving: 408. The client may send it again.
    Stalled,
    /// There is no room left for the data that the request brings or writes: 507.
    NoRoom,
    /// The answer needs more steps than the server allows: 508.
    TooManySteps,
    /// The server cannot make sense of the request: 400.
    Malformed,
    /// Something that the server depends on gave no answer that it could use: 502.
    Upstream,
    /// Any other failure of the server: 500.
    Failed,
}

impl Class {
    /// Returns the status of the response.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Elapsed => StatusCode::GATEWAY_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
            Self::TooManySteps => StatusCode::LOOP_DETECTED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Upstream => StatusCode::BAD_GATEWAY,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the time after which the client may try again: one second for every 503 (RFC 9110
    /// §10.2.3), unless the transaction [has ended](super::Error::is_after_transaction) and the
    /// method is not safe.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Busy | Self::Unavailable => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// Returns the sentence for the client, if the code does not have its own.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Busy | Self::Unavailable => {
                "The server is busy right now. Try again in a moment."
            }
            Self::Elapsed => {
                "The server took too long to answer. What you sent may be done: look before you \
                 send it again."
            }
            Self::TooLarge => "What you sent is larger than this address accepts.",
            Self::Stalled => "What you sent stopped arriving. Send it again.",
            Self::NoRoom => "The server has no room left for what you sent.",
            Self::TooManySteps => {
                "The server could not complete this page in the number of steps it allows."
            }
            Self::Malformed => "The server could not make sense of what you sent.",
            Self::Upstream => {
                "Something that the server depends on gave no answer. Try again later."
            }
            Self::Failed => "The server met an error that is not yours. It was logged.",
        }
    }

    /// Returns the level in the log, if the code does not have its own.
    pub(super) const fn level(self) -> Level {
        match self {
            Self::Busy => Level::Overload,
            Self::TooLarge | Self::Stalled | Self::Malformed => Level::Info,
            Self::Unavailable
            | Self::Elapsed
            | Self::NoRoom
            | Self::TooManySteps
            | Self::Upstream
            | Self::Failed => Level::Error,
        }
    }
}
