//! Whether the interpreter runs Python code.
//!
//! The main thread gets an order now and then, and can only answer it with the GIL. An answer that
//! is overdue means that something holds the GIL, such as C code without end, or that a signal
//! handler of the application keeps the main thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::at_work::AtWork;
use crate::log;
use crate::main_thread::{MainThread, Order};

/// The longest time between two orders.
const EVERY: Duration = Duration::from_secs(1);

/// The interpreter's answers. Clones are handles to the same ones.
#[derive(Clone)]
pub(crate) struct Pulse(Arc<Shared>);

struct Shared {
    main: MainThread,
    at_work: AtWork,
    /// How long an answer may take.
    limit: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the order was given that has no answer yet.
    asked: Option<Instant>,
    /// A line was written about this one.
    is_told: bool,
}

impl Pulse {
    pub(crate) fn new(main: &MainThread, at_work: &AtWork, limit: Duration) -> Self {
        Self(Arc::new(Shared {
            main: main.clone(),
            at_work: at_work.clone(),
            limit,
            state: Mutex::default(),
        }))
    }

    /// Orders answers, and reports when one is overdue.
    pub(crate) async fn keep_asking(self) {
        let every = EVERY.min(self.0.limit / 4).max(Duration::from_millis(1));
        loop {
            self.tell();
            if self.is_to_be_asked() {
                self.0.main.tell(Order::Answer, 1);
            }
            tokio::time::sleep(every).await;
        }
    }

    /// The main thread has answered.
    pub(crate) fn answer(&self) {
        let state = self.change(std::mem::take);
        if let (true, Some(asked)) = (state.is_told, state.asked) {
            let seconds = asked.elapsed().as_secs_f64();
            tracing::warn!("the interpreter runs Python code again, after {seconds:.1} s");
        }
    }

    /// Returns whether no answer is overdue.
    pub(crate) fn is_there(&self) -> bool {
        self.silence().is_none()
    }

    /// How long the interpreter has not run Python code, if that is too long.
    pub(crate) fn silence(&self) -> Option<Duration> {
        let asked = self.change(|state| state.asked)?;
        let silence = asked.elapsed();
        (silence > self.0.limit).then_some(silence)
    }

    /// Writes a line if an answer is overdue, once.
    fn tell(&self) {
        let is_told = |state: &mut State| std::mem::replace(&mut state.is_told, true);
        if self.is_there() || self.change(is_told) {
            return;
        }
        let seconds = self.0.limit.as_secs_f64();
        let mut text = format!(
            "the interpreter has run no Python code for {seconds:.1} s: something holds the GIL, \
             or a signal handler keeps the main thread"
        );
        // Their Python stacks cannot be read without the GIL.
        for call in self.0.at_work.list() {
            let native = call.native().unwrap_or_else(|| "a thread".to_owned());
            text += &format!("\neuryale: {call}, in {native}");
        }
        log::say_at_once(&text);
    }

    /// Returns whether to order an answer: one at a time, so that the orders do not pile up.
    fn is_to_be_asked(&self) -> bool {
        self.change(|state| {
            let is_new = state.asked.is_none();
            state.asked.get_or_insert_with(Instant::now);
            is_new
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
