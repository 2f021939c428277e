//! The phases of a job in its worker.

use std::fmt;

/// What a job is doing in its worker, for people who look into slow jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Phase {
    /// It runs code of the application: the publisher, mostly.
    #[default]
    Publishing,
    /// It opens a connection.
    Connecting,
    /// It begins a transaction, and may wait for the lock of another one.
    Beginning,
    /// It asks gates, hooks and participants whether it may commit.
    Preparing,
    /// The database commits.
    Committing,
    /// It rolls back, and calls participants and hooks.
    Aborting,
    /// It has committed, and calls participants and hooks.
    Finishing,
}

impl Phase {
    /// All of them, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Publishing,
        Self::Connecting,
        Self::Beginning,
        Self::Preparing,
        Self::Committing,
        Self::Aborting,
        Self::Finishing,
    ];

    /// In one word.
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
