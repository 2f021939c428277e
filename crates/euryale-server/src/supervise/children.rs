//! The program's view of its children.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// The children of a [`Supervisor`](super::Supervisor), for the operators of the parent. Clones are
/// handles to the same children.
#[derive(Clone, Debug)]
pub struct Children {
    list: watch::Sender<Vec<ChildStatus>>,
    roll: Arc<Notify>,
}

/// The status of a child at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildStatus {
    /// The number of its place, from 1. A child and its replacement have the same number.
    pub process: usize,
    /// The id of its process.
    pub pid: u32,
    /// Whether it has reported that it is ready, and has not been asked to end since.
    pub is_ready: bool,
    /// The time at which it was started.
    pub since: Instant,
    /// The path of its [private socket](super::Supervisor::private_socket), if it has one.
    pub socket: Option<PathBuf>,
    /// The path at which it may take commands from its parent; see
    /// [`console_path`](super::console_path).
    pub console: PathBuf,
}

impl Children {
    pub(super) fn new() -> Self {
        Self {
            list: watch::Sender::new(Vec::new()),
            roll: Arc::default(),
        }
    }

    /// Returns the children that are serving or starting, in the order of their places. A place
    /// whose child has died is missing until the next child starts.
    #[must_use]
    pub fn list(&self) -> Vec<ChildStatus> {
        self.list.borrow().clone()
    }

    /// Replaces all children one after another, like SIGHUP.
    pub fn roll(&self) {
        self.roll.notify_one();
    }

    /// Resolves when `is_so` returns `true` for the list.
    pub async fn until(&self, mut is_so: impl FnMut(&[ChildStatus]) -> bool) {
        // The sender is part of this handle, so it is not closed.
        let _ = self.list.subscribe().wait_for(|list| is_so(list)).await;
    }

    pub(super) async fn roll_asked(&self) {
        self.roll.notified().await;
    }

    pub(super) fn are(&self, list: Vec<ChildStatus>) {
        self.list.send_replace(list);
    }
}
