//! Checks whether the server has room for the connections of all processes.

use std::fmt;

use crate::Postgres;
use crate::open_error::OpenError;

/// The number of connections that the program needs, and the number that the server allows. Its
/// text is one line for the log of a starting program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capacity {
    /// The connections of one process: the caps of its pools, and those that it opens in addition.
    pub each: u64,
    /// The number of processes.
    pub processes: u64,
    /// The server's `max_connections`, without those that it reserves for superusers and, since
    /// PostgreSQL 16, for other roles.
    pub available: u64,
}

impl Capacity {
    /// Returns the number of connections of all processes together.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.each.saturating_mul(self.processes)
    }

    /// Returns whether the server allows this number.
    #[must_use]
    pub fn suffices(&self) -> bool {
        self.wanted() <= self.available
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "database connections: {} × {} of at most {}",
            self.processes, self.each, self.available
        )?;
        if !self.suffices() {
            f.write_str("; raise max_connections, or lower the caps or the number of processes")?;
        }
        Ok(())
    }
}

impl Postgres {
    /// Compares the server's limit with the connections of `processes` processes, each of which
    /// opens at most `each`. Blocks; call it when the program starts.
    ///
    /// # Errors
    /// The server cannot be queried.
    pub fn capacity(&self, each: usize, processes: usize) -> Result<Capacity, OpenError> {
        let mut connection = self.open_connection()?;
        let sql = "SELECT current_setting('max_connections')::int8 \
            - current_setting('superuser_reserved_connections')::int8 \
            - coalesce(current_setting('reserved_connections', true)::int8, 0)";
        let asked = connection.ask::<i64>(sql);
        let available = asked.map_err(|error| self.refused(error))?;
        Ok(Capacity {
            each: each as u64,
            processes: processes as u64,
            available: u64::try_from(available).unwrap_or(0),
        })
    }
}
