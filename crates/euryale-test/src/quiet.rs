//! Polling with a deadline.

use std::time::{Duration, Instant};

use euryale_core::Ledger;

const DEADLINE: Duration = Duration::from_secs(10);

/// Polls until `condition` holds. Works with a paused clock, and while blocking closures run.
///
/// # Panics
/// After 10 s, naming `what` was waited for.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
        turn().await;
    }
}

/// Polls until the ledger is quiet: nothing is held, and every transaction has ended. Called at the
/// end of every test.
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
        assert!(
            Instant::now() < until,
            "the ledger is not quiet after {DEADLINE:?}: {unsettled:?}"
        );
        turn().await;
    }
}

/// Lets other tasks and threads run. A timer would not advance with a paused clock.
#[expect(clippy::disallowed_methods, reason = "between two looks, in a test")]
async fn turn() {
    tokio::task::yield_now().await;
    std::thread::sleep(Duration::from_micros(100));
}
