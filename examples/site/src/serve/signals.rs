//! SIGUSR1 and SIGUSR2, handled by a plain thread, which works even while every worker, or every
//! thread of the runtime, is stuck.

use std::thread;

use euryale_server::supervise::Children;
use rustix::process::{Pid, Signal, kill_process};
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
        Signals::new([SIGUSR1, SIGUSR2])
            .map(Self)
            .map_err(|error| StartError::of_system("handle signals", &error))
    }

    /// Handles them until the process ends. SIGUSR1 reports which jobs hold workers and which wait;
    /// SIGUSR2 opens the files of the log again.
    pub(crate) fn handle(self, logs: Logs, opened: Opened) -> Result<(), StartError> {
        self.handle_by(move |signal| match signal {
            SIGUSR1 => opened.report(),
            _ => logs.reopen(),
        })
    }

    /// Passes them on to `children` until the process ends, and opens the files of the parent's own
    /// log again.
    pub(crate) fn pass_on(self, logs: Logs, children: Children) -> Result<(), StartError> {
        self.handle_by(move |signal| {
            let passed = if signal == SIGUSR1 {
                Signal::USR1
            } else {
                logs.reopen();
                Signal::USR2
            };
            for child in children.list() {
                if let Some(pid) = Pid::from_raw(child.pid.cast_signed()) {
                    let _ = kill_process(pid, passed);
                }
            }
        })
    }

    fn handle_by(self, act: impl Fn(i32) + Send + 'static) -> Result<(), StartError> {
        let Self(mut signals) = self;
        let handle = move || {
            for signal in signals.forever() {
                act(signal);
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned());
        thread
            .spawn(handle)
            .map(drop)
            .map_err(|error| StartError::of_system("start threads", &error))
    }
}
