//! The service that publishes.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use euryale_core::{
    Attempt, Body, Claim, Error, ErrorKind, History, Lease, Outcome, Publication, Publisher,
    Request, Response, SnapshotPin, Transaction, TransactionOptions,
};
use http::StatusCode;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use crate::framing::{self, Published};

/// Publishes requests with a [`Publisher`], each in a transaction of its own, in a worker of the
/// claim's pool.
///
/// It takes only a [`Publication`]: a publisher without a cap on its connections does not compile.
/// See the [crate's documentation](crate).
#[doc(alias = "WSGIPublisher")]
#[must_use]
pub struct Publish<P> {
    publisher: Arc<P>,
    deadline: Option<Duration>,
    abort_if_gone: Option<Predicate>,
}

type Predicate = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

impl<P> Publish<P> {
    /// Publishes with `publisher`.
    pub fn new(publisher: P) -> Self {
        Self {
            publisher: Arc::new(publisher),
            deadline: None,
            abort_if_gone: None,
        }
    }

    /// How long a client waits for one publication, its wait in the queue included. Default: no
    /// bound.
    ///
    /// Then it gets 504, and counts as gone. A publication that waits leaves the queue. One that
    /// runs cannot be stopped: its worker keeps its permit and its connection until it really ends,
    /// and what it does is committed, unless its route aborts for clients that are gone.
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// Requests for which `predicate` holds are aborted if their client is gone when the publisher
    /// has returned; asked once, before the votes. Default: none; a publication is finished and
    /// committed.
    pub fn abort_if_gone(
        mut self,
        predicate: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.abort_if_gone = Some(Arc::new(predicate));
        self
    }
}

impl<P, C> Service<Publication<C>> for Publish<P>
where
    C: Claim,
    P: Publisher<C::Database>,
{
    type Response = Response;
    type Error = Error;
    type Future = PublishFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, publication: Publication<C>) -> PublishFuture {
        let Publication { request, claim } = publication;
        let gone = self
            .abort_if_gone
            .as_ref()
            .is_some_and(|predicate| predicate(&request));
        let publisher = Arc::clone(&self.publisher);
        let done = claim.run(move |lease| publish(&*publisher, request, gone, lease));
        PublishFuture {
            done: Some(Box::pin(done)),
            deadline: self.deadline.map(Deadline::Within),
        }
    }
}

/// One publication, in its worker.
fn publish<D, P>(
    publisher: &P,
    mut request: Request,
    abort_if_gone: bool,
    lease: &mut Lease<'_, D>,
) -> Result<Response, Error>
where
    D: euryale_core::Database,
    P: Publisher<D>,
{
    lease.ledger().conflicts.attempts.add(1);
    let history = request
        .extensions()
        .get::<History>()
        .copied()
        .unwrap_or_default();
    let attempt = Attempt::new(history);
    let access = history.access(request.method());
    let published_as = Published::with(request.method_mut());
    request.extensions_mut().insert(attempt.clone());

    let pin = request.extensions().get::<SnapshotPin>().cloned();
    let options = TransactionOptions::new(attempt, access)
        .abort_if_gone(abort_if_gone)
        .pin(pin);
    let outcome = Transaction::run(lease, options, |transaction| {
        Ok(sendable(publisher.publish(&request, transaction)?)?)
    })?;
    let response = match outcome {
        Outcome::Committed(response) | Outcome::Doomed(response) => response,
        // An abort's response was not asked yet whether it can be sent.
        Outcome::Refused(response) => {
            sendable(response).map_err(|error| Error::with_source(ErrorKind::Application, error))?
        }
    };
    let mut response = framing::own(response, &published_as);
    Body::publish_handle(&mut response, lease.ledger());
    Ok(response)
}

/// A final status: an informational one is no answer, and 101 would hand the connection over.
fn sendable(response: Response) -> Result<Response, UnsendableStatus> {
    if response.status().is_informational() {
        return Err(UnsendableStatus(response.status()));
    }
    Ok(response)
}

/// A publisher answered with an informational status (1xx), which is no final response (RFC 9110
/// §15.2).
#[derive(Debug)]
pub struct UnsendableStatus(pub StatusCode);

impl fmt::Display for UnsendableStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a publisher answered {}, which is no final status: answer 200 to 599",
            self.0.as_u16()
        )
    }
}

impl StdError for UnsendableStatus {}

impl<P> Clone for Publish<P> {
    fn clone(&self) -> Self {
        Self {
            publisher: Arc::clone(&self.publisher),
            deadline: self.deadline,
            abort_if_gone: self.abort_if_gone.clone(),
        }
    }
}

impl<P> fmt::Debug for Publish<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// The future of [`Publish`]. Dropping it takes a waiting publication out of the queue, and leaves
/// a running one alone.
pub struct PublishFuture {
    /// None when the deadline has passed.
    done: Option<Done>,
    deadline: Option<Deadline>,
}

type Done = Pin<Box<dyn Future<Output = Result<Result<Response, Error>, Error>> + Send>>;

/// Within ⇒ At when it is first waited for.
enum Deadline {
    Within(Duration),
    At(Pin<Box<Sleep>>),
}

impl Deadline {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Within(time) = self {
            *self = Self::At(Box::pin(sleep(*time)));
        }
        match self {
            Self::At(sleep) => sleep.as_mut().poll(cx),
            Self::Within(_) => Poll::Pending,
        }
    }
}

impl Future for PublishFuture {
    type Output = Result<Response, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { done, deadline } = &mut *self;
        // Polled after it was ready, as no caller may: pending for ever.
        let Some(publication) = done else {
            return Poll::Pending;
        };
        if let Poll::Ready(done) = publication.as_mut().poll(cx) {
            return Poll::Ready(done.flatten());
        }
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        ready!(deadline.poll(cx));
        // From now on it counts as gone.
        *done = None;
        Poll::Ready(Err(Error::new(ErrorKind::PublishElapsed)))
    }
}

impl fmt::Debug for PublishFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishFuture")
    }
}
