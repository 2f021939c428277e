//! The Python stacks of running calls, for a dump.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::at_work::AtWork;
use crate::main_thread::{MainThread, Order};

/// The time for the interpreter to return the stacks. An idle one needs less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(20);

/// Asks the main thread for stacks. Clones are handles to the same questions.
#[derive(Clone)]
pub(crate) struct Stacks {
    main: MainThread,
    at_work: AtWork,
    /// Where the answer to the latest question goes.
    asked: Arc<Mutex<Option<Sender<String>>>>,
}

impl Stacks {
    pub(crate) fn new(main: &MainThread, at_work: &AtWork) -> Self {
        Self {
            main: main.clone(),
            at_work: at_work.clone(),
            asked: Arc::default(),
        }
    }

    /// Returns the stacks of all running calls. If the interpreter does not return them in time, it
    /// returns the threads of these calls as the kernel shows them.
    pub(crate) fn ask(&self) -> String {
        let (sender, answered) = crossbeam_channel::bounded(1);
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        if self.main.order(Order::Dump, 1).is_ok()
            && let Ok(text) = answered.recv_timeout(PATIENCE)
        {
            return text;
        }
        let mut text = format!(
            "python: no stacks within {PATIENCE:?}: the application is being imported, something \
             holds the GIL, or a signal handler keeps the main thread\n"
        );
        for call in self.at_work.list() {
            let native = call.native().unwrap_or_else(|| "a thread".to_owned());
            // Writing to a string does not fail.
            let _ = writeln!(text, "{call}, in {native}");
        }
        text
    }

    /// Answers the latest question, unless that was done before.
    pub(crate) fn answer(&self, text: String) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = asked.take() {
            // Nobody waits for a late answer.
            let _ = asked.send(text);
        }
    }
}
