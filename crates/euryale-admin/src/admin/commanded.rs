//! The console beside the pages.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use euryale_core::BoxError;
use euryale_core::body::Reserve;
use euryale_core::pool::PoolControl;
use euryale_server::Polls;
use tokio::runtime::Handle;

use super::Admin;
use crate::console::{Console, dump, pool};

impl Admin {
    /// Sets the pool for the commands of the [`console`](Self::console): `find` returns it once it
    /// is open. [`Admin::new`] has set its pool already. `find` must not block.
    #[must_use]
    pub fn find_pool(
        mut self,
        find: impl Fn() -> Option<Arc<dyn PoolControl>> + Send + Sync + 'static,
    ) -> Self {
        self.find_pool = Arc::new(find);
        self
    }

    /// Adds a command to the [`console`](Self::console), or replaces one; see
    /// [`Commands::verb`](crate::Commands::verb).
    #[must_use]
    pub fn verb(
        mut self,
        usage: &'static str,
        about: &'static str,
        run: impl Fn(&[&str]) -> Result<String, BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.commands = self.commands.verb(usage, about, run);
        self
    }

    /// Adds the text that `more` returns to the end of a `dump`. It is called on a thread of its
    /// own while the runtime is looked at, and should return within 20 ms.
    #[must_use]
    pub fn dump(mut self, more: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.dumps.push(Arc::new(more));
        self
    }

    /// Adds to a `dump` the threads that have polled one request for a second or longer, with its
    /// route. Such a thread runs no other task. Give the same list to the
    /// [`Server`](euryale_server::Server), which fills it.
    #[must_use]
    pub fn polls(self, polls: &Polls) -> Self {
        let polls = polls.clone();
        self.dump(move || dump::polls(&polls.list()))
    }

    /// Accepts commands at the Unix socket `path`, from the user of the process and from root, as
    /// long as the returned value exists. Apart from those of the program
    /// ([`verb`](Self::verb)) there are:
    ///
    /// * `status`: whether the process is ready, and what its workers and its queue do.
    /// * `resize N`, `restrict LANE N`: set the number of connections, and of the workers that a
    ///   lane may have, until the program sets them again.
    /// * `dump`: the jobs that hold workers and those that wait, whether the runtime in which this
    ///   method was called runs tasks, the threads that are not waiting for work, and, with
    ///   [`polls`](Self::polls), the requests that keep threads of the runtime.
    ///
    /// Every command answers while all workers are stuck, and even while all threads of the runtime
    /// are; `dump` then takes 20 ms. With a `reserve`
    /// ([`DescriptorLimit::reserve`](euryale_server::DescriptorLimit::reserve)) the console is
    /// reachable while every other descriptor is in use.
    ///
    /// # Errors
    ///
    /// Those of [`Console::start`].
    pub fn console(
        &self,
        path: impl Into<PathBuf>,
        reserve: Option<Reserve>,
    ) -> io::Result<Console> {
        let readiness = self.status.readiness.clone();
        let asked = Arc::clone(&self.find_pool);
        let dumped = Arc::clone(&self.find_pool);
        let dumps = self.dumps.clone();
        let runtime = Handle::try_current().ok();
        let commands = pool::commands(&self.find_pool)
            .verb("status", "show readiness, workers and queue", move |_| {
                let ready = if readiness.is_ready() { "yes" } else { "no" };
                Ok(format!(
                    "ready: {ready}\n{}",
                    pool::status(asked().as_deref())
                ))
            })
            .verb(
                "dump",
                "show jobs, the runtime and busy threads",
                move |_| {
                    let pool = dumped();
                    let pool = pool.as_deref();
                    let (runtime, more) = dump::beside(&dumps, || {
                        runtime.as_ref().map(dump::runtime).unwrap_or_default()
                    });
                    let jobs = pool.map(pool::jobs).unwrap_or_default();
                    Ok([pool::status(pool), jobs, runtime, dump::threads(), more].concat())
                },
            )
            .with(self.commands.clone());
        Console::start(path, commands, reserve)
    }
}
