//! The points of an upload at which its process is killed.

use std::io::{self, Write};
use std::sync::LazyLock;

use euryale_test::Gate;
use http::HeaderMap;

/// The header that names the point at which a request is held.
pub(super) const HEADER: &str = "hold";

/// In the order in which an upload comes to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// One file of the form is in a spool file, the others have not come.
    Spooling,
    /// The transaction has begun.
    Begun,
    /// The site has answered; nothing was asked whether it agrees.
    Published,
    /// A before-commit hook.
    Hook,
    /// The votes begin. Nothing is held: votes, commit and answer go on while the kill is on its
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
    /// The database has committed, and no participant knows.
    FirstFinish,
    /// One of the files that were replaced is gone, the other one is not.
    BetweenFinishes,
    /// All participants know.
    LastFinish,
    /// An after-commit hook.
    After,
    /// The response is there, and nothing of it is written.
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

    /// Where a request with `headers` is held.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let name = headers.get(HEADER)?;
        Self::ALL
            .into_iter()
            .find(|point| name == point.name().as_str())
    }

    pub(super) fn name(self) -> String {
        format!("{self:?}")
    }

    /// Says that it is reached.
    pub(super) fn announce(self) {
        say(&self.name());
    }

    /// Says that it is reached, and holds this thread there.
    pub(super) fn hold(self) {
        self.announce();
        GO_ON.wait();
    }
}

/// Open once the requests that are held may go on.
pub(super) static GO_ON: LazyLock<Gate> = LazyLock::new(Gate::new);

/// The prefix of a line for the parent process. The test harness writes there, too.
pub(super) const TOLD: &str = "told: ";

/// A line for whoever started this process.
pub(super) fn say(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{TOLD}{line}")
        .and_then(|()| out.flush())
        .unwrap();
}
