//! Cancelling a statement, on a connection of its own.
//!
//! A cancel names a session and not a statement, so one that arrives late ends another statement.
//! The pool drops a connection for which a cancel was sent.

use std::sync::mpsc::{Sender, channel};
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

/// What it takes to cancel on one connection.
#[derive(Clone)]
pub(crate) struct Cancel {
    token: CancelToken,
    address: Address,
    host: Host,
    tls: Tls,
    settings: Arc<Settings>,
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
/// thread is started by the first cancel, and ends with the database and its connections.
#[derive(Clone, Debug)]
pub(crate) struct Canceller {
    sender: Arc<Mutex<Option<Sender<Cancel>>>>,
    book: Arc<PostgresBook>,
}

impl Canceller {
    pub(crate) fn new(book: Arc<PostgresBook>) -> Self {
        Self {
            sender: Arc::default(),
            book,
        }
    }

    pub(crate) fn send(&self, cancel: Cancel) {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match &*sender {
            Some(sender) => sender.send(cancel).is_ok(),
            None => match self.start() {
                Some(started) => sender.insert(started).send(cancel).is_ok(),
                None => false,
            },
        };
        drop(sender);
        if !sent {
            self.book.not_cancelled.add(1);
        }
    }

    fn start(&self) -> Option<Sender<Cancel>> {
        let (sender, cancels) = channel::<Cancel>();
        let book = Arc::clone(&self.book);
        let thread = std::thread::Builder::new()
            .name("postgres-cancel".into())
            .spawn(move || {
                for cancel in cancels {
                    if cancel.carry_out() {
                        book.cancelled.add(1);
                    } else {
                        book.not_cancelled.add(1);
                        tracing::warn!(
                            "a statement could not be cancelled; its connection is dropped, and \
                                the server may go on with it until its statement_timeout"
                        );
                    }
                }
            });
        thread.map(|_| sender).ok()
    }
}
