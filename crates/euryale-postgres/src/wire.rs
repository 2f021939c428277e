//! Drives one connection in its worker: a request, its answer, and everything that the server sends
//! in between.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use euryale_core::transaction::Interrupt;
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Connection};

use crate::socket::{Socket, Watch};

type PgError = tokio_postgres::Error;

/// The interval in which a wait checks whether its transaction was stopped.
const LOOK: Duration = Duration::from_millis(500);

/// The time that the server has to answer after its deadline, or after a stop.
const GRACE: Duration = Duration::from_secs(2);

/// The futures of requests that were sent before and whose answers must arrive before the next
/// result counts.
type Before = Pin<Box<dyn Future<Output = Result<(), PgError>> + Send>>;

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server's answer, an error of the protocol or of the socket, or of a request that could
    /// not be made.
    Failed {
        error: PgError,
        /// The connection has ended.
        has_ended: bool,
    },
    /// No answer came in time.
    Unanswered,
}

/// The connection of tokio-postgres, whatever its encryption.
trait Protocol: Send {
    fn poll_message(&mut self, cx: &mut Context<'_>)
    -> Poll<Option<Result<AsyncMessage, PgError>>>;
    fn parameter(&self, name: &str) -> Option<&str>;
}

impl<T: tokio_postgres::tls::TlsStream + Unpin + Send> Protocol for Connection<Socket, T> {
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<AsyncMessage, PgError>>> {
        Self::poll_message(self, cx)
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        Self::parameter(self, name)
    }
}

pub(crate) struct Wire {
    protocol: Box<dyn Protocol>,
    watch: Watch,
    call: Arc<Call>,
    waker: Waker,
    interrupt: Interrupt,
    before: Option<Before>,
    has_ended: bool,
    /// The reason why it has ended, until it is taken.
    end: Option<PgError>,
    /// The server's warnings since they were last taken.
    warnings: Vec<DbError>,
    /// Something was received since the last [`is_open`](Self::is_open).
    has_heard: bool,
}

impl Wire {
    pub(crate) fn new<T>(
        connection: Connection<Socket, T>,
        watch: Watch,
        interrupt: Interrupt,
    ) -> Self
    where
        T: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
    {
        let call = Arc::new(Call::default());
        Self {
            protocol: Box::new(connection),
            watch,
            waker: Waker::from(Arc::clone(&call)),
            call,
            interrupt,
            before: None,
            has_ended: false,
            end: None,
            warnings: Vec::new(),
            has_heard: true,
        }
    }

    /// Sends `before` right before the next request, and awaits both answers together.
    pub(crate) fn precede(
        &mut self,
        before: impl Future<Output = Result<(), PgError>> + Send + 'static,
    ) {
        self.before = Some(Box::pin(before));
    }

    /// Withdraws the request that was to precede the next one. Returns whether there was one.
    pub(crate) fn forget_preceding(&mut self) -> bool {
        self.before.take().is_some()
    }

    /// Sends a request and returns its result. `until` is the transaction's deadline, which the
    /// server enforces. If it does not answer shortly after that, the connection is given up.
    pub(crate) fn run<T>(
        &mut self,
        until: Option<Instant>,
        request: impl Future<Output = Result<T, PgError>>,
    ) -> Result<T, Failure> {
        let before = self.before.take();
        let mut request = pin!(both(before, request));
        let mut patience = Patience::new(until);
        loop {
            self.call.take();
            if let Poll::Ready(result) =
                request.as_mut().poll(&mut Context::from_waker(&self.waker))
            {
                return result.map_err(|error| self.fail(error));
            }
            self.advance();
            if self.call.take() {
                continue;
            }
            if self.has_ended {
                // The request will never be woken any more.
                let end = self.end.take();
                return Err(end.map_or(Failure::Unanswered, |error| self.failed(error)));
            }
            if !patience.lasts(&self.interrupt) {
                self.has_ended = true;
                return Err(Failure::Unanswered);
            }
            self.wait(patience.next_look());
        }
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn send<T>(&mut self, request: impl Future<Output = Result<T, PgError>>) {
        let mut request = pin!(request);
        let _ = request.as_mut().poll(&mut Context::from_waker(&self.waker));
        self.advance();
    }

    /// Returns whether the server still keeps this connection, without waiting for it.
    pub(crate) fn is_open(&mut self) -> bool {
        if self.has_ended {
            return false;
        }
        // A connection that has just been used was open a moment ago.
        if !std::mem::take(&mut self.has_heard) && self.watch.is_readable() {
            self.advance();
            self.has_heard = false;
        }
        !self.has_ended
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The parameters that the server has reported.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.protocol.parameter(name)
    }

    pub(crate) fn take_warnings(&mut self) -> Vec<DbError> {
        std::mem::take(&mut self.warnings)
    }

    /// The number of bytes that were sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.watch.accepted()
    }

    /// Terminates the session, within at most `within`. The client must have been dropped.
    pub(crate) fn close(&mut self, within: Duration) {
        self.before = None;
        let until = Instant::now() + within;
        while !self.has_ended && Instant::now() < until {
            self.call.take();
            self.advance();
            if !self.has_ended && !self.call.take() {
                self.wait(until);
            }
        }
    }

    /// Writes what can be written and reads what has arrived.
    fn advance(&mut self) {
        while !self.has_ended {
            let mut cx = Context::from_waker(&self.waker);
            match self.protocol.poll_message(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => self.notice(notice),
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    self.has_ended = true;
                    self.end = Some(error);
                    // The waiting requests have to get the error.
                    self.call.called.store(true, Ordering::Relaxed);
                }
                Poll::Ready(None) => self.has_ended = true,
            }
        }
    }

    fn notice(&mut self, notice: DbError) {
        tracing::debug!(
            severity = notice.severity(),
            code = notice.code().code(),
            message = notice.message(),
            "the server's notice"
        );
        self.warnings.push(notice);
        // They are read at each commit; a publisher may cause any number before.
        if self.warnings.len() > 64 {
            self.warnings.remove(0);
        }
    }

    fn wait(&mut self, until: Instant) {
        match self.watch.wait(Some(until)) {
            Ok(has_come) => self.has_heard |= has_come,
            Err(error) => {
                tracing::error!(%error, "a socket cannot be waited for");
                self.has_ended = true;
            }
        }
    }

    /// A request that finds the connection ended does not have the reason.
    fn fail(&mut self, error: PgError) -> Failure {
        let is_end = error.is_closed();
        self.has_ended |= is_end;
        let end = self.end.take_if(|_| is_end);
        self.failed(end.unwrap_or(error))
    }

    fn failed(&self, error: PgError) -> Failure {
        Failure::Failed {
            error,
            has_ended: self.has_ended,
        }
    }
}

/// Sends both requests in this order, and then waits for both.
async fn both<T>(
    before: Option<Before>,
    request: impl Future<Output = Result<T, PgError>>,
) -> Result<T, PgError> {
    let Some(mut before) = before else {
        return request.await;
    };
    let mut request = pin!(request);
    let mut is_over = false;
    let mut result = None;
    std::future::poll_fn(|cx| {
        if !is_over && let Poll::Ready(over) = before.as_mut().poll(cx) {
            over?;
            is_over = true;
        }
        if result.is_none()
            && let Poll::Ready(ready) = request.as_mut().poll(cx)
        {
            result = Some(ready);
        }
        match result.take_if(|_| is_over) {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    })
    .await
}

/// The time limit for an answer.
struct Patience {
    until: Option<Instant>,
    stopped: Option<Instant>,
}

impl Patience {
    fn new(until: Option<Instant>) -> Self {
        Self {
            until: until.map(|until| until + GRACE),
            stopped: None,
        }
    }

    fn lasts(&mut self, interrupt: &Interrupt) -> bool {
        let now = Instant::now();
        if self.stopped.is_none() && interrupt.is_set() {
            self.stopped = Some(now + GRACE);
        }
        let end = [self.until, self.stopped].into_iter().flatten().min();
        end.is_none_or(|end| now < end)
    }

    fn next_look(&self) -> Instant {
        let look = Instant::now() + LOOK;
        let end = [self.until, self.stopped].into_iter().flatten().min();
        end.map_or(look, |end| look.min(end))
    }
}

/// Notes that a polled future wants to be polled again.
#[derive(Default)]
struct Call {
    called: AtomicBool,
}

impl Call {
    fn take(&self) -> bool {
        self.called.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.called.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.called.store(true, Ordering::Relaxed);
    }
}

/// Runs `future` on a socket that no connection of tokio-postgres drives yet. Returns `None` if it
/// did not end before `until`.
pub(crate) fn block_on<F: Future>(watch: &Watch, until: Instant, future: F) -> Option<F::Output> {
    let call = Arc::new(Call::default());
    let waker = Waker::from(Arc::clone(&call));
    let mut future = pin!(future);
    loop {
        call.take();
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        if call.take() {
            continue;
        }
        // A socket that cannot be waited for ends the wait, too.
        if !watch.wait(Some(until)).unwrap_or(false) {
            return None;
        }
    }
}
