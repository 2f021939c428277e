//! Cancels a statement, on a separate connection.
//!
//! A cancel names a session and not a statement, so a late one would end another statement. That is
//! why the pool drops a connection for which a cancel was sent. The server ignores an early one,
//! which arrives before its statement, so it is sent again until the statement has ended.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::CancelToken;

use crate::Postgres;
use crate::book::PostgresBook;
use crate::settings::{Host, Settings};
use crate::socket::{Address, Socket};
use crate::tls::Tls;
use crate::wire::block_on;

/// The maximum time of a cancel. The worker gives up its connection after the same time.
const WITHIN: Duration = Duration::from_secs(2);

/// The maximum number of cancels that wait for the thread. One behind 64 others would be too late.
const WAITING: usize = 64;

/// Cancels the statements of one connection.
pub(crate) struct Cancel {
    token: CancelToken,
    address: Address,
    host: Host,
    tls: Tls,
    settings: Arc<Settings>,
    book: Arc<PostgresBook>,
    canceller: Canceller,
    /// Whether it waits for the thread or is being sent.
    is_under_way: AtomicBool,
    /// Whether it was sent at least once.
    was_sent: AtomicBool,
    /// Whether a `BEGIN` with a statement behind it was sent and not answered.
    is_held: AtomicBool,
}

impl Cancel {
    pub(crate) fn new(
        token: CancelToken,
        address: Address,
        host: Host,
        database: &Postgres,
    ) -> Self {
        Self {
            token,
            address,
            host,
            tls: database.tls.clone(),
            settings: Arc::clone(&database.settings),
            book: Arc::clone(&database.book),
            canceller: database.state.canceller().clone(),
            is_under_way: AtomicBool::new(false),
            was_sent: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
        }
    }

    /// Cancels the running statement, on the thread for that.
    pub(crate) fn send(self: &Arc<Self>) {
        // Pairs with the fence in `hold`.
        fence(Ordering::SeqCst);
        if self.is_held.load(Ordering::Relaxed) {
            // The worker sends it once the transaction has begun.
            return;
        }
        if !self.hand_over() {
            not_sent(&self.book);
        }
    }

    /// The same, for a worker whose statement is still running. One that fails is followed by
    /// another one.
    pub(crate) fn send_again(self: &Arc<Self>) {
        if !self.is_held.load(Ordering::Relaxed) {
            self.hand_over();
        }
    }

    /// From now on, nothing is cancelled: a `BEGIN` is sent together with a statement. If a cancel
    /// ended the `BEGIN`, the statement would run without a transaction.
    ///
    /// Called before the worker checks whether its transaction was stopped: either it finds that,
    /// or the thread that has stopped it finds the cancel held.
    pub(crate) fn hold(&self) {
        self.is_held.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The `BEGIN` was answered, or was not sent.
    pub(crate) fn release(&self) {
        self.is_held.store(false, Ordering::Relaxed);
    }

    /// As if the server had ignored it.
    #[cfg(test)]
    pub(crate) fn lose(&self) {
        self.is_under_way.store(false, Ordering::Relaxed);
    }

    /// Returns `false` if the thread has too many others to send.
    fn hand_over(self: &Arc<Self>) -> bool {
        if self.is_under_way.swap(true, Ordering::Relaxed) {
            return true;
        }
        let is_taken = self.canceller.take(Arc::clone(self));
        if !is_taken {
            self.is_under_way.store(false, Ordering::Relaxed);
        }
        is_taken
    }

    fn carry_out(&self) {
        let is_sent = self.is_sent();
        self.is_under_way.store(false, Ordering::Relaxed);
        if is_sent {
            if !self.was_sent.swap(true, Ordering::Relaxed) {
                self.book.cancelled.add(1);
            }
        } else if !self.was_sent.load(Ordering::Relaxed) {
            not_sent(&self.book);
        }
    }

    fn is_sent(&self) -> bool {
        let until = Instant::now() + WITHIN;
        let connected = Socket::connect(&self.address, WITHIN, self.settings.keepalives);
        let Ok((socket, watch)) = connected else {
            return false;
        };
        let (handshake, _) = self.tls.handshake(&self.host);
        let sent = block_on(
            &watch,
            until,
            self.token.cancel_query_raw(socket, handshake),
        );
        matches!(sent, Some(Ok(())))
    }
}

/// Hands cancels over to a thread, because the thread that stops a transaction must not wait. The
/// thread is started by the first cancel, and ends with the database and its connections. It is not
/// one of the runtime's blocking threads, so it is not declared as a `ThreadBound`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canceller {
    sender: Arc<Mutex<Option<SyncSender<Arc<Cancel>>>>>,
}

impl Canceller {
    /// As if the thread were stuck in a cancel, until the receiver is dropped.
    #[cfg(test)]
    pub(crate) fn stick(&self) -> std::sync::mpsc::Receiver<Arc<Cancel>> {
        let (sender, cancels) = sync_channel(WAITING);
        *self.sender.lock().unwrap() = Some(sender);
        cancels
    }

    fn take(&self, cancel: Arc<Cancel>) -> bool {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let cancel = match &*sender {
            None => cancel,
            Some(running) => match running.try_send(cancel) {
                Ok(()) => return true,
                Err(TrySendError::Full(_)) => return false,
                // The thread has panicked.
                Err(TrySendError::Disconnected(cancel)) => cancel,
            },
        };
        match start() {
            Some(started) => sender.insert(started).try_send(cancel).is_ok(),
            None => false,
        }
    }
}

fn start() -> Option<SyncSender<Arc<Cancel>>> {
    let (sender, cancels) = sync_channel::<Arc<Cancel>>(WAITING);
    let thread = std::thread::Builder::new()
        .name("postgres-cancel".into())
        .spawn(move || cancels.iter().for_each(|cancel| cancel.carry_out()));
    thread.map(|_| sender).ok()
}

fn not_sent(book: &PostgresBook) {
    book.not_cancelled.add(1);
    tracing::warn!(
        "a cancel could not be sent; unless a later one arrives, the server may go on with the \
            statement until its statement_timeout"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Option<Postgres> {
        let server = euryale_test::engines::Postgres::shared()?;
        Some(Postgres::open(&server.url("postgres")).unwrap())
    }

    /// A cancel of a session's statements that no server gets.
    fn cancel(database: &Postgres) -> Arc<Cancel> {
        let connection = database.open_connection().unwrap();
        let host = database.settings.hosts[0].clone();
        let address = Address::Unix("/nowhere".into());
        let token = connection.client().cancel_token();
        Arc::new(Cancel::new(token, address, host, database))
    }

    #[test]
    fn a_cancel_beyond_the_queue_is_counted_and_not_waited_for() {
        let Some(database) = database() else {
            return;
        };
        let cancels = database.state.canceller().stick();
        for _ in 0..=WAITING {
            cancel(&database).send();
        }
        assert_eq!(database.book.not_cancelled.get(), 1);
        assert_eq!(cancels.try_iter().count(), WAITING);
    }

    #[test]
    fn a_cancel_that_is_under_way_is_not_sent_again() {
        let Some(database) = database() else {
            return;
        };
        let cancels = database.state.canceller().stick();
        let cancel = cancel(&database);
        cancel.send();
        cancel.send_again();
        assert_eq!(cancels.try_iter().count(), 1);
    }

    #[test]
    fn a_begin_with_a_statement_behind_it_is_not_cancelled() {
        let Some(database) = database() else {
            return;
        };
        let cancels = database.state.canceller().stick();
        let cancel = cancel(&database);
        cancel.hold();
        cancel.send();
        cancel.send_again();
        assert_eq!(cancels.try_iter().count(), 0);
        cancel.release();
        cancel.send_again();
        assert_eq!(cancels.try_iter().count(), 1);
    }

    #[test]
    fn a_thread_that_has_panicked_is_replaced() {
        let Some(database) = database() else {
            return;
        };
        drop(database.state.canceller().stick());
        cancel(&database).send();
        // The new thread has tried: no server listens there.
        let until = Instant::now() + Duration::from_secs(10);
        while database.book.not_cancelled.get() == 0 {
            assert!(Instant::now() < until, "no thread has sent the cancel");
            std::thread::yield_now();
        }
    }
}
