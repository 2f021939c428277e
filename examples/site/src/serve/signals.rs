//! SIGUSR1 and SIGUSR2, handled by a plain thread, which works even while every worker, or every
//! thread of the runtime, is stuck.

use std::thread;

use signal_hook::consts::{SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::cli::error::StartError;
use crate::serve::health::Opened;
use crate::serve::log::Logs;

/// The two signals. From [`catch`](Self::catch) on neither ends the process; those that arrive
/// before [`handle`](Self::handle) wait for it.
#[derive(Debug)]
pub(crate) struct UserSignals(Signals);

impl UserSignals {
    /// Called first in the program.
    pub(crate) fn catch() -> Result<Self, StartError> {
        Signals::new([SIGUSR1, SIGUSR2]).map(Self).map_err(|error| {
            StartError::new(
                format!("cannot handle signals: {error}"),
                "this process",
                "see the system's limits",
            )
        })
    }

    /// Handles them until the process ends. SIGUSR1 reports which jobs hold workers and which wait;
    /// SIGUSR2 opens the files of the log again.
    pub(crate) fn handle(self, logs: Logs, opened: Opened) -> Result<(), StartError> {
        let Self(mut signals) = self;
        let handle = move || {
            for signal in signals.forever() {
                match signal {
                    SIGUSR1 => opened.report(),
                    _ => logs.reopen(),
                }
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(handle).map(drop).map_err(|error| {
            StartError::new(
                format!("cannot start threads: {error}"),
                "this process",
                "see the system's limits",
            )
        })
    }
}
