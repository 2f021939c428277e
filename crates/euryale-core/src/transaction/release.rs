//! When a worker and its connection are free again.

use std::fmt;

/// The point at which an answer may leave, as a route declares it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReleasePoint {
    /// The end of the transaction: permit and connection are returned before the first byte of the
    /// body is sent. A failure is always an answer of its own.
    #[default]
    TransactionEnd,
    /// The end of the body: the publisher may answer early
    /// ([`Transaction::answer_early`](crate::transaction::Transaction::answer_early)), and writes
    /// the rest of the body while its first part is on its way.
    BodyEnd,
}

/// [`Transaction::answer_early`](crate::transaction::Transaction::answer_early) was called on a
/// route whose release point is the end of the transaction, or for a second time.
#[derive(Debug)]
pub struct NotEarly;

impl fmt::Display for NotEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this publication must not answer early: declare ReleasePoint::BodyEnd for its route \
             (Publish::release_point), and answer once",
        )
    }
}

impl std::error::Error for NotEarly {}
