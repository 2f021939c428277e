//! What is logged.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps the log lines of the process, from INFO on: each with level, spans, message and fields.
///
/// For a test that is alone in its program. With other tests in other threads, lines could be
/// missed, because tracing decides for the whole process whether a log statement has a listener.
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
