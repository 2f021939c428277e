//! The service that publishes.

mod early;

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use euryale_core::body::{EarlyAnswers, EarlyFuture, JobDone};
use euryale_core::error::APPLICATION;
use euryale_core::transaction::{
    Access, AnswerGate, Attempt, Claim, History, Lease, Outcome, Publication, ReleasePoint,
    SnapshotPin, StopWhen, TransactionOptions,
};
use euryale_core::{Error, Publisher, Request, Response, Transaction};
use http::StatusCode;
use tower_service::Service;

use crate::framing::{self, Published};

/// Publishes requests with a [`Publisher`], each in its own transaction, in a worker of the claim's
/// pool.
///
/// It accepts only [`Publication`]s, so a publisher without a limit on its connections does not
/// compile. See the [crate's documentation](crate).
#[doc(alias = "WSGIPublisher")]
#[must_use]
pub struct Publish<P> {
    publisher: Arc<P>,
    deadline: Option<Duration>,
    deadline_for: Option<Rule<Option<Duration>>>,
    access: Option<Rule<Access>>,
    abort_if_gone: Option<Rule<bool>>,
    release_point: Option<Rule<ReleasePoint>>,
    early_answers: Arc<EarlyAnswers>,
}

type Rule<T> = Arc<dyn Fn(&Request) -> T + Send + Sync>;

impl<P> Publish<P> {
    /// Creates a service that publishes with `publisher`.
    pub fn new(publisher: P) -> Self {
        Self {
            publisher: Arc::new(publisher),
            deadline: None,
            deadline_for: None,
            access: None,
            abort_if_gone: None,
            release_point: None,
            early_answers: Arc::new(EarlyAnswers::new()),
        }
    }

    /// The maximum time of one publication, from the start in its worker to the commit. The time
    /// starts again with each attempt and each pass. The wait in the queue is limited by the pool
    /// (`max_wait`). Default: no limit.
    ///
    /// After that time the publication is stopped, and the client gets a 504: nothing was
    /// committed, and nothing will be. The running statement ends at its next step if the database
    /// can be interrupted ([`Database::interrupt`](euryale_core::Database::interrupt)). Otherwise
    /// the worker keeps its permit and its connection until the publisher returns or next calls
    /// `connection`. A commit that has begun is finished, and its own answer is sent, however long
    /// it takes.
    ///
    /// The pool enforces the deadline, so a `Claim` of your own pool must implement `stop_when`. On
    /// a runtime without a timer, a publication continues after its deadline until it would commit.
    /// Only then is it aborted and answered 504, and the pool warns that it has no housekeeping.
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// Sets the deadline of each request for which `rule` returns one; for others
    /// [`deadline`](Self::deadline) applies. `Duration::MAX` means no limit. Default: no rule.
    pub fn deadline_for(
        mut self,
        rule: impl Fn(&Request) -> Option<Duration> + Send + Sync + 'static,
    ) -> Self {
        self.deadline_for = Some(Arc::new(rule));
        self
    }

    /// Sets whether the transaction of a request begins as a reader or a writer. After an attempt
    /// that has written, it always begins as a writer. Default: [`Access::of`] its method.
    ///
    /// A publication that begins with [`Access::Read`] and has not called
    /// [`writable`](Transaction::writable) is stopped when its client disconnects.
    pub fn access(mut self, rule: impl Fn(&Request) -> Access + Send + Sync + 'static) -> Self {
        self.access = Some(Arc::new(rule));
        self
    }

    /// Aborts requests for which `predicate` is true if their client has disconnected by the time
    /// the publisher returns. This is checked once, before the votes. Default: no requests; a
    /// publication that writes is finished and committed.
    pub fn abort_if_gone(
        mut self,
        predicate: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.abort_if_gone = Some(Arc::new(predicate));
        self
    }

    /// The release point of the route of each request. Where it is
    /// [`BodyEnd`](ReleasePoint::BodyEnd), a publisher may
    /// [answer early](Transaction::answer_early). Default: the end of the transaction, everywhere.
    pub fn release_point(
        mut self,
        rule: impl Fn(&Request) -> ReleasePoint + Send + Sync + 'static,
    ) -> Self {
        self.release_point = Some(Arc::new(rule));
        self
    }

    /// How much of an early answer may wait for its client. Default: 64 KiB in memory.
    pub fn early_answers(mut self, settings: EarlyAnswers) -> Self {
        self.early_answers = Arc::new(settings);
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
        let history = request.extensions().get::<History>();
        let history = history.copied().unwrap_or_default();
        let access = match &self.access {
            Some(rule) if !history.wrote => rule(&request),
            _ => history.access(request.method()),
        };
        let deadline = self.deadline_for.as_ref().and_then(|rule| rule(&request));
        let terms = Terms {
            history,
            access,
            abort_if_gone: self
                .abort_if_gone
                .as_ref()
                .is_some_and(|rule| rule(&request)),
        };
        let publisher = Arc::clone(&self.publisher);
        let rule = self.release_point.as_ref();
        let release_point = rule.map_or_else(ReleasePoint::default, |rule| rule(&request));
        let claim = claim.stop_when(StopWhen::new(
            deadline.or(self.deadline),
            access == Access::Read,
        ));
        if release_point != ReleasePoint::BodyEnd {
            let done = claim.run(move |lease| publish(&*publisher, request, terms, lease));
            return PublishFuture {
                job: Job::Plain(Box::pin(done)),
            };
        }
        let (hand_over, future) = EarlyFuture::channel();
        let settings = Arc::clone(&self.early_answers);
        let done = claim.run(move |lease| {
            early::publish(&*publisher, request, terms, &settings, hand_over, lease)
        });
        PublishFuture {
            job: Job::Early(future.of(Box::pin(done))),
        }
    }
}

/// The settings of a publication that are determined before its worker starts.
#[derive(Clone, Copy)]
struct Terms {
    history: History,
    access: Access,
    abort_if_gone: bool,
}

/// Prepares a request that has arrived in its worker, and its transaction.
fn arrive<D, P>(
    publisher: &P,
    request: &mut Request,
    terms: Terms,
    lease: &Lease<'_, D>,
) -> (Published, TransactionOptions)
where
    D: euryale_core::Database,
    P: Publisher<D>,
{
    lease.ledger().transactions.attempts.add(1);
    let attempt = Attempt::new(terms.history);
    let published_as = Published::with(request.method_mut(), publisher.answers_head());
    request.extensions_mut().insert(attempt.clone());

    let pin = request.extensions().get::<SnapshotPin>().cloned();
    let options = TransactionOptions::new(attempt, terms.access)
        .abort_if_gone(terms.abort_if_gone)
        .pin(pin);
    (published_as, options)
}

/// Runs one publication in its worker.
fn publish<D, P>(
    publisher: &P,
    mut request: Request,
    terms: Terms,
    lease: &mut Lease<'_, D>,
) -> Result<Response, Error>
where
    D: euryale_core::Database,
    P: Publisher<D>,
{
    let (published_as, options) = arrive(publisher, &mut request, terms, lease);
    let outcome = Transaction::run(lease, options, |transaction| {
        let mut response = sendable(publisher.publish(&request, transaction)?)?;
        // An outer layer that cannot handle this answer refuses it before anything is committed.
        AnswerGate::check(request.extensions(), &mut response)?;
        Ok(response)
    })?;
    finish(outcome, &published_as, lease)
}

/// Makes the answer of a transaction what may be sent.
fn finish<D: euryale_core::Database>(
    outcome: Outcome<Response>,
    published_as: &Published,
    lease: &Lease<'_, D>,
) -> Result<Response, Error> {
    let response = match outcome {
        Outcome::Committed(response) | Outcome::Doomed(response) => response,
        // The gates have not seen an abort's response yet.
        Outcome::Refused(response) => {
            sendable(response).map_err(|error| Error::with_source(APPLICATION, error))?
        }
    };
    Ok(framing::own(response, published_as, lease.ledger()))
}

/// Returns the response if its status is final. An informational status is not an answer, and 101
/// would hand over the connection.
fn sendable(response: Response) -> Result<Response, UnsendableStatus> {
    if response.status().is_informational() {
        return Err(UnsendableStatus(response.status()));
    }
    Ok(response)
}

/// A publisher answered with an informational status (1xx), which is not final (RFC 9110 §15.2).
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
            deadline_for: self.deadline_for.clone(),
            access: self.access.clone(),
            abort_if_gone: self.abort_if_gone.clone(),
            release_point: self.release_point.clone(),
            early_answers: Arc::clone(&self.early_answers),
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

/// The future of [`Publish`]. Dropping it takes a waiting publication out of the queue, stops one
/// that only reads, and leaves any other alone.
///
/// On a route whose release point is the end of the body, the body of an early answer takes the
/// place of this future.
pub struct PublishFuture {
    job: Job,
}

enum Job {
    Plain(JobDone),
    Early(EarlyFuture),
}

impl Future for PublishFuture {
    type Output = Result<Response, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.job {
            Job::Plain(done) => done.as_mut().poll(cx).map(Result::flatten),
            Job::Early(early) => Pin::new(early).poll(cx),
        }
    }
}

impl fmt::Debug for PublishFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishFuture")
    }
}
