//! What an operator may do with a whole program.

use std::fmt;
use std::sync::Arc;

use euryale_core::BoxError;
use euryale_server::Shutdown;

use crate::admin::Admin;
use crate::commands::Commands;

type ChangeLog = dyn Fn(&str) -> Result<(), BoxError> + Send + Sync;

/// The parts of a program that commands change: its drain, the filter of its log, and its settings.
/// Give them to [`Admin::controls`].
///
/// The functions are called on the console's thread, so they must not wait for the runtime, a
/// worker or a client.
#[derive(Clone)]
pub struct Controls {
    shutdown: Shutdown,
    log: Option<Arc<ChangeLog>>,
    reload: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Controls {
    /// Creates the controls of a program that drains when `shutdown` does.
    #[must_use]
    pub fn new(shutdown: &Shutdown) -> Self {
        Self {
            shutdown: shutdown.clone(),
            log: None,
            reload: None,
        }
    }

    /// Adds the command `log FILTER`. `change` parses the filter and applies it.
    #[must_use]
    pub fn log(
        mut self,
        change: impl Fn(&str) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.log = Some(Arc::new(change));
        self
    }

    /// Adds the command `reload`. `reload` only asks for it: the result is for the log.
    #[must_use]
    pub fn reload(mut self, reload: impl Fn() + Send + Sync + 'static) -> Self {
        self.reload = Some(Arc::new(reload));
        self
    }

    /// Asks for a reload, if the program has one.
    #[cfg(feature = "supervise")]
    pub(crate) fn ask_for_reload(&self) {
        if let Some(reload) = &self.reload {
            reload();
        }
    }

    /// Returns the commands of a process that serves.
    pub(crate) fn commands(&self) -> Commands {
        let reload = self.reload.clone();
        let commands = self.common(|_, filter| Ok(filter)).verb(
            "roll",
            "replace all processes one by one",
            |_| Err("this is the only process: start the program with --processes".into()),
        );
        let Some(reload) = reload else {
            return commands;
        };
        let about = "read settings and certificates again";
        commands.verb("reload", about, move |_| {
            reload();
            Ok("reloading: the log has the result".to_owned())
        })
    }

    /// Returns `drain` and `log`. `and` gets the words of `log` and the answer of this process, and
    /// returns the whole answer.
    pub(crate) fn common(
        &self,
        and: impl Fn(&[&str], String) -> Result<String, BoxError> + Send + Sync + 'static,
    ) -> Commands {
        let shutdown = self.shutdown.clone();
        let about = "finish requests and end, like SIGTERM";
        let commands = Commands::new().verb("drain", about, move |_| {
            shutdown.drain();
            Ok("draining: requests are finished".to_owned())
        });
        let Some(change) = self.log.clone() else {
            return commands;
        };
        let about = "set the filter of the log, until settings are read again";
        commands.verb("log FILTER...", about, move |words| {
            let filter = words.join(" ");
            change(&filter).map_err(|error| {
                format!(
                    "cannot read the filter {filter}: {error}: write levels by part, for example \
                     info or warn,euryale_server=debug"
                )
            })?;
            and(words, format!("the filter of the log is {filter}"))
        })
    }
}

impl Admin {
    /// Adds the commands `drain`, `log`, `reload` and `roll` to the [`console`](Self::console). The
    /// last one is an error, because only the parent of several processes can replace them.
    #[must_use]
    pub fn controls(mut self, controls: &Controls) -> Self {
        self.commands = self.commands.with(controls.commands());
        self
    }
}

impl fmt::Debug for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controls")
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}
