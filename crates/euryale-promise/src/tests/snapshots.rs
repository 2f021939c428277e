//! Tests of passes that share one state, with a database that supports snapshots.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use euryale_connection::{ConnectionLimitLayer, Pool};
use euryale_core::transaction::{Begin, Fault, Snapshot};
use euryale_core::{BoxError, Database, Ledger, Request, Response, Transaction};
use euryale_publisher::Publish;
use euryale_test::assert_quiet;
use http::Method;
use tower::{ServiceBuilder, ServiceExt};

use super::text;
use crate::{Key, PromisesExt, RepublishLayer};

/// A database whose value grows with each read by another program. It supports snapshots unless it
/// forgets them.
#[derive(Clone, Default)]
struct Versions {
    now: Arc<AtomicU64>,
    forgets: Arc<AtomicBool>,
}

impl Database for Versions {
    type Connection = u64;

    fn connect(&self) -> Result<u64, BoxError> {
        Ok(0)
    }

    fn begin(&self, seen: &mut u64, _: Begin) -> Result<(), BoxError> {
        *seen = self.now.fetch_add(1, SeqCst);
        Ok(())
    }

    fn commit(&self, _: &mut u64) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&self, _: &mut u64) -> Result<(), BoxError> {
        Ok(())
    }

    fn classify(&self, _: &(dyn std::error::Error + 'static)) -> Fault {
        Fault::Other
    }

    fn snapshot(&self, seen: &mut u64) -> Result<Option<Snapshot>, BoxError> {
        Ok(Some(Snapshot::new(*seen)))
    }

    fn begin_at(&self, seen: &mut u64, _: Begin, snapshot: &Snapshot) -> Result<bool, BoxError> {
        *seen = *snapshot.downcast_ref().ok_or("a foreign snapshot")?;
        Ok(!self.forgets.load(SeqCst))
    }
}

/// Returns the values that three passes saw, joined by spaces.
async fn seen(layer: RepublishLayer, method: Method, forgets: bool) -> (String, Ledger) {
    const SEEN: Key<u64> = Key::new("seen");
    let versions = Versions::default();
    versions.forgets.store(forgets, SeqCst);
    let pool = Pool::new(versions, 1);
    let ledger = pool.ledger().clone();
    let stack =
        ServiceBuilder::new()
            .layer(layer.ledger(ledger.clone()))
            .layer(ConnectionLimitLayer::new(pool))
            .service(Publish::new(
                |request: &Request, transaction: &mut Transaction<'_, Versions>| {
                    let now = *transaction.connection()?;
                    let promises = request.promises();
                    let mut all = String::new();
                    // There are two promises, each with the value that its pass saw.
                    for pass in 1..=2 {
                        let seen = promises.ask(SEEN.with(pass), move || async move {
                            Ok::<_, Infallible>(now)
                        });
                        all += &format!("{} ", seen.ready()??);
                    }
                    Ok(Response::new(format!("{all}{now}").into()))
                },
            ));
    let mut request = Request::default();
    *request.method_mut() = method;
    let all = text(stack.oneshot(request).await.unwrap()).await;
    assert_quiet(&ledger).await;
    (all, ledger)
}

fn counts(ledger: &Ledger) -> [u64; 3] {
    let snapshots = &ledger.snapshots;
    [
        snapshots.pinned.get(),
        snapshots.gone.get(),
        snapshots.unsupported.get(),
    ]
}

#[tokio::test]
async fn each_pass_sees_its_own_state_by_default() {
    let (all, ledger) = seen(RepublishLayer::new(), Method::GET, false).await;
    assert_eq!((&*all, counts(&ledger)), ("0 1 2", [0, 0, 0]));
}

#[tokio::test]
async fn all_passes_see_the_state_of_the_first() {
    let (all, ledger) = seen(
        RepublishLayer::new().pin_snapshots(true),
        Method::GET,
        false,
    )
    .await;
    assert_eq!((&*all, counts(&ledger)), ("0 0 0", [2, 0, 0]));
}

#[tokio::test]
async fn a_pass_that_may_write_sees_the_current_state() {
    let (all, ledger) = seen(
        RepublishLayer::new().pin_snapshots(true),
        Method::POST,
        false,
    )
    .await;
    assert_eq!((&*all, counts(&ledger)), ("0 1 2", [0, 0, 0]));
}

#[tokio::test]
async fn a_state_that_is_gone_is_counted_once() {
    let (all, ledger) = seen(RepublishLayer::new().pin_snapshots(true), Method::GET, true).await;
    assert_eq!((&*all, counts(&ledger)), ("0 1 2", [0, 1, 0]));
}
