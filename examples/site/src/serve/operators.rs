//! The address of operators, in the only process and in the parent of several.

use std::convert::Infallible;
use std::task::Context;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use euryale::Body;
use euryale::body::Reserve;
use euryale::forwarded::CheckHostLayer;
use euryale_agent_check::AgentCheck;
use euryale_server::{Drained, Incoming, Listener, Server, Shutdown};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::Service;
use tower_layer::Layer;

use crate::serve::permits::Rules;
use crate::serve::{LAST_GRACE, LOG};

/// The pages of `service`. Those of a local site are for the hosts of this machine.
pub(crate) fn answers<S>(service: S, rules: Rules) -> Router
where
    S: Service<Request, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    match rules.hosts() {
        Some(hosts) => Router::new().fallback_service(CheckHostLayer::new(hosts).layer(service)),
        None => Router::new().fallback_service(service),
    }
}

/// Answers the checks of HAProxy until the future is dropped, even while all descriptors except
/// those of `reserve` are in use.
pub(crate) async fn check(agent: AgentCheck, listener: TcpListener, reserve: Reserve) {
    let accept = |cx: &mut Context<'_>| reserve.open(|| listener.poll_accept(cx));
    agent.serve_from(accept).await;
}

/// Serves operators from the beginning of the program to its end.
pub(crate) struct OperatorsServer {
    end: Shutdown,
    serving: JoinHandle<Drained>,
    agent: Option<JoinHandle<()>>,
}

impl OperatorsServer {
    /// Serves `answers` at `admin`, with descriptors of `reserve` if there are no others. `agent`
    /// ends with it.
    pub(crate) fn start<S>(
        admin: Listener,
        reserve: &Reserve,
        answers: S,
        agent: Option<JoinHandle<()>>,
    ) -> Self
    where
        S: Service<http::Request<Incoming>, Response = Response, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
    {
        let end = Shutdown::new();
        let server = Server::new()
            .listen(admin.reserve(reserve.clone()))
            .max_sockets(reserve.places())
            .lame_duck(Duration::ZERO)
            .drain_deadline(LAST_GRACE)
            .log_drain(false);
        let serving = tokio::spawn(server.serve(answers, end.clone()));
        Self {
            end,
            serving,
            agent,
        }
    }

    pub(crate) async fn end(self) {
        if let Some(agent) = self.agent {
            agent.abort();
        }
        self.end.drain();
        if let Err(error) = self.serving.await {
            tracing::error!(target: LOG, %error, "operators were no longer answered");
        }
    }
}
