//! Marks of commits, which settle commits whose answers were lost.
//!
//! The message that commits also inserts a row with a unique key. After a lost answer, another
//! connection inserts the same key. If the key exists, the transaction was committed. If not, it
//! exists from now on, and a commit that is still on its way finds it and fails. So the transaction
//! was not committed, and never will be.
//!
//! `pg_xact_status()` is not reliable enough: after a crash the server gives the numbers of lost
//! transactions to others, and then reports the lost ones as committed.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sqlstate::MARKS;

/// Creates the table of marks, with the index by which old ones are found. (A BRIN index would be
/// smaller, but its ranges are never narrowed: once new marks have replaced old ones, it would
/// select the whole table.)
pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS euryale_commit (\
    id uuid PRIMARY KEY, \
    settled boolean NOT NULL DEFAULT false, \
    at timestamptz NOT NULL DEFAULT clock_timestamp()); \
    CREATE INDEX IF NOT EXISTS euryale_commit_at ON euryale_commit (at)";

/// Removes marks of old commits, which will not be settled any more. Every process runs it, and
/// skips the rows that another one is removing.
///
/// The next request on the connection waits for it, so it has a time-out. Both statements are one
/// message and therefore one transaction: unlike after an explicit `BEGIN`, an error leaves the
/// session outside a transaction.
pub(crate) const PRUNE: &str = "SET LOCAL statement_timeout = '1s'; \
    DELETE FROM euryale_commit WHERE id IN (\
    SELECT id FROM euryale_commit WHERE at < now() - interval '1 hour' \
    LIMIT 20000 FOR UPDATE SKIP LOCKED)";

/// Prepares the statement that sets a mark, which is otherwise planned at each commit. It has a
/// name in SQL, because `EXECUTE` can be in the same message as `COMMIT`: if a mark arrived without
/// its commit, settling would have to wait for the end of the session.
pub(crate) fn prepare() -> String {
    format!("PREPARE euryale_mark (uuid) AS {}", insert("$1"))
}

/// The statement that sets a mark. A transaction that has written nothing has no number and leaves
/// no mark.
fn insert(key: impl fmt::Display) -> String {
    let has_written = "pg_current_xact_id_if_assigned() IS NOT NULL";
    format!("INSERT INTO {MARKS} (id) SELECT {key} WHERE {has_written}")
}

/// The key of one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64, u64);

impl Mark {
    /// Creates a key that no other commit has, in this process or another one.
    pub(crate) fn next() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        static PROCESS: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
        // Seeded from the system's source of random numbers.
        let process = PROCESS.get_or_init(|| RandomState::new().build_hasher().finish());
        Self(*process, COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// The statements that commit with this mark. `is_prepared` says whether the session has run
    /// [`prepare`].
    pub(crate) fn commit(self, is_prepared: bool) -> String {
        let set = if is_prepared {
            format!("EXECUTE euryale_mark('{self}')")
        } else {
            insert(format_args!("'{self}'"))
        };
        format!("{set}; COMMIT")
    }

    /// The statement that sets the mark if it is not set, and returns whether this statement has
    /// set it, now or in an earlier try.
    pub(crate) fn settle(self) -> String {
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; \
             SET LOCAL lock_timeout = '2s'; \
             INSERT INTO {MARKS} (id, settled) VALUES ('{self}', true) ON CONFLICT DO NOTHING; \
             SELECT settled::int FROM {MARKS} WHERE id = '{self}'; \
             COMMIT"
        )
    }
}

impl fmt::Display for Mark {
    /// Formats the key as a `uuid`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(high, low) = self;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff,
        )
    }
}
