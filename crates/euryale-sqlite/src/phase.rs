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
    /// No transaction of ours: a job without one commits as it likes.
    Free,
    /// The transaction is the publisher's to fill, not to end.
    Begun,
    /// Our own `COMMIT` runs.
    Committing,
    /// The transaction is gone, and only `abort` leads on. Until then nothing may be committed: it
    /// would be the second half of a publication without its first.
    Ended,
}

/// A connection's phase, shared with the hook that SQLite calls.
#[derive(Clone, Debug)]
pub(crate) struct PhaseCell {
    phase: Arc<Mutex<Phase>>,
}

impl PhaseCell {
    /// A cell in [`Phase::Free`], heeded by `raw` from now on.
    ///
    /// A rollback hook would tell more, but rusqlite 0.41 frees it before SQLite calls it a last
    /// time: when a connection is closed with its transaction open. A commit hook is not called
    /// then.
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

    /// SQLite asks before each commit that has something to write, and rolls back instead if this
    /// is true (<https://www.sqlite.org/c3ref/commit_hook.html>).
    fn refuses_commit(&self) -> bool {
        match self.get() {
            Phase::Free | Phase::Committing => false,
            Phase::Begun | Phase::Ended => {
                self.set(Phase::Ended);
                // To the publisher SQLite only says "constraint failed".
                tracing::error!(
                    "COMMIT in a publication, or a write after its transaction had ended: rolled \
                        back"
                );
                true
            }
        }
    }
}
