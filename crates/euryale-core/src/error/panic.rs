//! Panics of application code, as values.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// The message of a panic, which is the source of errors with the code
/// [`PANICKED`](crate::error::PANICKED). It is meant for logs and never for clients.
#[derive(Debug)]
pub struct PanicMessage(String);

impl PanicMessage {
    /// Runs `f`, and turns a panic into a message.
    ///
    /// The caller must drop or roll back everything that `f` may have left unfinished.
    ///
    /// # Errors
    /// The panic's message.
    pub fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Self> {
        catch_unwind(AssertUnwindSafe(f)).map_err(Self::new)
    }

    /// The text of the panic, without what [`Display`](fmt::Display) puts before it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Reads the payload of a caught panic, and drops it (a payload's `Drop` may also panic).
    fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a payload that is no text".to_owned());
        drop_quietly(payload);
        Self(message)
    }
}

impl fmt::Display for PanicMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.0)
    }
}

impl std::error::Error for PanicMessage {}

pin_project! {
    /// A future whose panic becomes an error. It must not be polled again after one.
    ///
    /// ```
    /// use euryale_core::error::CatchPanic;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let panic = CatchPanic::new(async { panic!("no more") }).await.unwrap_err();
    /// assert_eq!(panic.to_string(), "panicked: no more");
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct CatchPanic<F> {
        #[pin]
        future: F,
    }
}

impl<F> CatchPanic<F> {
    /// Wraps a future of the application.
    pub fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, PanicMessage>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        PanicMessage::catch(|| this.future.poll(cx))
            .map_or_else(|panic| Poll::Ready(Err(panic)), |poll| poll.map(Ok))
    }
}

/// Drops a value of the application, and catches a panic in its `Drop`.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // A payload that panics in its own drop may do so again, so it is leaked.
        Box::leak(second);
    }
}

/// Drops the values of a list, each by itself, so that a panic in the `Drop` of one does not keep
/// the others from being dropped. An empty list costs one comparison.
#[inline]
pub(crate) fn drop_each_quietly<T>(values: &mut Vec<T>) {
    if values.is_empty() {
        return;
    }
    for value in std::mem::take(values) {
        drop_quietly(value);
    }
}
