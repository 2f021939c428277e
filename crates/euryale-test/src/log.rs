//! What is logged.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps what the process logs, from INFO on: a line each, with level, spans, message and fields.
///
/// For a test that is alone in its program: a log of one thread would miss what other tests'
/// threads were first to log (tracing decides for the whole process whether anybody listens to a
/// line).
#[derive(Clone, Debug, Default)]
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
}

impl Log {
    /// Listens from now on.
    ///
    /// # Panics
    /// When something else in this process does already.
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

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text)
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
