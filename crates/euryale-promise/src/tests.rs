mod changes;
#[cfg(feature = "futures")]
mod futures;
mod limits;
mod passes;
mod phases;
mod shared;
mod snapshots;
mod values;

use std::sync::Arc;

use euryale_connection::{ConnectionLimitLayer, Pool};
use euryale_core::{Abort, Error, Ledger, Request, Response, Transaction};
use euryale_publisher::{ConflictPolicy, Publish};
use euryale_test::{CountingDatabase, assert_quiet};
use http_body_util::BodyExt;
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

use crate::RepublishLayer;

type Lent<'a, 'b> = &'a mut Transaction<'b, CountingDatabase>;

/// A stack of Republish, Retry, ConnectionLimit and a publisher.
#[derive(Clone)]
struct Site {
    pool: Pool<CountingDatabase>,
    database: CountingDatabase,
    service: BoxCloneSyncService<Request, Response, Error>,
}

impl Site {
    fn new<F>(layer: RepublishLayer, publisher: F) -> Self
    where
        F: Fn(&Request, Lent<'_, '_>) -> Result<Response, Abort> + Send + Sync + 'static,
    {
        let database = CountingDatabase::new();
        let pool = Pool::new(database.clone(), 1);
        let service = ServiceBuilder::new()
            .layer(layer.ledger(pool.ledger().clone()))
            .layer(RetryLayer::new(
                ConflictPolicy::new().ledger(pool.ledger().clone()),
            ))
            .layer(ConnectionLimitLayer::new(pool.clone()))
            .service(Publish::new(publisher));
        Self {
            pool,
            database,
            service: BoxCloneSyncService::new(service),
        }
    }

    fn ledger(&self) -> &Ledger {
        self.pool.ledger()
    }

    async fn ask(&self, path: &str) -> Result<Response, Error> {
        self.service
            .clone()
            .oneshot(http::Request::get(path).body(Default::default()).unwrap())
            .await
    }

    /// Returns the answer's text, or the name of its error's code.
    async fn text(&self, path: &str) -> String {
        match self.ask(path).await {
            Ok(response) => text(response).await,
            Err(error) => error.code().name().to_owned(),
        }
    }

    async fn quiet(&self) {
        assert_quiet(self.ledger()).await;
    }
}

async fn text(response: Response) -> String {
    String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "callers say what they have")]
fn say(text: impl ToString) -> Result<Response, Abort> {
    Ok(Response::new(text.to_string().into()))
}

/// Returns the outcome of a promise in one word.
fn word<T: ToString>(value: Result<Arc<T>, crate::PromiseError>) -> String {
    value.map_or_else(|error| error.to_string(), |value| value.to_string())
}
