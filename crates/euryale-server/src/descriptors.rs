//! The process's limit of descriptors, and how it is shared.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::sync::{Mutex, PoisonError};

use euryale_core::body::Reserve;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit of descriptors of this process. It is raised to the maximum that the system allows,
/// with some kept for operators.
///
/// ```
/// use euryale_server::{DescriptorLimit, DescriptorShares};
///
/// # fn main() -> std::io::Result<()> {
/// let limit = DescriptorLimit::raise()?; // first of all, in `main`
/// let wanted = DescriptorShares::new(20_000).connections(4);
/// let shares = limit.fit(wanted);
/// if shares != wanted {
///     eprintln!("{}", limit.shortage(wanted, shares));
/// }
/// // let admin_listener = Listener::from(tcp).reserve(limit.reserve());
/// // Server::new().max_sockets(shares.sockets).admin(admin_listener, admin)
/// # Ok(())
/// # }
/// ```
///
/// # How does an operator always get a descriptor?
///
/// A process may use numbers below its soft limit (getrlimit(2), `RLIMIT_NOFILE`), and may move
/// that limit up to the hard one. [`raise`](Self::raise) sets the soft limit to the hard one less a
/// *reserve*: a sixteenth of it, from 8 to 64 numbers. A listener that has the
/// [reserve](Self::reserve) accepts like any other. Only if that fails with `EMFILE`, it raises the
/// soft limit one by one until the accept succeeds, and then lowers it again.
///
/// * Two listeners cannot undo each other's steps: they move the limit under one lock, with an
///   accept that does not block.
/// * Something else may open a file in those microseconds, and get the number instead. It can get
///   one number at each step, because all numbers below the limit of that step are in use; the
///   accept then takes the next. Such a number is one of the reserve until it is closed. Operators
///   use only [half](Reserve::places) of the reserve, 4 to 32 sockets at a time, so that even the
///   same number of other files does not keep an operator out.
/// * Peers cannot cause this: sockets, files of requests and connections are limited
///   ([`fit`](Self::fit)) so that all of them stay below the soft limit. Only the program's own
///   code can open files without counting them.
///
/// The alternative would be to hold spare descriptors open and close one for each operator. It has
/// the same window between that close and the accept, and no limit: the next code that opens a file
/// takes the spare descriptor.
#[derive(Clone, Debug)]
pub struct DescriptorLimit {
    usable: usize,
    reserved: usize,
    /// The number of descriptors that were open when the limit was raised.
    open: usize,
}

/// The soft limit belongs to the process, and so does the lock for it.
static MOVING: Mutex<()> = Mutex::new(());

/// The limit that is requested if the hard limit is infinite.
const INFINITE: u64 = 1 << 20;

/// The descriptors of the program itself: its runtime, listeners and logs, and, for moments,
/// folders and temporary files.
const OWN: usize = 32;

/// The descriptors of one database connection. SQLite opens the database, its write-ahead log and
/// the log's index; a connection to a server is one socket.
const PER_CONNECTION: usize = 3;

impl DescriptorLimit {
    /// Raises the soft limit of open files (`RLIMIT_NOFILE`) to the hard one, less the reserve for
    /// operators. This applies to the whole process. Call it once, before the program opens the
    /// files that it serves. Programs that it starts later inherit the limit.
    ///
    /// # Errors
    /// The system's error from setrlimit(2).
    pub fn raise() -> io::Result<Self> {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let hard = maximum.unwrap_or_else(|| current.unwrap_or(INFINITE).max(INFINITE));
        let hard = usize::try_from(hard).unwrap_or(usize::MAX);
        let reserved = reserve_of(hard);
        set_soft(hard - reserved)?;
        Ok(Self {
            usable: hard - reserved,
            reserved,
            open: open_now(),
        })
    }

    /// Returns the number of descriptors for everything except operators.
    #[must_use]
    pub fn usable(&self) -> usize {
        self.usable
    }

    /// Returns the descriptors of operators, for [`Listener::reserve`](crate::Listener::reserve).
    #[must_use]
    pub fn reserve(&self) -> Reserve {
        let low = self.usable;
        let high = self.usable + self.reserved;
        Reserve::new(self.reserved / 2, move |open| lend(low, high, open))
    }

    /// Returns the largest shares up to `wanted` that fit below the limit together, leaving some
    /// for the program itself: 32 descriptors, or an eighth of the limit if that is less.
    ///
    /// If not everything fits, connections get up to a half, and sockets and files up to a half
    /// each of the rest; the other one gets what one of them does not need. Each gets at least one.
    #[must_use]
    pub fn fit(&self, wanted: DescriptorShares) -> DescriptorShares {
        let own = OWN.min(self.usable / 8);
        let all = self.usable.saturating_sub(self.open + own);
        let connections = wanted.connections.min(all / 2 / PER_CONNECTION);
        let rest = all - connections * PER_CONNECTION;
        let sockets = (rest / 2).max(rest.saturating_sub(wanted.files));
        let sockets = wanted.sockets.min(sockets);
        let files = wanted.files.min(rest - sockets);
        DescriptorShares {
            sockets: sockets.max(wanted.sockets.min(1)),
            files: files.max(wanted.files.min(1)),
            connections: connections.max(wanted.connections.min(1)),
        }
    }

    /// Returns one line for people: that `wanted` does not fit, what is used instead, and what to
    /// do.
    #[must_use]
    pub fn shortage(&self, wanted: DescriptorShares, fitted: DescriptorShares) -> String {
        format!(
            "{wanted} need more descriptors than this process may have ({}): limited to {fitted}; \
             raise the hard limit of open files (ulimit -n, LimitNOFILE=, --ulimit nofile=), or \
             lower these numbers",
            self.usable + self.reserved
        )
    }
}

/// The shares of sockets, files and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescriptorShares {
    /// The number of sockets, for [`Server::max_sockets`](crate::Server::max_sockets).
    pub sockets: usize,
    /// The number of files that requests have open, for
    /// [`Descriptors`](euryale_core::body::Descriptors).
    pub files: usize,
    /// The number of database connections, of three descriptors each.
    pub connections: usize,
}

impl DescriptorShares {
    /// Creates shares for this many sockets, without files and connections.
    #[must_use]
    pub fn new(sockets: usize) -> Self {
        Self {
            sockets,
            files: 0,
            connections: 0,
        }
    }

    /// Adds files that requests have open. Default: none.
    #[must_use]
    pub fn files(self, files: usize) -> Self {
        Self { files, ..self }
    }

    /// Adds connections to a database. Default: none.
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self {
            connections,
            ..self
        }
    }
}

impl std::fmt::Display for DescriptorShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} sockets, {} open files and {} connections",
            self.sockets, self.files, self.connections
        )
    }
}

fn reserve_of(hard: usize) -> usize {
    (hard / 16).clamp(8, 64).min(hard / 2)
}

fn set_soft(soft: usize) -> io::Result<()> {
    let limit = Rlimit {
        current: Some(soft as u64),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// Calls `open` until it gets a descriptor, each time with the limit raised by one.
fn lend(low: usize, high: usize, open: &mut dyn FnMut() -> bool) {
    let _moving = MOVING.lock().unwrap_or_else(PoisonError::into_inner);
    let _lowered = Lowered(low);
    for soft in low + 1..=high {
        if let Err(error) = set_soft(soft) {
            tracing::warn!(%error, "the limit of open files cannot be moved for an operator");
            break;
        }
        if !open() {
            break;
        }
    }
}

/// Moves the soft limit back when it is dropped.
struct Lowered(usize);

impl Drop for Lowered {
    fn drop(&mut self) {
        if let Err(error) = set_soft(self.0) {
            tracing::warn!(%error, "the limit of open files cannot be moved back");
        }
    }
}

/// Returns the number of open descriptors.
fn open_now() -> usize {
    fs::read_dir("/dev/fd").map_or(0, Iterator::count)
}
