//! A bus for the processes of one host: a hub at a Unix socket, which any of them takes over.
//!
//! It runs beside the stack, as a task of each process, and needs neither a worker nor a
//! connection. For several hosts, use a bus of the database that they share.
//!
//! ```
//! use euryale_bus::HostBus;
//! use euryale_core::Ledger;
//! use euryale_core::bus::{Bus, Delivery};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! # let folder = tempfile::tempdir().unwrap();
//! # let socket = folder.path().join("bus");
//! // In each process:
//! let bus = HostBus::join(socket, &Ledger::new());
//! let mut changes = bus.subscribe("changes");
//!
//! bus.publish("changes", "page:17".into()).unwrap();
//! assert_eq!(changes.next().await, Some(Delivery::Message("page:17".into())));
//! // This process has joined, and may have missed what came before.
//! assert_eq!(changes.next().await, Some(Delivery::Gap));
//! # });
//! # Ok::<_, std::io::Error>(())
//! ```
//!
//! It replaces, from Zope: the invalidations that a ZEO server sends to its clients.
//!
//! # Who is the hub?
//!
//! The first process that takes a lock on a file beside the socket. The kernel releases the lock
//! when that process ends in any way, and another one becomes the hub. All members connect to it,
//! including the hub's own process. A message is delivered in the process that published it at
//! once, and in the others through the hub. Nothing is stored.
//!
//! # When is a gap reported?
//!
//! | event | who gets a gap |
//! |---|---|
//! | a process joins | that process |
//! | the hub ends, or a connection to it is lost | the processes that lost it, and all others once they are back |
//! | a process ends without leaving, for example killed | all others, because its last messages may be missing |
//! | a process publishes faster than the hub reads, by 1,024 messages | all others |
//! | a process reads more slowly than the others publish, by 1,024 messages | that process |
//!
//! # Cancellation
//!
//! Nothing here is cancelled. When the last clone of a [`HostBus`] is dropped, its messages are
//! sent and the process leaves. If the runtime ends first, the others get a gap.
//!
//! # Backpressure
//!
//! Publishing never waits. The queues are bounded, and a gap stands for messages that do not fit.
//!
//! # Errors
//!
//! A message that is too large is refused. If the socket cannot be made, the bus works within its
//! process, logs a warning, and tries again.
//!
//! # Panics
//!
//! [`HostBus::join`] outside of a runtime.

#![forbid(unsafe_code)]

mod book;
mod frame;
mod host;
mod hub;
mod member;
#[cfg(test)]
mod tests;

pub use self::book::BusBook;
pub use self::host::HostBus;
