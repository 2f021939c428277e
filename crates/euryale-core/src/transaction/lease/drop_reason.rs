//! The reason why a connection was dropped.

/// The reason why a connection was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Application code panicked while it used the connection, whose state is therefore unknown.
    Panicked,
    /// The connection could not begin a transaction.
    Begin,
    /// The connection could not abort a transaction.
    Abort,
    /// A commit on the connection is in doubt.
    InDoubt,
    /// The database classified the connection as broken.
    Disconnected,
    /// The database refused to reuse the connection.
    NotReusable,
    /// The transaction was stopped by a call that may still arrive.
    Interrupted,
    /// The connection reached its maximum age.
    Expired,
    /// The pool shrank or was closed.
    Closed,
}

const REASONS: [DropReason; 9] = [
    DropReason::Panicked,
    DropReason::Begin,
    DropReason::Abort,
    DropReason::InDoubt,
    DropReason::Disconnected,
    DropReason::NotReusable,
    DropReason::Interrupted,
    DropReason::Expired,
    DropReason::Closed,
];

impl DropReason {
    /// All reasons.
    pub const ALL: &'static [Self] = &REASONS;

    /// Returns the value of the label `reason` of `euryale_connections_dropped_total`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Panicked => "panicked",
            Self::Begin => "begin",
            Self::Abort => "abort",
            Self::InDoubt => "in_doubt",
            Self::Disconnected => "disconnected",
            Self::NotReusable => "not_reusable",
            Self::Interrupted => "interrupted",
            Self::Expired => "expired",
            Self::Closed => "closed",
        }
    }
}
