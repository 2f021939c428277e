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
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sqlstate::MARKS;

/// Creates the table of marks. It has no index but that of its keys, which begin with a time.
pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS euryale_commit (\
    id uuid PRIMARY KEY, \
    settled boolean NOT NULL DEFAULT false, \
    at timestamptz NOT NULL DEFAULT clock_timestamp())";

/// Removes marks of old commits, which will not be settled any more. Every process runs it, and
/// skips the rows that another one is removing.
///
/// The time in a key is that of the process that commits, so it only finds rows quickly. Their own
/// time, which is the server's, decides: a process whose clock is an hour slow keeps its marks.
///
/// The next request on the connection waits for it, so it has a time-out. Both statements are one
/// message and therefore one transaction: unlike after an explicit `BEGIN`, an error leaves the
/// session outside a transaction.
pub(crate) const PRUNE: &str = "SET LOCAL statement_timeout = '1s'; \
    DELETE FROM euryale_commit WHERE id IN (\
    SELECT id FROM euryale_commit \
    WHERE id < (lpad(to_hex((extract(epoch FROM now() - interval '1 hour') * 1000)::bigint), \
    12, '0') || repeat('0', 20))::uuid \
    AND at < now() - interval '1 hour' \
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

/// The key of one commit: 48 bits of its time in milliseconds since 1970, then 48 bits of the
/// process, then 32 bits of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u128);

impl Mark {
    /// Creates a key that no other commit has, in this process or another one.
    pub(crate) fn next() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock before 1970 only makes rows slower to find.
        Self::of(now.map_or(0, |now| now.as_millis()))
    }

    /// Creates a key with this time, in milliseconds since 1970.
    pub(crate) fn of(millis: u128) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        static PROCESS: OnceLock<u64> = OnceLock::new();
        // Seeded from the system's source of random numbers.
        let process = *PROCESS.get_or_init(|| RandomState::new().build_hasher().finish() >> 16);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(millis << 80 | u128::from(process) << 32 | u128::from(count))
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
        let Self(key) = self;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            key >> 96,
            (key >> 80) & 0xffff,
            (key >> 64) & 0xffff,
            (key >> 48) & 0xffff,
            key & 0xffff_ffff_ffff,
        )
    }
}
