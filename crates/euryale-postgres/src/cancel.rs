//! Cancels a statement, on a separate connection.
//!
//! A cancel names a session and not a statement, so a late one would end another statement. That is
//! why the pool drops a connection for which a cancel was sent.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::CancelToken;

use crate::Postgres;
use crate::book::PostgresBook;
use crate::settings::{Host, Settings};
use crate::socket::{Address, Socket};
use crate::tls::Tls;
use crate::wire::block_on;

/// How long a cancel may take. The worker gives up its connection after the same time.
const WITHIN: Duration = Duration::from_secs(2);

/// The maximum number of cancels that wait for the thread. One behind 64 others would be too late.
const WAITING: usize = 64;

/// The data that is needed to cancel statements of one connection.
#[derive(Clone)]
pub(crate) struct Cancel {
    token: CancelToken,
    address: Address,
    host: Host,
    tls: Tls,
    settings: Arc<Settings>,
    book: Arc<PostgresBook>,
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
        }
    }

    fn carry_out(&self) -> bool {
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
    sender: Arc<Mutex<Option<SyncSender<Cancel>>>>,
}

impl Canceller {
    pub(crate) fn send(&self, cancel: Cancel) {
        let book = Arc::clone(&cancel.book);
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match &*sender {
            Some(sender) => sender.try_send(cancel).is_ok(),
            None => match start() {
                Some(started) => sender.insert(started).try_send(cancel).is_ok(),
                None => false,
            },
        };
        drop(sender);
        if !sent {
            not_cancelled(&book);
        }
    }
}

fn start() -> Option<SyncSender<Cancel>> {
    let (sender, cancels) = sync_channel::<Cancel>(WAITING);
    let thread = std::thread::Builder::new()
        .name("postgres-cancel".into())
        .spawn(move || {
            for cancel in cancels {
                if cancel.carry_out() {
                    cancel.book.cancelled.add(1);
                } else {
                    not_cancelled(&cancel.book);
                }
            }
        });
    thread.map(|_| sender).ok()
}

fn not_cancelled(book: &PostgresBook) {
    book.not_cancelled.add(1);
    tracing::warn!(
        "a statement could not be cancelled; its connection is dropped, and the server may go on \
            with it until its statement_timeout"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_beyond_the_queue_is_counted_and_not_waited_for() {
        let Some(server) = euryale_test::engines::Postgres::shared() else {
            return;
        };
        let database = Postgres::open(&server.url("postgres")).unwrap();
        let connection = database.open_connection().unwrap();
        let host = database.settings.hosts[0].clone();
        let address = Address::Unix("/nowhere".into());
        let token = connection.client().cancel_token();
        let cancel = Cancel::new(token, address, host, &database);
        // As if the thread were stuck in the first cancel.
        let canceller = Canceller::default();
        let (sender, cancels) = sync_channel(WAITING);
        *canceller.sender.lock().unwrap() = Some(sender);
        for _ in 0..=WAITING {
            canceller.send(cancel.clone());
        }
        assert_eq!(database.book.not_cancelled.get(), 1);
        assert_eq!(cancels.try_iter().count(), WAITING);
    }
}
