//! Why a connection was dropped.

/// Why a connection was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Application code panicked on it: its state is unknown.
    Panicked,
    /// It could not begin a transaction.
    Begin,
    /// It could not abort a transaction.
    Abort,
    /// A commit on it is in doubt.
    InDoubt,
    /// The database says that it is broken.
    Disconnected,
    /// The database refused to reuse it.
    NotReusable,
    /// Its transaction was stopped by a call that may still arrive.
    Interrupted,
    /// It reached its maximum age.
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
    /// All of them.
    pub const ALL: &'static [Self] = &REASONS;

    /// The value of the label `reason` of `euryale_connections_dropped_total`.
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
