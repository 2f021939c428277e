//! The phases of a job in its worker.

use std::fmt;

/// The current phase of a job in its worker, for people who investigate slow jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Phase {
    /// The job runs application code, usually the publisher.
    #[default]
    Publishing,
    /// The job opens a connection.
    Connecting,
    /// The job begins a transaction, and may wait for the lock of another one.
    Beginning,
    /// The job calls the gates, hooks and participants that may prevent the commit.
    Preparing,
    /// The database commits.
    Committing,
    /// The job rolls back, and calls participants and hooks.
    Aborting,
    /// The job has committed, and calls participants and hooks.
    Finishing,
}

impl Phase {
    /// All phases, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Publishing,
        Self::Connecting,
        Self::Beginning,
        Self::Preparing,
        Self::Committing,
        Self::Aborting,
        Self::Finishing,
    ];

    /// Returns the name, in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Publishing => "publishing",
            Self::Connecting => "connecting",
            Self::Beginning => "beginning",
            Self::Preparing => "preparing",
            Self::Committing => "committing",
            Self::Aborting => "aborting",
            Self::Finishing => "finishing",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
