//! The sample content, and addresses that demonstrate what the stack does.

pub(crate) mod audio;
pub(crate) mod content;
pub(crate) mod counter;
pub(crate) mod deferred;
pub(crate) mod echo;
pub(crate) mod feed;
pub(crate) mod guide;
pub(crate) mod promises;
pub(crate) mod slow;
pub(crate) mod visitor;

/// The path of the [counter].
pub(crate) const COUNTER: &str = "/@@counter";
