//! The tasks that transactions spawn after their commit, counted so that
//! [`Pool::close`](crate::Pool::close) can wait for them.

use euryale_core::transaction::Task;
use tokio::sync::watch;

/// The number of tasks that have not ended.
#[derive(Default)]
pub(crate) struct Tasks(watch::Sender<usize>);

impl Tasks {
    /// Spawns `task` on the current runtime.
    pub(crate) fn spawn(&self, task: Task) {
        let running = Running::new(self.0.clone());
        tokio::spawn(async move {
            let _running = running;
            task.await;
        });
    }

    pub(crate) fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until no task is left.
    pub(crate) async fn ended(&self) {
        // `self` holds the sender, so the channel cannot close while this waits.
        let _ = self.0.subscribe().wait_for(|&count| count == 0).await;
    }
}

/// One task. It counts until it is dropped: when the task ends or panics, or with the runtime.
struct Running(watch::Sender<usize>);

impl Running {
    fn new(count: watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
