//! Holds tasks at a known point.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The longest time that a test waits for a task to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gate for tasks, like [`Gate`](crate::Gate) for threads: it lets a number of tasks through, and
/// a test can wait until a task has arrived. Clones are the same gate.
///
/// ```
/// use euryale_test::AsyncGate;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let gate = AsyncGate::new();
/// let held = tokio::spawn({ let gate = gate.clone(); async move { gate.pass().await } });
/// gate.arrived().await;
/// assert!(!held.is_finished());
/// gate.let_through(1);
/// held.await.unwrap();
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AsyncGate {
    arrived: Arc<Semaphore>,
    passes: Arc<Semaphore>,
}

impl AsyncGate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self {
            arrived: Arc::new(Semaphore::new(0)),
            passes: Arc::new(Semaphore::new(0)),
        }
    }

    /// Arrives, and waits until the gate lets this task through.
    pub async fn pass(&self) {
        self.arrive();
        self.wait().await;
    }

    /// Only announces that this task has arrived.
    pub fn arrive(&self) {
        self.arrived.add_permits(1);
    }

    /// Waits until the gate lets this task through, which has announced its arrival before.
    pub async fn wait(&self) {
        take(&self.passes).await;
    }

    /// Waits until a task has arrived: one more with each call.
    ///
    /// # Panics
    /// After 10 s.
    pub async fn arrived(&self) {
        let arrived = timeout(PATIENCE, take(&self.arrived)).await;
        assert!(arrived.is_ok(), "nothing arrived within {PATIENCE:?}");
    }

    /// Lets `n` tasks through.
    pub fn let_through(&self, n: usize) {
        self.passes.add_permits(n);
    }
}

impl Default for AsyncGate {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes a permit for good. Nothing closes the semaphore.
async fn take(semaphore: &Semaphore) {
    if let Ok(permit) = semaphore.acquire().await {
        permit.forget();
    }
}
