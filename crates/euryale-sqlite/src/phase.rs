//! Decides when a connection may commit.

use std::sync::{Arc, Mutex, PoisonError};

/// The state of a connection's transaction.
///
/// ```text
///        begin             commit                ok
/// Free ────────▶ Begun ────────▶ Committing ────────▶ Free
///                  │  ◀──────────────┤ refused, still open
///                  │                 │
///                  └────▶ Ended ◀────┘ refused and rolled back
///     the publisher's own COMMIT
///
/// any ── abort ──▶ Free
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// There is no publisher's transaction: a job without one may commit itself.
    Free,
    /// A transaction is open. The publisher may use it, but not end it.
    Begun,
    /// This crate's own `COMMIT` is running.
    Committing,
    /// The transaction has ended too early, and only `abort` leaves this state. Until then nothing
    /// may be committed, because it would be the second half of a publication without the first.
    Ended,
}

/// The phase of a connection, shared with the hook that SQLite calls.
#[derive(Clone, Debug)]
pub(crate) struct PhaseCell {
    phase: Arc<Mutex<Phase>>,
}

impl PhaseCell {
    /// Creates a cell in [`Phase::Free`], and installs the commit hook on `raw` that obeys it.
    ///
    /// A rollback hook would report more. But if a connection is closed with an open transaction,
    /// rusqlite 0.41 frees the hook before SQLite calls it a last time. A commit hook is not called
    /// in that case.
    pub(crate) fn attach(raw: &mut rusqlite::Connection) -> rusqlite::Result<Self> {
        let cell = Self {
            phase: Arc::new(Mutex::new(Phase::Free)),
        };
        let hook = cell.clone();
        raw.commit_hook(Some(move || hook.refuses_commit()))?;
        Ok(cell)
    }

    pub(crate) fn get(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// Returns whether a commit has to be refused. SQLite calls this before each commit that has
    /// something to write, and rolls back if it is true
    /// (<https://www.sqlite.org/c3ref/commit_hook.html>).
    fn refuses_commit(&self) -> bool {
        match self.get() {
            Phase::Free | Phase::Committing => false,
            Phase::Begun | Phase::Ended => {
                self.set(Phase::Ended);
                // The publisher only gets SQLite's "constraint failed".
                tracing::error!(
                    "COMMIT in a publication, or a write after its transaction had ended: rolled \
                        back"
                );
                true
            }
        }
    }
}
