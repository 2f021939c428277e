//! What a program can see and ask of its children.

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

/// One child at a moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildStatus {
    /// The number of its place, from 1 on. A child and the one that replaces it have the same.
    pub process: usize,
    /// The id of its process.
    pub pid: u32,
    /// Whether it has reported that it is ready, and has not been told to end since.
    pub is_ready: bool,
    /// When it was started.
    pub since: Instant,
    /// Where the parent connects to its [private socket](super::Supervisor::private_socket), if it
    /// has one.
    pub socket: Option<PathBuf>,
}

impl Children {
    pub(super) fn new() -> Self {
        Self {
            list: watch::Sender::new(Vec::new()),
            roll: Arc::default(),
        }
    }

    /// The children that serve or start, in the order of their places. A place whose child has died
    /// is missing until the next one starts.
    #[must_use]
    pub fn list(&self) -> Vec<ChildStatus> {
        self.list.borrow().clone()
    }

    /// Replaces all children, one after another, as SIGHUP does.
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
