//! The points of an upload at which its process is killed.

use std::io::{self, Write};
use std::sync::LazyLock;

use euryale_test::Gate;
use http::HeaderMap;

/// The header that names the point at which a request is held.
pub(super) const HEADER: &str = "hold";

/// In the order in which an upload reaches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// One file of the form is in a spool file, the others have not arrived.
    Spooling,
    /// The transaction has begun.
    Begun,
    /// The site has answered; no gate, hook or participant has been called.
    Published,
    /// A before-commit hook.
    Hook,
    /// The votes begin. Nothing is held: votes, commit and answer continue while the kill is on its
    /// way.
    Committing,
    /// All participants are still to vote.
    FirstVote,
    /// The first file has its name, the others have none.
    BetweenVotes,
    /// All files have their names, and the database is still to commit.
    LastVote,
    /// SQLite asks whether it may commit, and has written nothing.
    Asked,
    /// SQLite has committed, and its `COMMIT` has not returned.
    Written,
    /// The database has committed, and no participant was notified.
    FirstFinish,
    /// One of the files that were replaced is gone, the other one is not.
    BetweenFinishes,
    /// All participants were notified.
    LastFinish,
    /// An after-commit hook.
    After,
    /// The response exists, and no byte of it has been written.
    Answering,
}

impl Point {
    const ALL: [Self; 15] = [
        Self::Spooling,
        Self::Begun,
        Self::Published,
        Self::Hook,
        Self::Committing,
        Self::FirstVote,
        Self::BetweenVotes,
        Self::LastVote,
        Self::Asked,
        Self::Written,
        Self::FirstFinish,
        Self::BetweenFinishes,
        Self::LastFinish,
        Self::After,
        Self::Answering,
    ];

    /// The point at which a request with `headers` is held.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let name = headers.get(HEADER)?;
        Self::ALL
            .into_iter()
            .find(|point| name == point.name().as_str())
    }

    pub(super) fn name(self) -> String {
        format!("{self:?}")
    }

    /// Reports that it is reached.
    pub(super) fn announce(self) {
        say(&self.name());
    }

    /// Reports that it is reached, and holds this thread there.
    pub(super) fn hold(self) {
        self.announce();
        GO_ON.wait();
    }
}

/// Open once the held requests may continue.
pub(super) static GO_ON: LazyLock<Gate> = LazyLock::new(Gate::new);

/// The prefix of a line for the parent process. The test harness writes there, too.
pub(super) const TOLD: &str = "told: ";

/// A line for the process that started this one.
pub(super) fn say(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{TOLD}{line}")
        .and_then(|()| out.flush())
        .unwrap();
}
