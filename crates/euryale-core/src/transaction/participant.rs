//! Participants: anything that is committed together with the database.

use crate::error::BoxError;

/// Takes part in a transaction together with the database: for example a file that is linked into
/// place, or a message that is queued.
///
/// The commit has two phases. First all participants vote, in the order in which they joined. Then
/// the database commits, as the last resource, and each participant is notified of the outcome.
/// After a participant has voted yes, its work must be durable and still revocable.
///
/// All methods run in the worker while the connection is still held, so they should be brief.
#[doc(alias = "IDataManager")]
#[doc(alias = "tpc_vote")]
pub trait Participant: Send + 'static {
    /// Makes the work durable but still revocable.
    ///
    /// # Errors
    /// An error is a vote against the commit: the whole transaction is aborted, including
    /// participants that voted yes.
    fn vote(&mut self) -> Result<(), BoxError>;

    /// Called after the database has committed.
    ///
    /// # Errors
    /// This should not fail. An error cannot undo anything any more; it is only logged and counted.
    fn finish(&mut self) -> Result<(), BoxError>;

    /// Called after the transaction was aborted, whether or not `vote` was called.
    fn abort(&mut self);

    /// Called if it is unknown whether the database has committed. Keep the result of `vote` and
    /// leave it to recovery; never undo it.
    fn in_doubt(&mut self) {}
}
