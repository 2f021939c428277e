//! Tests of workers that break down.

use std::sync::{Arc, Mutex, Weak};

use euryale_core::error::PanicMessage;
use euryale_core::transaction::{Begin, Fault};
use euryale_core::{BoxError, Database, Ledger};
use euryale_test::assert_quiet;
use tokio::time::Instant;

use super::Worker;
use super::accounts::Accounts;
use crate::state::permit::Permit;
use crate::state::{SharedPool, Todo};
use crate::{Pool, PoolBook};

/// A database whose connections record the number of taken permits when they are dropped.
#[derive(Clone, Default)]
struct Watched {
    pool: Arc<Mutex<Weak<SharedPool<Watched>>>>,
    permits: Arc<Mutex<Vec<usize>>>,
}

struct Witness(Watched);

impl Drop for Witness {
    fn drop(&mut self) {
        let pool = self.0.pool.lock().unwrap().upgrade();
        let permits = pool.map(|pool| pool.state().queue().permits());
        self.0.permits.lock().unwrap().extend(permits);
    }
}

impl Database for Watched {
    type Connection = Witness;

    fn connect(&self) -> Result<Witness, BoxError> {
        Ok(Witness(self.clone()))
    }

    fn begin(&self, _: &mut Witness, _: Begin) -> Result<(), BoxError> {
        Ok(())
    }

    fn commit(&self, _: &mut Witness) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&self, _: &mut Witness) -> Result<(), BoxError> {
        Ok(())
    }

    fn classify(&self, _: &(dyn std::error::Error + 'static)) -> Fault {
        Fault::Other
    }
}

#[tokio::test]
async fn a_worker_that_breaks_down_drops_its_connection_before_its_permit() {
    let database = Watched::default();
    let shared = Arc::new(Pool::builder(database.clone()).connections(1).into_shared());
    *database.pool.lock().unwrap() = Arc::downgrade(&shared);
    let mut pool = shared.lock();
    pool.send_for_one();
    let _: Todo = pool.unlock();
    let worker = Worker {
        shared: Arc::clone(&shared),
        connection: Some(database.connect().unwrap()),
        opened: Instant::now(),
        warmth: None,
        permit: Permit::default(),
    };
    drop(worker);
    assert_eq!(*database.permits.lock().unwrap(), [1]);
    assert_eq!(shared.state().queue().permits(), 0);
    assert_quiet(&shared.ledger).await;
}

#[tokio::test]
async fn a_worker_that_unwinds_restores_the_gauges_of_its_job() {
    let ledger = Ledger::new();
    let book = ledger.of::<PoolBook>();
    let gauges = || (book.publishers.running.get(), book.connections.in_use.get());
    for had_connection in [false, true] {
        let unwound = PanicMessage::catch(|| {
            let mut accounts = Accounts::open(ledger.of(), had_connection);
            accounts.connected();
            assert_eq!(gauges(), (1, 1));
            std::panic::resume_unwind(Box::new("a worker"));
        });
        assert!(unwound.is_err());
        assert_eq!(gauges(), (0, 0));
    }
    assert_quiet(&ledger).await;
}
