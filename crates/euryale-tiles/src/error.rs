//! The reasons why a tile is broken.

use std::fmt;

use euryale_core::ledger::Counter;
use euryale_subrequest::{FetchError, Parts, ReferenceError, SubResponseError};
use http::StatusCode;

/// The reason why a tile is missing from the page. The error is logged, and an error tile takes the
/// tile's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileError {
    address: String,
    kind: TileErrorKind,
}

/// The kind of a tile's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TileErrorKind {
    /// The tile's address is outside this site.
    Foreign,
    /// The tile's address is malformed.
    Malformed,
    /// [`Tiles::allow`](crate::Tiles::allow) does not allow the tile's address.
    NotAllowed,
    /// The tile is nested too deeply in other tiles; perhaps it contains itself.
    TooDeep,
    /// The page has too many tiles before this one.
    TooMany,
    /// The tile was answered with this status.
    Status(StatusCode),
    /// The answer is not HTML, or has a content coding or an unknown charset.
    NotHtml,
    /// The answer is not valid text in its charset.
    NotText,
    /// The tile is too large, or all tiles of the page together are.
    TooLarge,
    /// The tile did not arrive in time.
    Elapsed,
    /// The service failed without an answer, or the answer broke off.
    Failed,
    /// The request has no [`Internal`](euryale_core::request::Internal) in its extensions.
    NoStack,
}

impl TileError {
    pub(crate) fn new(address: impl Into<String>, kind: TileErrorKind) -> Self {
        Self {
            address: address.into(),
            kind,
        }
    }

    /// Returns the path and query of the tile, or the text in the page if that is not an address of
    /// this site.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The kind of a tile's error.
    pub fn kind(&self) -> TileErrorKind {
        self.kind
    }
}

impl TileErrorKind {
    /// Returns the counter for tiles with this error.
    pub(crate) fn counter(self, tiles: &Parts) -> &Counter {
        match self {
            Self::Foreign | Self::Malformed | Self::NotAllowed => &tiles.address,
            Self::TooDeep | Self::TooMany | Self::TooLarge => &tiles.limit,
            Self::Status(_) => &tiles.status,
            Self::NotHtml | Self::NotText => &tiles.content,
            Self::Elapsed => &tiles.elapsed,
            Self::Failed | Self::NoStack => &tiles.failed,
        }
    }
}

impl fmt::Display for TileErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "its address is outside this site",
            Self::Malformed => "its address is malformed",
            Self::NotAllowed => "its address is not allowed",
            Self::TooDeep => "it is too deep in other tiles",
            Self::TooMany => "the page has too many tiles",
            Self::Status(status) => return write!(f, "it was answered {}", status.as_u16()),
            Self::NotHtml => "it is not HTML",
            Self::NotText => "it is not text in its charset",
            Self::TooLarge => "it is too large",
            Self::Elapsed => "it did not come in time",
            Self::Failed => "it failed",
            Self::NoStack => "no stack serves this request",
        })
    }
}

impl fmt::Display for TileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile {:?}: {}", self.address, self.kind)
    }
}

impl std::error::Error for TileError {}

impl std::error::Error for TileErrorKind {}

impl From<ReferenceError> for TileErrorKind {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Foreign => Self::Foreign,
            ReferenceError::Malformed => Self::Malformed,
        }
    }
}

impl From<&FetchError> for TileErrorKind {
    fn from(error: &FetchError) -> Self {
        match error {
            FetchError::NoStack => Self::NoStack,
            FetchError::Address(error) => (*error).into(),
            FetchError::NotAllowed => Self::NotAllowed,
            FetchError::TooDeep(_) => Self::TooDeep,
            FetchError::Unanswered { error, .. } => Self::Status(error.class().status()),
            FetchError::NoHtml(SubResponseError::Status(status)) => Self::Status(*status),
            FetchError::NoHtml(SubResponseError::NotHtml) => Self::NotHtml,
            FetchError::NoHtml(SubResponseError::NotText) => Self::NotText,
            FetchError::NoHtml(SubResponseError::TooLarge) => Self::TooLarge,
            FetchError::Elapsed => Self::Elapsed,
            _ => Self::Failed,
        }
    }
}
