//! Polling with a deadline.

use std::time::{Duration, Instant};

use euryale_core::Ledger;

const DEADLINE: Duration = Duration::from_secs(10);
const BETWEEN: Duration = Duration::from_millis(1);

/// Polls until `condition` holds.
///
/// # Panics
/// After 10 s, naming `what` was waited for.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Polls until the ledger is quiet: nothing held, every transaction ended. The end of every test.
///
/// # Panics
/// After 10 s, with what is still out.
pub async fn assert_quiet(ledger: &Ledger) {
    let until = Instant::now() + DEADLINE;
    loop {
        let unsettled = ledger.unsettled();
        if unsettled.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "the ledger is not quiet after {DEADLINE:?}: {unsettled:?}");
        tokio::time::sleep(BETWEEN).await;
    }
}
