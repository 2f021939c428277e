use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::Semaphore;

use super::*;

/// Checks that end when a gate opens, with results set by two flags, and the number of checks that
/// began.
struct Checks {
    readiness: Readiness,
    /// Checks end when it has a permit.
    gate: Arc<Semaphore>,
    fails: Arc<AtomicBool>,
    knows: Arc<AtomicBool>,
    began: Arc<Semaphore>,
}

impl Checks {
    fn new() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let fails = Arc::new(AtomicBool::new(false));
        let knows = Arc::new(AtomicBool::new(true));
        let began = Arc::new(Semaphore::new(0));
        let readiness = Readiness::new(&Shutdown::new()).check(Duration::from_secs(1), {
            let gate = gate.clone();
            let fails = fails.clone();
            let knows = knows.clone();
            let began = began.clone();
            move || {
                let gate = gate.clone();
                let fails = fails.clone();
                let knows = knows.clone();
                began.add_permits(1);
                async move {
                    drop(gate.acquire().await.unwrap());
                    match (knows.load(Relaxed), fails.load(Relaxed)) {
                        (false, _) => Checked::Unknown,
                        (true, true) => Checked::Failed("gone".into()),
                        (true, false) => Checked::Passed,
                    }
                }
            }
        });
        Self {
            readiness,
            gate,
            fails,
            knows,
            began,
        }
    }

    fn began(&self) -> usize {
        self.began.available_permits()
    }

    /// Queries after one second, and again when the check that this started has ended.
    async fn ask(&self) -> bool {
        tokio::time::advance(Duration::from_secs(1)).await;
        self.readiness.is_ready();
        self.settle().await;
        let is_ready = self.readiness.is_ready();
        self.settle().await;
        is_ready
    }

    /// Lets the check run as far as it can.
    async fn settle(&self) {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_check_runs_at_a_time_and_at_a_bounded_rate() {
    let checks = Checks::new();
    assert_eq!(checks.began(), 0, "none while nobody asks");
    for _ in 0..10 {
        assert!(checks.ask().await, "nobody waits for the first one");
    }
    assert_eq!(checks.began(), 1, "it has not ended");
    checks.gate.add_permits(1);
    assert!(checks.ask().await);
    let before = checks.began();
    for _ in 0..100 {
        assert!(checks.readiness.is_ready());
    }
    checks.settle().await;
    assert_eq!(checks.began(), before, "not within the second");
    assert!(checks.ask().await);
    assert_eq!(checks.began(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_does_not_end_has_failed_until_it_does() {
    for knows in [true, false] {
        let checks = Checks::new();
        for _ in 0..10 {
            assert!(checks.ask().await, "it may take its time");
        }
        for _ in 0..100 {
            assert!(!checks.ask().await, "ten seconds are enough");
        }
        assert_eq!(checks.began(), 1, "none is begun beside it");
        checks.knows.store(knows, Relaxed);
        checks.gate.add_permits(1);
        assert!(
            checks.ask().await,
            "what it found counts, or the one before"
        );
        assert!(checks.ask().await);
        assert!(checks.began() > 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_fails_takes_readiness_away_and_one_that_passes_brings_it_back() {
    let checks = Checks::new();
    checks.gate.add_permits(1);
    assert!(checks.ask().await);
    checks.fails.store(true, Relaxed);
    assert!(!checks.ask().await);
    checks.knows.store(false, Relaxed);
    assert!(!checks.ask().await, "what is not known changes nothing");
    checks.fails.store(false, Relaxed);
    assert!(!checks.ask().await);
    checks.knows.store(true, Relaxed);
    assert!(checks.ask().await);
    checks.knows.store(false, Relaxed);
    checks.fails.store(true, Relaxed);
    assert!(checks.ask().await, "what is not known changes nothing");
}
