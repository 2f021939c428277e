//! Short transactions on the table, on connections of the site's pool.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use euryale_core::error::OrAbort;
use euryale_core::transaction::{
    Access, Attempt, Attempted, Claim, ConflictRule, History, Lease, Outcome, TransactionOptions,
};
use euryale_core::{Abort, BoxError, Database, Error, Ledger, Transaction};
use tokio::sync::oneshot;

use crate::table::TaskTable;

type Job<D> = Box<dyn FnOnce(&mut Lease<'_, D>) + Send>;
type Queued = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Runs jobs in workers of a pool, whatever its type.
pub(crate) struct Connections<D: Database> {
    table: Arc<dyn TaskTable<D>>,
    queue: Arc<dyn Fn(History, Job<D>) -> Queued + Send + Sync>,
    conflicts: ConflictRule,
}

impl<D: Database> Connections<D> {
    pub(crate) fn new<C>(
        table: &Arc<dyn TaskTable<D>>,
        claims: impl Fn() -> C + Send + Sync + 'static,
    ) -> Self
    where
        C: Claim<Database = D>,
    {
        Self {
            table: Arc::clone(table),
            queue: Arc::new(move |history, job: Job<D>| {
                Box::pin(claims().history(history).run(job))
            }),
            conflicts: ConflictRule::new(),
        }
    }

    pub(crate) fn ledger(mut self, ledger: &Ledger) -> Self {
        self.conflicts = self.conflicts.ledger(ledger.clone());
        self
    }

    /// Runs `f` on the table in a transaction that may write, and again after a conflict.
    pub(crate) fn write<T, F>(
        &self,
        f: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, F, D>
    where
        T: Send + 'static,
        F: Fn(&dyn TaskTable<D>, &mut D::Connection) -> Result<T, BoxError>
            + Clone
            + Send
            + 'static,
    {
        self.clone().run(Access::Write, f)
    }

    /// Runs `f` on the table in a transaction that only reads, and again after a conflict.
    pub(crate) fn read<T, F>(
        &self,
        f: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, F, D>
    where
        T: Send + 'static,
        F: Fn(&dyn TaskTable<D>, &mut D::Connection) -> Result<T, BoxError>
            + Clone
            + Send
            + 'static,
    {
        self.clone().run(Access::Read, f)
    }

    async fn run<T, F>(self, access: Access, f: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&dyn TaskTable<D>, &mut D::Connection) -> Result<T, BoxError>
            + Clone
            + Send
            + 'static,
    {
        let table = Arc::clone(&self.table);
        let f = move |transaction: &mut Transaction<'_, D>| {
            f(&*table, transaction.connection()?).or_abort()
        };
        let mut attempted = Attempted::default();
        loop {
            let mut result = self.attempt(attempted.history, access, f.clone()).await;
            let Some(again) = self.conflicts.after(attempted, &mut result) else {
                return result;
            };
            tokio::time::sleep(again.pause).await;
            attempted.history = again.history;
            attempted.retries += 1;
        }
    }

    async fn attempt<T, F>(&self, history: History, access: Access, f: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: Job<D> = Box::new(move |lease| {
            let options = TransactionOptions::new(Attempt::new(history), access);
            let _ = sender.send(Transaction::run(lease, options, f));
        });
        (self.queue)(history, job).await?;
        let outcome = receiver
            .await
            .map_err(|_| Error::new(euryale_core::error::PANICKED))?;
        match outcome? {
            Outcome::Committed(value) | Outcome::Doomed(value) => Ok(value),
            Outcome::Refused(response) => Err(Error::refused(response)),
        }
    }
}

impl<D: Database> Clone for Connections<D> {
    fn clone(&self) -> Self {
        Self {
            table: Arc::clone(&self.table),
            queue: Arc::clone(&self.queue),
            conflicts: self.conflicts.clone(),
        }
    }
}
