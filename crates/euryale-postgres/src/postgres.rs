//! The database: its servers, and the behaviour of its transactions.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use euryale_core::Ledger;

use crate::book::PostgresBook;
use crate::cancel::Canceller;
use crate::open_error::OpenError;
use crate::settings::{Environment, Settings, SettingsError};
use crate::tls::Tls;

/// The interval in which marks of old commits are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(10);

/// A PostgreSQL database behind a pool.
///
/// Settings apply to connections that are opened afterwards. Clones are the same database, whatever
/// their settings: if one of them finds that the server has changed its role, this applies to all
/// of them.
#[doc(alias = "RelStorage")]
#[derive(Clone)]
#[must_use]
pub struct Postgres {
    pub(crate) settings: Arc<Settings>,
    pub(crate) tls: Tls,
    pub(crate) options: Options,
    pub(crate) book: Arc<PostgresBook>,
    pub(crate) state: Arc<State>,
}

/// How transactions are isolated from each other
/// (<https://www.postgresql.org/docs/15/transaction-iso.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees all data that was committed before it. A publisher that reads a value,
    /// changes it and writes it back loses the changes that others made in between.
    ReadCommitted,
    /// All statements see the same state. A write to a row that another transaction has changed
    /// since is a conflict, and the request is published again, as with ZODB.
    RepeatableRead,
    /// The result is as if the transactions had run one after the other. Even a reader may meet a
    /// conflict.
    Serializable,
}

impl Isolation {
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) isolation: Isolation,
    pub(crate) reader_isolation: Isolation,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) statements: usize,
    /// Whether commits are marked, if there is a table of marks.
    pub(crate) settle: bool,
    pub(crate) has_pooler: bool,
}

/// The state that connections and clones share, whatever their settings.
#[derive(Debug)]
pub(crate) struct State {
    /// Counts the times that a server was found to have lost its role.
    epoch: AtomicU64,
    has_marks: AtomicBool,
    /// When marks were last removed, in milliseconds since `start`.
    pruned: AtomicU64,
    start: Instant,
    canceller: Canceller,
}

impl State {
    fn new() -> Self {
        Self {
            epoch: AtomicU64::new(0),
            has_marks: AtomicBool::new(false),
            pruned: AtomicU64::new(0),
            start: Instant::now(),
            canceller: Canceller::default(),
        }
    }

    pub(crate) fn canceller(&self) -> &Canceller {
        &self.canceller
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Records that a writer on a connection of this epoch found the server read-only, to which all
    /// connections of the epoch lead. Returns `true` to the first caller.
    pub(crate) fn demoted(&self, epoch: u64) -> bool {
        let next =
            self.epoch
                .compare_exchange(epoch, epoch + 1, Ordering::AcqRel, Ordering::Acquire);
        next.is_ok()
    }

    pub(crate) fn has_marks(&self) -> bool {
        self.has_marks.load(Ordering::Relaxed)
    }

    pub(crate) fn marks_exist(&self) {
        self.has_marks.store(true, Ordering::Relaxed);
    }

    /// Returns `true` to only one caller in each period.
    pub(crate) fn is_time_to_prune(&self) -> bool {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.pruned.load(Ordering::Relaxed);
        if now.saturating_sub(last) < PRUNE_EVERY.as_millis() as u64 {
            return false;
        }
        let taken = self
            .pruned
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        taken.is_ok()
    }
}

impl Postgres {
    /// Opens the database at `url`, in the forms that libpq accepts:
    /// `postgres://user@host/database?…`, or `host=… dbname=…`. Missing settings are taken from
    /// libpq's variables (`PGHOST`, `PGPASSWORD` …) and its password file.
    ///
    /// Connects once, so that a wrong password or name is reported before the program serves, and
    /// changes nothing. Blocks.
    ///
    /// # Errors
    /// A setting is wrong, no server can be reached, or it refuses the connection. The message is
    /// one line that says what to do.
    pub fn open(url: &str) -> Result<Self, OpenError> {
        let settings = Settings::read(url, &Environment::here())?;
        let tls = Tls::new(&settings)?;
        let options = Options {
            isolation: Isolation::RepeatableRead,
            reader_isolation: Isolation::RepeatableRead,
            lock_timeout: None,
            statements: 64,
            settle: true,
            has_pooler: settings.has_pooler,
        };
        let database = Self {
            settings: Arc::new(settings),
            tls,
            options,
            book: Arc::default(),
            state: Arc::new(State::new()),
        };
        if database.look_for_marks()? {
            database.state.marks_exist();
        }
        Ok(database)
    }

    fn look_for_marks(&self) -> Result<bool, OpenError> {
        let mut connection = self.open_connection()?;
        connection
            .ask("SELECT to_regclass('euryale_commit') IS NOT NULL")
            .map_err(|error| self.refused(error))
    }

    /// Sets the isolation of writers. Default: [`Isolation::RepeatableRead`].
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.options.isolation = isolation;
        self
    }

    /// Sets the isolation of transactions that only read. Default: [`Isolation::RepeatableRead`].
    /// Their end is awaited only with [`Isolation::Serializable`].
    pub fn reader_isolation(mut self, isolation: Isolation) -> Self {
        self.options.reader_isolation = isolation;
        self
    }

    /// Sets the maximum time that a writer waits for a lock before that counts as a conflict.
    /// Default: it waits until its deadline. The time is in whole milliseconds.
    pub fn lock_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.lock_timeout = timeout.into();
        self
    }

    /// Sets the number of prepared statements that a connection keeps. Default: 64. The least
    /// recently used one is replaced.
    pub fn statement_cache(mut self, statements: usize) -> Self {
        self.options.statements = statements;
        self
    }

    /// Sets whether commits are marked, so that a commit whose answer was lost can be settled.
    /// Default: yes, once [`migrate`](Self::migrate) or [`create_marks`](Self::create_marks) has
    /// created the table.
    pub fn settle(mut self, settle: bool) -> Self {
        self.options.settle = settle;
        self
    }

    /// Counts in the [`PostgresBook`] of this ledger. Pass the pool's ledger, so that `/metrics`
    /// shows the counters.
    pub fn ledger(mut self, ledger: &Ledger) -> Self {
        self.book = ledger.of();
        self
    }

    /// Returns the user, the servers and the database, without the password.
    #[must_use]
    pub fn name(&self) -> String {
        self.settings.name()
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("name", &self.name())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl From<SettingsError> for OpenError {
    fn from(error: SettingsError) -> Self {
        Self::settings(error)
    }
}
