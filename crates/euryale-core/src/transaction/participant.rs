//! Things that are committed together with the database.

use crate::error::BoxError;

/// Something that takes part in a transaction beside the database, such as a file that is linked
/// into place, or a message that is queued.
///
/// Two phases. All participants vote, in the order in which they joined; then the database commits,
/// as the last resource; then each is notified of the outcome. After a yes everything must be
/// durable and still revocable.
///
/// All methods run in the worker, with the connection still held: be brief.
#[doc(alias = "IDataManager")]
#[doc(alias = "tpc_vote")]
pub trait Participant: Send + 'static {
    /// Makes the work durable, but revocable.
    ///
    /// # Errors
    /// A no: the whole transaction is aborted, including participants that voted yes.
    fn vote(&mut self) -> Result<(), BoxError>;

    /// The database has committed.
    ///
    /// # Errors
    /// It should not fail. An error cannot undo anything any more: it is logged and counted.
    fn finish(&mut self) -> Result<(), BoxError>;

    /// The transaction was aborted. Called whether or not `vote` was.
    fn abort(&mut self);

    /// It is unknown whether the database committed. Keep the result of `vote` and leave it to
    /// recovery; never undo it.
    fn in_doubt(&mut self) {}
}
