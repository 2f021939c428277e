//! One call of an application: from `start_response` to `close()`.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use euryale_core::{Blob, Body, Response};
use http::Method;

use crate::announced::Announced;
use crate::collected::Collected;
use crate::start::{Refused, Start};

/// What an application returned, as the host sees it: an iterable of blocks.
pub trait Iterable {
    /// One block of bytes, lent until the next call.
    type Block: AsRef<[u8]>;
    /// What the application raised.
    type Error;

    /// The open file that this iterable is, from its position on, at most `length` bytes of it.
    /// `None`: it is iterated. Asked once, before everything else.
    fn file(&mut self, length: Option<u64>) -> Option<Blob>;

    /// The next block, which may be empty. `None` at the end.
    ///
    /// # Errors
    /// What the application raised. The iterable is closed then, and not asked again.
    fn next(&mut self) -> Result<Option<Self::Block>, Self::Error>;

    /// Calls the iterable's `close()`, if it has one. Called exactly once, in the thread that
    /// iterated.
    ///
    /// # Errors
    /// What the application raised.
    fn close(&mut self) -> Result<(), Self::Error>;
}

/// How much of an answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The number of bytes of an answer that are kept in memory; the rest goes to a file without a
    /// name.
    pub memory: usize,
    /// The number of bytes that an answer may have altogether. A longer one fails.
    pub total: u64,
}

impl Default for Limits {
    /// 64 KiB in memory, 1 GiB altogether, as waitress limits request bodies.
    fn default() -> Self {
        Self {
            memory: 64 << 10,
            total: 1 << 30,
        }
    }
}

/// One call of an application. Shared by `start_response`, the `write` that it returns, and the
/// worker, all of them in one thread; the lock is never held while the application runs.
///
/// The answer is taken to its end before any of it is sent, so the speed of a client does not
/// matter to the worker, and an exception at any time is a clean error page.
#[derive(Debug)]
pub struct Exchange {
    state: Mutex<State>,
    is_head: bool,
    limits: Limits,
}

#[derive(Debug, Default)]
struct State {
    start: Start,
    collected: Collected,
}

/// Whether more blocks are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    More,
    /// As many bytes have come as `Content-Length` announced.
    Enough,
}

impl Exchange {
    /// Begins a call for a request of this method.
    #[must_use]
    pub fn new(method: &Method, limits: Limits) -> Self {
        Self {
            state: Mutex::default(),
            is_head: *method == Method::HEAD,
            limits,
        }
    }

    /// `start_response(status, headers, exc_info)`. With `has_exc_info` it replaces a head that
    /// does not count as sent yet.
    ///
    /// # Errors
    /// [`Refused`], for an exception that the application sees; nothing has changed then.
    /// [`Reraise`](Refused::Reraise) asks for the exception in `exc_info` instead.
    pub fn start_response<'h>(
        &self,
        status: &str,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        has_exc_info: bool,
    ) -> Result<(), Refused> {
        self.lock().start.start(status, headers, has_exc_info)
    }

    /// `write(block)`: sends before anything of the iterable. Bytes beyond `Content-Length`
    /// are dropped.
    ///
    /// # Errors
    /// [`Failure`], for an exception that the application sees.
    pub fn write<E>(&self, block: &[u8]) -> Result<(), Failure<E>> {
        self.take(block).map(drop)
    }

    /// Takes what the application returned to its end, and closes it.
    ///
    /// It stops early when as many bytes have come as `Content-Length` announced. A
    /// [file](Iterable::file) is not iterated: it leaves as a blob, unless something was written
    /// before.
    ///
    /// Returns what `close()` raised, for the log. The answer is complete all the same, and the
    /// application has committed what the answer confirms.
    ///
    /// # Errors
    /// The first [`Failure`]. `close()` was called in any case.
    pub fn run<I: Iterable>(&self, mut iterable: I) -> Result<Option<I::Error>, Failure<I::Error>> {
        let taken = self.take_all(&mut iterable);
        let closed = iterable.close();
        taken.map(|()| closed.err())
    }

    fn take_all<I: Iterable>(&self, iterable: &mut I) -> Result<(), Failure<I::Error>> {
        if let Some(length) = self.may_send_file()
            && let Some(blob) = iterable.file(length)
        {
            self.lock().collected = Collected::Blob(blob);
            return Ok(());
        }
        while let Some(block) = iterable.next().map_err(Failure::Application)? {
            if self.take(block.as_ref())? == Flow::Enough {
                break;
            }
        }
        Ok(())
    }

    /// The announced length, if the head is there and nothing follows it yet.
    fn may_send_file(&self) -> Option<Option<u64>> {
        let state = self.lock();
        match &state.start {
            Start::Started(head) => Some(head.length),
            Start::Fresh | Start::Sent(_) => None,
        }
    }

    fn take<E>(&self, block: &[u8]) -> Result<Flow, Failure<E>> {
        if block.is_empty() {
            return Ok(Flow::More);
        }
        let mut state = self.lock();
        let announced = state.start.send()?;
        let had = state.collected.len();
        let room = announced.unwrap_or(u64::MAX).saturating_sub(had);
        let wanted = &block[..block.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
        if had + wanted.len() as u64 > self.limits.total {
            return Err(Failure::TooLong(self.limits.total));
        }
        // The answer to HEAD has no body: only its length is kept.
        let keep = if self.is_head { &[] } else { wanted };
        state
            .collected
            .push(keep, wanted.len(), self.limits.memory)?;
        let is_enough = announced.is_some_and(|length| state.collected.len() >= length);
        Ok(if is_enough { Flow::Enough } else { Flow::More })
    }

    /// Takes the answer, once the iterable has ended.
    ///
    /// A body that is shorter than `Content-Length` breaks off at its end, so that no client takes
    /// it for the whole.
    ///
    /// # Errors
    /// [`Refused::NotStarted`]; or the file of a long answer cannot be read.
    pub fn finish<E>(&self) -> Result<Response, Failure<E>> {
        let State { start, collected } = std::mem::take(&mut *self.lock());
        let head = start.into_head().ok_or(Refused::NotStarted)?;
        let body = if self.is_head && !matches!(collected, Collected::Blob(_)) {
            let counted = (collected.len() > 0).then(|| collected.len());
            Body::new(Announced::head(head.length.or(counted)))
        } else {
            match head.length {
                Some(length) if collected.len() < length => {
                    Body::new(Announced::new(collected.into_body()?, length))
                }
                _ => collected.into_body()?,
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        if let Some(reason) = head.reason {
            response.extensions_mut().insert(reason);
        }
        Ok(response)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a call ended without an answer.
#[derive(Debug)]
pub enum Failure<E> {
    /// The application broke a rule of PEP 3333.
    Refused(Refused),
    /// The answer is longer than [`Limits::total`], in bytes.
    TooLong(u64),
    /// The file of a long answer could not be written or read.
    Io(io::Error),
    /// The application raised this.
    Application(E),
}

impl<E> From<Refused> for Failure<E> {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<E> From<io::Error> for Failure<E> {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::TooLong(most) => write!(
                f,
                "the answer is longer than {most} bytes: raise max_response_body_size, or answer \
                    with a file through wsgi.file_wrapper"
            ),
            Self::Io(error) => write!(f, "cannot keep the answer in a temporary file: {error}"),
            Self::Application(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for Failure<E> {}
