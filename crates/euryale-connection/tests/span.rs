//! A job runs in the span of the request that queued it. In a program of its own: the subscriber is
//! the process's.

use euryale_connection::Pool;
use euryale_test::{CountingDatabase, Log, assert_quiet};
use tracing::Instrument;

#[tokio::test]
async fn each_job_is_logged_in_the_span_of_its_request() {
    let log = Log::of_process();
    let pool = Pool::new(CountingDatabase::new(), 1);
    for number in 1..=3 {
        let span = tracing::info_span!("request", number);
        // The same worker thread runs them all: no span may stay behind.
        async {
            pool.run(move |_| tracing::info!("job {number}"))
                .await
                .unwrap();
        }
        .instrument(span)
        .await;
    }
    pool.run(|_| tracing::info!("job without a request"))
        .await
        .unwrap();
    let lines = log.lines();
    let jobs: Vec<&String> = lines.iter().filter(|line| line.contains("job")).collect();
    for number in 1..=3 {
        let line = jobs[number - 1];
        assert!(
            line.contains(&format!("request{{number={number}}}"))
                && line.contains(&format!("job {number}")),
            "{lines:?}"
        );
    }
    assert!(!jobs[3].contains("request{"), "{lines:?}");
    assert_quiet(pool.ledger()).await;
}
