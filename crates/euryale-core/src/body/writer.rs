//! Bodies that synchronous code writes.

#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tracing::Span;

use crate::body::TakeOnce;
use crate::body::announced::{Announced, Measured};
use crate::body::window::Window;
use crate::error::BoxError;
use crate::threads::{Done, RunBlocking, Work};

/// The writer to which synchronous code writes a body, on its own thread, after the transaction.
///
/// Written bytes are sent as soon as the client reads: nothing is held back, so `flush` has nothing
/// to do. Small writes are collected while the client is slower. Put a
/// [`BufWriter`](std::io::BufWriter) around it to write a few bytes at a time.
///
/// # Backpressure
/// At most a window of bytes waits to be sent (default: 64 KiB). When the window is full, writes
/// block.
///
/// # Errors
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe) from a write or a flush if the client has
/// disconnected. [`TimedOut`](io::ErrorKind::TimedOut) if it has read nothing for a minute; the
/// body then breaks off, whatever the writer does next.
#[doc(alias = "IUnboundStreamIterator")]
pub struct BodyWriter {
    window: Arc<Window>,
}

impl BodyWriter {
    /// Sends `bytes` without a copy, once at least one of them fits into the window.
    ///
    /// # Errors
    /// As for a write.
    pub fn send(&mut self, bytes: impl Into<Bytes>) -> io::Result<()> {
        self.window.push(bytes.into())
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.window.write(bytes)
    }

    /// Checks that the client is still there; there is nothing to flush.
    fn flush(&mut self) -> io::Result<()> {
        self.window.check()
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyWriter")
    }
}

/// The handle of a body that synchronous code writes, in the extensions of a response. With it a
/// layer can choose where that code runs.
#[derive(Clone)]
pub struct WriterHandle {
    content: TakeOnce<Unstarted>,
}

struct Unstarted {
    write: WriteBody,
    runner: Option<Arc<dyn RunBlocking>>,
    window: usize,
    stall: Duration,
    span: Span,
}

type WriteBody = Box<dyn FnOnce(&mut BodyWriter) -> io::Result<()> + Send>;

impl WriterHandle {
    fn new(write: impl FnOnce(&mut BodyWriter) -> io::Result<()> + Send + 'static) -> Self {
        let window = 64 << 10;
        let stall = Duration::from_secs(60);
        let unstarted = Unstarted {
            write: Box::new(write),
            runner: None,
            window,
            stall,
            span: Span::current(),
        };
        Self {
            content: TakeOnce::new(unstarted),
        }
    }

    /// Makes `runner` run the code, instead of the previous runner. None of the methods has an
    /// effect once the body was polled.
    pub fn run_by(&self, runner: Arc<dyn RunBlocking>) {
        // The previous value is dropped outside the lock.
        let mut runner = Some(runner);
        self.content
            .update(|content| std::mem::swap(&mut content.runner, &mut runner));
    }

    /// Sets the number of bytes that may wait to be sent, at least 1. Default: 64 KiB.
    pub fn window(&self, bytes: usize) {
        self.content.update(|content| content.window = bytes);
    }

    /// Sets how long the client may read nothing while the window is full. Default: 60 s.
    pub fn stall(&self, time: Duration) {
        self.content.update(|content| content.stall = time);
    }

    /// Returns whether the body was polled, or dropped by a layer.
    pub fn is_started(&self) -> bool {
        self.content.is_taken()
    }
}

impl fmt::Debug for WriterHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterHandle")
            .field("started", &self.is_started())
            .finish()
    }
}

/// The body.
pub(crate) struct WriterBody {
    state: Progress,
    announced: Option<Announced>,
}

/// Untouched ⇒ Sending at the first poll, Sending ⇒ Ended when the writer has ended and everything
/// was sent; an error ⇒ Ended, and the same error from the body.
enum Progress {
    Untouched(WriterHandle),
    Sending(Sending),
    Ended,
}

pub(crate) struct Sending {
    window: Arc<Window>,
    done: Option<Done<io::Result<()>>>,
    span: Span,
}

impl WriterBody {
    pub(crate) fn new(
        write: impl FnOnce(&mut BodyWriter) -> io::Result<()> + Send + 'static,
    ) -> Self {
        Self {
            state: Progress::Untouched(WriterHandle::new(write)),
            announced: None,
        }
    }

    pub(crate) fn of_length(self, length: u64) -> Self {
        Self {
            announced: Some(Announced::new(length)),
            ..self
        }
    }

    /// Returns the handle, or `None` if the body was polled.
    pub(crate) fn handle(&self) -> Option<&WriterHandle> {
        if let Progress::Untouched(handle) = &self.state {
            Some(handle)
        } else {
            None
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, Progress::Ended)
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.announced
            .as_ref()
            .map(Announced::left)
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = loop {
            break match &mut self.state {
                Progress::Untouched(handle) => match start(handle) {
                    Ok(sending) => {
                        self.state = Progress::Sending(sending);
                        continue;
                    }
                    Err(error) => Some(Err(error)),
                },
                Progress::Sending(sending) => match ready!(sending.poll_piece(cx)).transpose() {
                    Ok(piece) => match Announced::measure(&mut self.announced, piece) {
                        Ok(Measured::Wait) => continue,
                        Ok(Measured::Send(piece)) => Some(Ok(piece)),
                        Ok(Measured::End(last)) => {
                            self.state = Progress::Ended;
                            last.map(Ok)
                        }
                        Err(error) => Some(Err(sending.failed(error))),
                    },
                    Err(error) => Some(Err(error)),
                },
                Progress::Ended => None,
            };
        };
        if matches!(piece, Some(Err(_))) {
            (self.state, self.announced) = (Progress::Ended, None);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}

fn start(handle: &WriterHandle) -> Result<Sending, BoxError> {
    // Only the body takes the writer, and there is only one body.
    let unstarted = handle
        .content
        .take()
        .ok_or("the writer of this body was taken")?;
    let Unstarted {
        write,
        runner,
        window,
        stall,
        span,
    } = unstarted;
    let window = Arc::new(Window::new(window, stall));
    let mut writer = BodyWriter {
        window: Arc::clone(&window),
    };
    let (work, done) = span.in_scope(|| Work::new(move || write(&mut writer)));
    let sending = Sending {
        window,
        done: Some(done),
        span,
    };
    work.start(runner.as_ref())
        .inspect_err(|error| sending.log(error))?;
    Ok(sending)
}

impl Sending {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            let piece = self.window.poll_piece(cx);
            if let Poll::Ready(piece) = piece {
                return Poll::Ready(Some(piece.map_err(|error| self.failed(error))));
            }
            // There is nothing to send, and if the writer has ended, there never will be.
            let Some(done) = &mut self.done else {
                return Poll::Ready(None);
            };
            let ended = ready!(Pin::new(done).poll(cx));
            self.done = None;
            match ended {
                // Bytes that the writer wrote between the two checks are visible now.
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Poll::Ready(Some(Err(self.failed(error)))),
                Err(error) => return Poll::Ready(Some(Err(self.failed(error)))),
            }
        }
    }

    fn failed(&self, error: impl Into<BoxError>) -> BoxError {
        let error = error.into();
        self.log(&*error);
        error
    }

    /// Logs the error, because the head has been sent and no error page can follow.
    fn log(&self, error: &(dyn StdError + 'static)) {
        self.span
            .in_scope(|| tracing::error!(error, "a body broke off"));
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.window.close();
    }
}

/// The items that an iterator may yield as a body: bytes, or results of bytes.
pub trait IntoChunk: sealed::Sealed {
    /// Returns the bytes.
    ///
    /// # Errors
    /// The iterator's error. The body then breaks off.
    fn into_chunk(self) -> Result<Bytes, BoxError>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! chunks {
    ($($kind:ty),*) => {$(
        impl sealed::Sealed for $kind {}
        impl IntoChunk for $kind {
            fn into_chunk(self) -> Result<Bytes, BoxError> {
                Ok(self.into())
            }
        }
    )*};
}

chunks!(Bytes, Vec<u8>, String, &'static str, &'static [u8]);

impl<T, E> sealed::Sealed for Result<T, E> {}

impl<T: Into<Bytes>, E: Into<BoxError>> IntoChunk for Result<T, E> {
    fn into_chunk(self) -> Result<Bytes, BoxError> {
        self.map(Into::into).map_err(Into::into)
    }
}

/// Writes all chunks of an iterator.
pub(crate) fn send_all<I>(chunks: I, writer: &mut BodyWriter) -> io::Result<()>
where
    I: IntoIterator<Item: IntoChunk>,
{
    chunks
        .into_iter()
        .try_for_each(|chunk| writer.send(chunk.into_chunk().map_err(io::Error::other)?))
}
