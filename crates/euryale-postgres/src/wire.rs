//! Drives a connection in its worker: a request, its answer, and everything that the server sends
//! in between.

mod call;
mod patience;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use euryale_core::transaction::Interrupt;
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Connection};

use self::call::Call;
pub(crate) use self::call::block_on;
use self::patience::Patience;
use crate::cancel::Cancel;
use crate::socket::{Socket, Watch};

type PgError = tokio_postgres::Error;

/// The number of notices after which a worker checks the time, should the server never pause.
const NOTICES: usize = 64;

/// The futures of requests that were sent before and whose answers must arrive before the next
/// result counts.
type Before = Pin<Box<dyn Future<Output = Result<(), PgError>> + Send>>;

/// The reason why a request has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the server, of the protocol or of the socket, or a request that could not be
    /// made.
    Failed {
        error: PgError,
        /// Whether the connection has ended.
        has_ended: bool,
    },
    /// No answer arrived in time.
    Unanswered,
    /// It was not sent, because its transaction was stopped.
    Stopped,
}

/// The connection of tokio-postgres, with any kind of encryption.
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
    cancel: Arc<Cancel>,
    before: Option<Before>,
    has_ended: bool,
    /// The reason why the connection has ended, until it is taken.
    end: Option<PgError>,
    /// The server's warnings since they were last taken.
    warnings: Vec<DbError>,
    /// Whether something was received since the last [`is_open`](Self::is_open).
    has_heard: bool,
}

impl Wire {
    pub(crate) fn new<T>(
        connection: Connection<Socket, T>,
        watch: Watch,
        interrupt: Interrupt,
        cancel: Arc<Cancel>,
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
            cancel,
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

    /// Withdraws the request that would precede the next one. Returns whether there was one.
    pub(crate) fn forget_preceding(&mut self) -> bool {
        self.before.take().is_some()
    }

    /// Sends a request and returns its result. `until` is the transaction's deadline, which the
    /// server enforces. If it does not answer shortly after that, the connection is given up. The
    /// request of a transaction that was stopped is not sent, or is cancelled until it ends.
    pub(crate) fn run<T>(
        &mut self,
        until: Option<Instant>,
        request: impl Future<Output = Result<T, PgError>>,
    ) -> Result<T, Failure> {
        self.run_with(Patience::new(until), request)
    }

    /// Sends a commit, which nothing stops. If the server turns out to be a primary no longer and
    /// does not answer, the connection is given up.
    pub(crate) fn commit(
        &mut self,
        is_current: impl Fn() -> bool,
        request: impl Future<Output = Result<(), PgError>>,
    ) -> Result<(), Failure> {
        self.run_with(Patience::of_commit(&is_current), request)
    }

    fn run_with<T>(
        &mut self,
        mut patience: Patience<'_>,
        request: impl Future<Output = Result<T, PgError>>,
    ) -> Result<T, Failure> {
        if self.before.is_some() {
            self.cancel.hold();
        }
        if self.interrupt.is_set() {
            self.cancel.release();
            return Err(Failure::Stopped);
        }
        let cancel = Arc::clone(&self.cancel);
        let before = self.before.take();
        let mut request = pin!(both(before, &cancel, request));
        loop {
            self.call.take();
            if let Poll::Ready(result) =
                request.as_mut().poll(&mut Context::from_waker(&self.waker))
            {
                return result.map_err(|error| self.fail(error));
            }
            self.advance();
            let is_called = self.call.take();
            if self.has_ended && !is_called {
                // The request will never be woken any more.
                let end = self.end.take();
                return Err(end.map_or(Failure::Unanswered, |error| self.failed(error)));
            }
            if !patience.lasts(&self.interrupt, &cancel) {
                self.has_ended = true;
                return Err(Failure::Unanswered);
            }
            if !is_called {
                self.wait(patience.next_look());
            }
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

    /// Returns a parameter that the server has reported.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.protocol.parameter(name)
    }

    pub(crate) fn take_warnings(&mut self) -> Vec<DbError> {
        std::mem::take(&mut self.warnings)
    }

    /// Returns the number of bytes that have been sent so far.
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
        for _ in 0..NOTICES {
            if self.has_ended {
                return;
            }
            let mut cx = Context::from_waker(&self.waker);
            match self.protocol.poll_message(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => self.notice(notice),
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    self.has_ended = true;
                    self.end = Some(error);
                    // The waiting requests have to get the error.
                    self.call.set();
                }
                Poll::Ready(None) => self.has_ended = true,
            }
        }
        // There may be more.
        self.call.set();
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
        if self.warnings.len() > NOTICES {
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

    /// Returns the failure of a request. A request that finds the connection ended does not have
    /// the reason.
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

/// Sends both requests in this order, and then waits for both. Until the first one is answered,
/// nothing is cancelled.
async fn both<T>(
    before: Option<Before>,
    cancel: &Cancel,
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
            cancel.release();
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
