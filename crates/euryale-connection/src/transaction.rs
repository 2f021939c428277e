//! Transactions of a claim, which are retried after a conflict.

use std::future::Future;
use std::time::Duration;

use euryale_core::error::{CONFLICT, PanicMessage};
use euryale_core::transaction::{
    Access, Attempt, Attempted, Claim, History, Outcome, TransactionOptions,
};
use euryale_core::{Abort, Database, Error, Transaction};

use crate::claim::PoolClaim;

impl<D: Database> PoolClaim<D> {
    /// Runs `f` in a transaction that may write, which is committed if `f` returns `Ok`. After a
    /// conflict `f` is called again, by the pool's rule.
    ///
    /// # Errors
    /// Those of [`Pool::transaction`](crate::Pool::transaction).
    pub fn transaction<T, F>(self, f: F) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: Fn(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        self.attempts(Access::Write, f)
    }

    /// Runs `f` in a transaction that only reads, and otherwise like
    /// [`transaction`](PoolClaim::transaction).
    ///
    /// # Errors
    /// Those of [`Pool::transaction`](crate::Pool::transaction).
    pub fn read<T, F>(self, f: F) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: Fn(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        self.attempts(Access::Read, f)
    }

    /// Runs `f` once in a transaction that may write. Use it for a closure that cannot be called
    /// again because it moves its values out.
    ///
    /// # Errors
    /// Those of [`Pool::transaction`](crate::Pool::transaction), but a conflict has the code
    /// [`CONFLICT`]: nothing was committed, and another call may succeed.
    pub fn transaction_once<T, F>(
        self,
        f: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: FnOnce(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        self.once(Access::Write, f)
    }

    /// Runs `f` once in a transaction that only reads, and otherwise like
    /// [`transaction_once`](PoolClaim::transaction_once).
    ///
    /// # Errors
    /// Those of [`transaction_once`](PoolClaim::transaction_once).
    pub fn read_once<T, F>(self, f: F) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: FnOnce(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        self.once(Access::Read, f)
    }

    fn once<T, F>(
        self,
        access: Access,
        f: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: FnOnce(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        let options = options(self.about.history, access);
        let done = self.run(move |lease| Transaction::run(lease, options, f));
        async move { done.await?.and_then(value) }
    }

    fn attempts<T, F>(
        self,
        access: Access,
        f: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: Fn(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        let mut next = self.same();
        let mut retries = 0;
        // The first attempt is queued now, before the future is polled.
        let mut attempt = self.attempt(access, f);
        async move {
            loop {
                let (mut result, f) = attempt.await;
                let attempted = Attempted {
                    history: next.about.history,
                    retries,
                    route: next.about.route.as_ref(),
                    uri: None,
                };
                let again = next.shared.conflicts.after(attempted, &mut result);
                let (Some(again), Some(f)) = (again, f) else {
                    return result.and_then(value);
                };
                // Only `f` is held during the pause. Dropping this future ends it.
                pause(again.pause).await;
                retries += 1;
                next = next.history(again.history);
                attempt = next.same().attempt(access, f);
            }
        }
    }

    /// Runs one attempt. It returns `f` after a conflict, and otherwise drops it in the worker.
    fn attempt<T, F>(
        self,
        access: Access,
        f: F,
    ) -> impl Future<Output = (Result<Outcome<T>, Error>, Option<F>)> + Send + 'static
    where
        F: Fn(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        let options = options(self.about.history, access);
        let done = self.run(move |lease| {
            let result = Transaction::run(lease, options, &f);
            let is_conflict = matches!(&result, Err(error) if error.is(CONFLICT));
            (result, is_conflict.then_some(f))
        });
        async move { done.await.unwrap_or_else(|refused| (Err(refused), None)) }
    }
}

/// Returns the options of an attempt. An attempt after one that has written begins as a writer.
fn options(history: History, access: Access) -> TransactionOptions {
    let access = if history.wrote { Access::Write } else { access };
    TransactionOptions::new(Attempt::new(history), access)
}

fn value<T>(outcome: Outcome<T>) -> Result<T, Error> {
    match outcome {
        Outcome::Committed(value) | Outcome::Doomed(value) => Ok(value),
        Outcome::Refused(response) => Err(Error::refused(response)),
    }
}

/// Pauses before the next attempt. Without a timer there is no pause.
async fn pause(time: Duration) {
    if let Ok(sleep) = PanicMessage::catch(|| tokio::time::sleep(time)) {
        sleep.await;
    }
}
