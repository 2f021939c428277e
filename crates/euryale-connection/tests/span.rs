//! A job runs in the span of the request that queued it. In a program of its own: the subscriber is the process's.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

use std::sync::{Arc, Mutex};

use euryale_connection::Pool;
use euryale_test::{CountingDatabase, assert_quiet};
use tracing::Instrument;
use tracing_subscriber::fmt::MakeWriter;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn each_job_is_logged_in_the_span_of_its_request() {
    let log = Log::default();
    tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).init();
    let pool = Pool::new(CountingDatabase::new(), 1);
    for number in 1..=3 {
        let span = tracing::info_span!("request", number);
        // The same worker thread runs them all: no span may stay behind.
        async { pool.run(move |_| tracing::info!("job {number}")).await.unwrap() }.instrument(span).await;
    }
    pool.run(|_| tracing::info!("job without a request")).await.unwrap();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let jobs: Vec<&str> = text.lines().filter(|line| line.contains("job")).collect();
    for number in 1..=3 {
        let line = jobs[number - 1];
        assert!(
            line.contains(&format!("request{{number={number}}}")) && line.contains(&format!("job {number}")),
            "{text}"
        );
    }
    assert!(!jobs[3].contains("request{"), "{text}");
    assert_quiet(pool.ledger()).await;
}
