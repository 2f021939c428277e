//! What is logged.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Subscriber};

/// Makes `subscriber` that of this thread, until the guard is dropped.
///
/// As `tracing::subscriber::set_default`, but no event is missed while other tests run in other
/// threads. As long as a process has one subscriber only, tracing asks the thread that is the first
/// to reach a log statement whether anybody listens to it, and that thread may have no subscriber
/// (`callsite.rs` in tracing-core 0.1.36). So a second one, which ignores everything, is kept.
pub fn subscribe_thread(subscriber: impl Subscriber + Send + Sync + 'static) -> DefaultGuard {
    static SECOND: OnceLock<Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| Dispatch::new(NoSubscriber::new()));
    tracing::subscriber::set_default(subscriber)
}

/// Keeps log lines, from INFO on: each with level, spans, message and fields.
///
/// The log of a process is for a test that is alone in its program; other tests listen to their
/// thread.
#[derive(Clone, Debug, Default)]
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
}

impl Log {
    /// Listens from now on.
    ///
    /// # Panics
    /// Something else in this process listens already.
    pub fn of_process() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_target(false);
        subscriber.with_writer(move || writer.clone()).init();
        log
    }

    /// Listens to this thread until the guard is dropped.
    pub fn of_thread() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(move || writer.clone());
        (log, subscribe_thread(subscriber.finish()))
    }

    /// The number of times that `words` are in the lines so far.
    pub fn count(&self, words: &str) -> usize {
        self.text().matches(words).count()
    }

    /// The lines so far, as one text.
    pub fn text(&self) -> String {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.text()
            .lines()
            .map(|line| line.trim().to_owned())
            .collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
