//! The bus of one host.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use euryale_core::Ledger;
use euryale_core::bus::{Bus, Fanout, Subscription, TooLarge};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::book::BusBook;
use crate::member::Member;

/// The messages that wait until the hub has read them. Of further ones, the others only get a gap.
const WAITING: usize = 1024;

/// A bus for all processes of one host that use the same socket. See the [crate's
/// documentation](crate).
///
/// Clones are the same member of the bus. When the last one is dropped, what was published is sent,
/// and the process leaves.
#[derive(Clone)]
pub struct HostBus {
    fanout: Fanout,
    messages: Sender<(String, Bytes)>,
    lost: Arc<Notify>,
    book: Arc<BusBook>,
}

impl HostBus {
    /// Joins the bus at `socket`, in a folder that only this user can write to. A file with the
    /// same name and `.lock` is created beside it.
    ///
    /// Returns at once; the process joins from a task of its own. Until then messages wait.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    #[must_use]
    pub fn join(socket: impl Into<PathBuf>, ledger: &Ledger) -> Self {
        let (messages, receiver): (_, Receiver<(String, Bytes)>) = channel(WAITING);
        let bus = Self {
            fanout: Fanout::new(),
            messages,
            lost: Arc::default(),
            book: ledger.of(),
        };
        let member = Member {
            path: socket.into(),
            fanout: bus.fanout.clone(),
            messages: receiver,
            lost: Arc::clone(&bus.lost),
            book: Arc::clone(&bus.book),
        };
        tokio::spawn(member.run());
        bus
    }
}

impl Bus for HostBus {
    fn publish(&self, channel: &str, message: Bytes) -> Result<(), TooLarge> {
        TooLarge::check(channel, &message)?;
        self.book.published.add(1);
        self.fanout.deliver(channel, message.clone());
        if self
            .messages
            .try_send((channel.to_owned(), message))
            .is_err()
        {
            self.lost.notify_one();
        }
        Ok(())
    }

    fn subscribe(&self, channel: &str) -> Subscription {
        self.fanout.subscribe(channel)
    }
}

impl fmt::Debug for HostBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBus").finish_non_exhaustive()
    }
}
