//! A publisher that does what the path says.

use std::panic::resume_unwind;

use euryale_core::transaction::Fault;
use euryale_core::{Abort, Body, Publisher, Request, Response, Transaction};
use http::StatusCode;

use crate::{CountingDatabase, Gate, TestError};

/// Acts according to the path of each request, so that a client can script it:
///
/// | path | what it does |
/// |---|---|
/// | `/static` | answers without touching the database |
/// | `/error`, `/conflict`, `/disconnected` | fails with a [`TestError`] of that fault |
/// | `/not-found` | aborts with that status |
/// | `/panic` | panics |
/// | `/hook-before`, `/hook-after`, `/hook-abort` | panics in a hook of that kind |
/// | `/doom` | dooms its transaction |
/// | `/held/…` | first waits at the gate, then does what the rest says |
/// | any other | answers with the number of its connection |
///
/// All but `/static` begin a transaction. Panics are quiet: the panic hook is not called.
#[derive(Clone, Debug, Default)]
pub struct ScriptedPublisher {
    gate: Gate,
}

impl ScriptedPublisher {
    /// Creates a publisher with its own gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The gate of `/held/…`.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }
}

impl Publisher<CountingDatabase> for ScriptedPublisher {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, CountingDatabase>,
    ) -> Result<Response, Abort> {
        let path = request.uri().path();
        let path = match path.strip_prefix("/held") {
            Some(rest) => {
                self.gate.wait();
                rest
            }
            None => path,
        };
        if path == "/static" {
            return Ok(Response::new(Body::from("static")));
        }
        let id = transaction.connection()?.id();
        match path {
            "/error" => return Err(TestError(Fault::Other).into()),
            "/conflict" => return Err(TestError(Fault::Conflict).into()),
            "/disconnected" => return Err(TestError(Fault::Disconnected).into()),
            "/not-found" => return Err(Abort::status(StatusCode::NOT_FOUND)),
            "/panic" => resume_unwind(Box::new("in the publisher")),
            "/hook-before" => {
                transaction.before_commit(|_| resume_unwind(Box::new("before the commit")));
            }
            "/hook-after" => {
                transaction.after_commit(|| resume_unwind(Box::new("after the commit")));
            }
            "/hook-abort" => {
                transaction.after_abort(|| resume_unwind(Box::new("after the abort")));
                transaction.doom();
            }
            "/doom" => transaction.doom(),
            _ => {}
        }
        Ok(Response::new(Body::from(id.to_string())))
    }
}
