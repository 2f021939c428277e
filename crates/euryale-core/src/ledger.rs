//! Is everything given back? Counters that are always on, one set per stack.
//!
//! A [`Ledger`] is a handle to one set of counters; clones share it. Every layer takes one
//! (`.ledger(…)`) and has one of its own otherwise. It is read in the process, by tests and health
//! checks, and exported as Prometheus text.
//!
//! ```
//! use euryale_core::Ledger;
//!
//! let ledger = Ledger::new();
//! ledger.transactions.begun.add(1);
//! assert_eq!(ledger.unsettled(), ["transactions: begun 1, ended 0"]);
//! ledger.transactions.committed.add(1);
//! assert!(ledger.unsettled().is_empty());
//! ```

mod exposition;
mod lanes;
mod meter;
mod per_route;
mod per_transform;
mod stops;
#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::Arc;

pub use self::lanes::{LaneMeter, Lanes};
pub use self::meter::{Counter, Gauge, GaugeGuard, Histogram};
pub use self::per_route::PerRoute;
pub use self::per_transform::{PerTransform, TransformMeters};
pub use self::stops::Stops;

/// A handle to one set of counters. Never a static: several stacks, and several tests, live in one
/// process.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    books: Arc<Books>,
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is still out, a line each; empty when the ledger is quiet: nothing is held, and every
    /// transaction that began has ended in one of its three ways.
    pub fn unsettled(&self) -> Vec<String> {
        let held = [
            ("connections in use", &self.connections.in_use),
            ("publishers running", &self.publishers.running),
            ("queue depth", &self.queue.depth),
            ("deferred responses running", &self.deferred.running),
            ("body writers running", &self.deferred.writers),
            ("transforms running", &self.transforms.running),
            ("tasks running", &self.tasks.running),
            ("promises running", &self.promises.running),
            ("requests suspended", &self.promises.suspended),
            ("blobs open", &self.blobs.open),
            ("descriptors in use", &self.descriptors.in_use),
            ("spool files", &self.spool.files),
            ("spool bytes", &self.spool.bytes),
            ("spool memory", &self.spool.memory),
            ("spool file bytes", &self.spool.file_bytes),
        ];
        let mut unsettled: Vec<String> = held
            .into_iter()
            .filter(|(_, gauge)| gauge.get() != 0)
            .map(|(name, gauge)| format!("{name}: {}", gauge.get()))
            .collect();
        for (name, lane) in self.lanes.all() {
            let held = lane.running.get() + lane.waiting.get();
            unsettled.extend((held != 0).then(|| format!("lane {name}: {held}")));
        }
        let begun = self.transactions.begun.get();
        let ended = self.transactions.ended();
        if begun != ended {
            unsettled.push(format!("transactions: begun {begun}, ended {ended}"));
        }
        unsettled
    }

    /// Everything, in Prometheus text format 0.0.4.
    pub fn exposition(&self) -> String {
        exposition::write(self)
    }
}

impl Deref for Ledger {
    type Target = Books;

    fn deref(&self) -> &Books {
        &self.books
    }
}

/// The counters themselves, by part.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Books {
    /// Connections of the pool.
    pub connections: Connections,
    /// Jobs that run in workers.
    pub publishers: Publishers,
    /// The queue in front of the connections.
    pub queue: Queue,
    /// Transactions of the database.
    pub transactions: Transactions,
    /// Conflicts and attempts.
    pub conflicts: Conflicts,
    /// What goes on for an answer after its transaction.
    pub deferred: Deferred,
    /// What was spawned by transactions that have committed.
    pub tasks: Tasks,
    /// Promises, and the requests that wait for them.
    pub promises: Promises,
    /// Blocking lanes, by name.
    pub lanes: Lanes,
    /// What makes pages of pages.
    pub transforms: Transforms,
    /// Parts of pages, as they are put into their places: one that is in two places counts twice. A
    /// layout is one, too.
    pub tiles: Parts,
    /// Documents that themes take content from.
    pub theme_documents: Parts,
    /// Open files on their way to clients.
    pub blobs: Blobs,
    /// Descriptors of files that requests have open.
    pub descriptors: InUse,
    /// Request bodies.
    pub spool: Spool,
    /// Peers of the server.
    pub sockets: Sockets,
    /// Requests that the server refused before calling the service, because their heads were
    /// malformed or too large. Those that h2 refuses are not included.
    pub requests_refused: Counter,
    /// From a request's head parsed to its response's head written, in seconds.
    pub response_head_seconds: Histogram,
}

/// Connections of the pool.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Connections {
    /// How many there may be.
    pub cap: Gauge,
    /// Held by a worker.
    pub in_use: Gauge,
    /// Open and waiting for work.
    pub idle: Gauge,
    /// Ever opened.
    pub opened: Counter,
    /// Dropped, by reason.
    pub dropped: Dropped,
}

/// Connections that were dropped, by reason.
#[derive(Debug, Default)]
pub struct Dropped {
    counters: [Counter; REASONS.len()],
}

impl Dropped {
    /// Counts `n` connections.
    pub fn add(&self, reason: DropReason, n: u64) {
        self.counters[reason as usize].add(n);
    }

    /// How many there were.
    pub fn get(&self, reason: DropReason) -> u64 {
        self.counters[reason as usize].get()
    }
}

/// Why a connection was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Application code panicked on it: its state is unknown.
    Panicked,
    /// It could not begin a transaction.
    Begin,
    /// It could not abort one.
    Abort,
    /// A commit on it is in doubt.
    InDoubt,
    /// The database says that it is broken.
    Disconnected,
    /// The database does not want it used again.
    NotReusable,
    /// Its transaction was stopped by a call that may still arrive.
    Interrupted,
    /// It reached its greatest age.
    Expired,
    /// The pool has fewer places now, or none.
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

/// Jobs that run in workers.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Publishers {
    /// Running now.
    pub running: Gauge,
    /// From a job's start in its worker to its end, in seconds.
    pub seconds: Histogram,
}

/// The queue in front of the connections.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Queue {
    /// Waiting now.
    pub depth: Gauge,
    /// How long jobs waited that were started, in seconds.
    pub wait_seconds: Histogram,
    /// Refused at once: the queue was full.
    pub full: Counter,
    /// Refused after waiting too long.
    pub elapsed: Counter,
    /// Left because nobody waited any more: the client went away, or a deadline outside the pool
    /// passed.
    pub gone: Counter,
}

/// Transactions of the database. Publications that never touch it are not counted.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Transactions {
    /// Begun.
    pub begun: Counter,
    /// Committed.
    pub committed: Counter,
    /// Rolled back.
    pub aborted: Counter,
    /// Nobody knows.
    pub in_doubt: Counter,
    /// Stopped before their commit, whether they had begun or not. Those that had are among the
    /// aborted ones.
    pub stopped: Stops,
    /// Participants that failed after the commit.
    pub finish_failures: Counter,
    /// Hooks that panicked after the end of their transaction.
    pub hook_failures: Counter,
}

impl Transactions {
    fn ended(&self) -> u64 {
        self.committed.get() + self.aborted.get() + self.in_doubt.get()
    }
}

/// Conflicts and attempts.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Conflicts {
    /// Publications, first ones and repeated ones.
    pub attempts: Counter,
    /// Requests that met a conflict and were answered after another attempt, by route.
    pub resolved: PerRoute,
    /// Requests that met a conflict in every attempt, by route.
    pub exhausted: PerRoute,
}

/// What goes on for an answer after its transaction.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Deferred {
    /// Responses being computed now. A blocking one counts until its thread is free, whether or not
    /// its client waits.
    pub running: Gauge,
    /// Bodies being written by synchronous code now, or about to be.
    pub writers: Gauge,
    /// Computed.
    pub ok: Counter,
    /// Failed before the head was sent.
    pub error: Counter,
    /// Panicked.
    pub panic: Counter,
    /// Took longer than the deadline.
    pub elapsed: Counter,
    /// Given up because the client went away.
    pub cancelled: Counter,
    /// Refused: too many of their kind were running.
    pub full: Counter,
}

/// What was spawned by transactions that have committed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Tasks {
    /// Running now.
    pub running: Gauge,
    /// Spawned.
    pub spawned: Counter,
    /// Panicked.
    pub panic: Counter,
}

/// Promises, and the requests that wait for them.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Promises {
    /// Publications that followed a suspension.
    pub passes: Counter,
    /// Promises whose code runs now.
    pub running: Gauge,
    /// Requests set aside now: they hold memory and nothing else.
    pub suspended: Gauge,
    /// Resolved with a value.
    pub ok: Counter,
    /// Resolved with an error.
    pub error: Counter,
    /// Resolved with a panic.
    pub panic: Counter,
    /// Resolved by their deadline.
    pub elapsed: Counter,
    /// Never resolved: nobody waited any more.
    pub cancelled: Counter,
    /// Resolved with what was asked for by another request.
    pub shared: Counter,
    /// Passes that saw the snapshot of the first one.
    pub snapshots_pinned: Counter,
    /// Passes that could not, because the snapshot is gone.
    pub snapshots_gone: Counter,
    /// Passes that could not, because the database has no such snapshots.
    pub snapshots_unsupported: Counter,
}

/// What makes pages of pages, after their transaction.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Transforms {
    /// Pages in the hands of a chain of transforms now.
    pub running: Gauge,
    /// Pages that were parsed by streaming rewrites: once for all that follow each other.
    pub parsed: Counter,
    /// The time that each transform took, and how often it failed.
    pub by_name: PerTransform,
}

/// What the site was asked for on behalf of a page, and what came of it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Parts {
    /// They are there.
    pub ok: Counter,
    /// Missing: their address is invalid, outside the site, or not allowed.
    pub address: Counter,
    /// Missing: there are too many of them, they are too large, or too deep in each other.
    pub limit: Counter,
    /// Missing: their answer's status was not that of a document.
    pub status: Counter,
    /// Missing: they are not HTML, or no text.
    pub content: Counter,
    /// Missing: they did not come in time.
    pub elapsed: Counter,
    /// Missing: what makes them failed.
    pub failed: Counter,
}

/// Open files on their way to clients.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Blobs {
    /// Open now, from the moment they leave the worker.
    pub open: Gauge,
    /// On their way by which path.
    pub sent: Sent,
    /// Opened, and not as long as their rows say.
    pub damaged: Counter,
}

/// Blobs by the path on which they are sent. A blob that is asked for, and of which nothing is sent
/// (304, HEAD), counts nowhere.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Sent {
    /// Blobs sent by `sendfile(2)`.
    pub sendfile: Counter,
    /// Blobs read by `ServeBlob`.
    pub read: Counter,
    /// Blobs left to a reverse proxy.
    pub offload: Counter,
    /// Bytes handed to the socket by `sendfile(2)`.
    pub sendfile_bytes: Counter,
    /// Bytes read by `ServeBlob`.
    pub read_bytes: Counter,
}

/// Descriptors of files that requests have open, of a budget of
/// [`Descriptors`](crate::Descriptors).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct InUse {
    /// The budget.
    pub cap: Gauge,
    /// Taken now.
    pub in_use: Gauge,
    /// Refused: the budget had too few left.
    pub refused: Counter,
}

/// Request bodies.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Spool {
    /// Files now, those that are still being written included.
    pub files: Gauge,
    /// Bytes of bodies held now, in memory and in files.
    pub bytes: Gauge,
    /// Memory charged to the budget now, in bytes: the capacity of buffers, and the fields of
    /// forms.
    pub memory: Gauge,
    /// Bytes in files, charged to the budget now.
    pub file_bytes: Gauge,
    /// Bodies that went to a file, though small, because the budget had no memory.
    pub spilled: Counter,
    /// Requests refused because the budget had no room.
    pub refused: Counter,
}

/// Peers of the server.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Sockets {
    /// Open now.
    pub open: Gauge,
    /// Open, and asked for nothing for a moment: they hold no buffers.
    pub resting: Gauge,
    /// Closed by the end of the conversation.
    pub finished: Counter,
    /// Closed because nothing was asked any more.
    pub idle: Counter,
    /// Closed because the peer broke off, or a service panicked.
    pub failed: Counter,
    /// Closed because the peer spoke no HTTP, or framed it so that others might read it otherwise.
    pub malformed: Counter,
    /// Closed because the head of a request was too large or had too many fields.
    pub head_too_large: Counter,
    /// Closed because the peer sent nothing at all.
    pub silent: Counter,
    /// Closed because the head of a request did not come in time.
    pub head_elapsed: Counter,
    /// Closed because the body of a request stopped coming, or came too slowly.
    pub body_elapsed: Counter,
    /// Closed because the peer did not read.
    pub stalled: Counter,
    /// Closed because an HTTP/2 peer reset too many requests, or sent too many frames that bring
    /// nothing.
    pub flood: Counter,
    /// Closed because a TLS handshake failed or did not end in time.
    pub handshake: Counter,
    /// Closed because a balancer sent no PROXY header, or a wrong one.
    pub proxy: Counter,
    /// Closed at once because its peer has too many sockets.
    pub refused: Counter,
    /// Cut by the deadline of the drain.
    pub cut: Counter,
}
