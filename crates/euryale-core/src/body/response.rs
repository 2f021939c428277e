//! The body of a response, and of a request above the spool.

mod from;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

use super::blob::{BlobChunks, BlobHandle};
use super::deferred::{Deferred, DeferredBody, DeferredHandle};
use super::early::{EarlyBody, JobEnd};
use super::fall_back::FallBack;
use super::spooled::SpooledBody;
use super::writer::{self, BodyWriter, IntoChunk, WriterBody};
use crate::error::BoxError;
use crate::ledger::{GaugeGuard, Ledger};
use crate::request::Response;

/// The body of a response: bytes, an open file, a response still being computed, the output of
/// synchronous code, or any other body in a box.
///
/// It works without any layer. Layers find a file or a deferred response by the handle that
/// [`publish_handle`](Body::publish_handle) puts into the response's extensions.
///
/// It is `Send` and not `Sync`.
pub struct Body {
    kind: Kind,
}

enum Kind {
    Full(Option<Bytes>),
    Blob(BlobBody),
    Deferred(DeferredBody),
    Writer(Box<WriterBody>),
    Early(Box<EarlyBody>),
    Boxed(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>),
    /// An empty body with the size that the answer to a GET request would have.
    HeadOnly(SizeHint),
}

enum BlobBody {
    Untouched(BlobHandle),
    Reading {
        chunks: Box<dyn BlobChunks>,
        left: u64,
    },
    Ended,
}

impl Body {
    /// Creates an empty body.
    pub fn empty() -> Self {
        Self {
            kind: Kind::Full(None),
        }
    }

    /// Boxes any other body; a `Body` is not boxed again.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        // A second box around the same type would hide its kind from `publish_handle`.
        if let Some(own) = (&mut body as &mut dyn std::any::Any).downcast_mut::<Option<Self>>() {
            return own.take().unwrap_or_else(Self::empty);
        }
        match body {
            Some(body) => Self {
                kind: Kind::Boxed(Box::pin(Boxed { body })),
            },
            None => Self::empty(),
        }
    }

    /// Creates the body of a response that is computed after the transaction, without holding the
    /// worker.
    pub fn deferred<F, E>(future: F) -> Self
    where
        F: Future<Output = Result<Response, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Deferred::new(future).into()
    }

    /// Creates a body that `write` writes after the transaction, on a thread that may block.
    /// `write` is called when the body is first polled, and never for a HEAD request.
    ///
    /// Its length is unknown; see [`writer_of_length`](Body::writer_of_length). An error or a panic
    /// breaks the body off, so that no client mistakes a part for the whole.
    ///
    /// ```
    /// use std::io::Write;
    /// use euryale_core::Body;
    /// use euryale_core::body::BodyWriter;
    ///
    /// let body = Body::writer(|writer: &mut BodyWriter| {
    ///     (0..1000).try_for_each(|row| writeln!(writer, "{row};{}", row * row))
    /// });
    /// # drop(body);
    /// ```
    pub fn writer<F>(write: F) -> Self
    where
        F: FnOnce(&mut BodyWriter) -> io::Result<()> + Send + 'static,
    {
        Self {
            kind: Kind::Writer(Box::new(WriterBody::new(write))),
        }
    }

    /// Like [`writer`](Body::writer), for a body of `length` bytes. The length is sent to clients,
    /// which can then show the progress of a download, and is the answer to a HEAD request.
    ///
    /// A writer that fails, or writes fewer or more bytes, breaks the body off. So the last bytes
    /// are sent only after the writer has returned. The writer of an empty body may never run.
    pub fn writer_of_length<F>(length: u64, write: F) -> Self
    where
        F: FnOnce(&mut BodyWriter) -> io::Result<()> + Send + 'static,
    {
        Self {
            kind: Kind::Writer(Box::new(WriterBody::new(write).of_length(length))),
        }
    }

    /// Creates a body of the chunks that `chunks` yields: bytes, or results of bytes. Like a
    /// [`writer`](Body::writer), the iterator is created and read on a thread that may block, at
    /// most a window ahead of the client.
    #[doc(alias = "IStreamIterator")]
    pub fn iter<I>(chunks: I) -> Self
    where
        I: IntoIterator<Item: IntoChunk> + Send + 'static,
    {
        Self::writer(move |writer| writer::send_all(chunks, writer))
    }

    /// The body of an early answer.
    pub(crate) fn early(body: EarlyBody) -> Self {
        Self {
            kind: Kind::Early(Box::new(body)),
        }
    }

    /// Ends this body with the job that writes it, if it is that of an early answer.
    pub(crate) fn continue_with(&mut self, job: JobEnd) {
        if let Kind::Early(body) = &mut self.kind {
            body.continue_with(job);
        }
    }

    /// The body of the answer to a HEAD request, with this size.
    pub(crate) fn head_of(size: SizeHint) -> Self {
        Self {
            kind: Kind::HeadOnly(size),
        }
    }

    /// Returns whether this is the body of an early answer, which leaves while it is still written.
    pub fn is_early(&self) -> bool {
        matches!(self.kind, Kind::Early(_))
    }

    /// Returns whether this is a deferred response.
    pub fn is_deferred(&self) -> bool {
        matches!(self.kind, Kind::Deferred(_))
    }

    /// Takes the spooled file from which this body was made, if there is one and nothing of it was
    /// read. The body then fails when it is polled.
    pub fn take_spooled(&mut self) -> Option<SpooledBody> {
        let Kind::Blob(BlobBody::Untouched(handle)) = &self.kind else {
            return None;
        };
        let spooled = SpooledBody::of_blob(&handle.blob()?)?;
        handle.take();
        Some(spooled)
    }

    /// Turns this body into that of the answer to a HEAD request: only its size is kept, if it is
    /// known. A blob is kept, for the layer that answers with its validators; a deferred response
    /// is not started.
    #[must_use]
    pub fn head_only(self) -> Self {
        if matches!(self.kind, Kind::Blob(_)) {
            return self;
        }
        Self {
            kind: Kind::HeadOnly(http_body::Body::size_hint(&self)),
        }
    }

    /// Creates the body of the answer to a HEAD request whose GET would have `len` bytes.
    #[must_use]
    pub fn head_of_length(len: u64) -> Self {
        Self {
            kind: Kind::HeadOnly(http_body::SizeHint::with_exact(len)),
        }
    }

    /// Puts the handle of a response's blob, deferred response or writer into its extensions, and
    /// counts an open blob in `ledger` from now on. The response gets the
    /// [media type](crate::body::Blob::typed) of its blob if it has no `Content-Type`. `Publish`
    /// calls this; a second call changes nothing.
    pub fn publish_handle(response: &mut Response, ledger: &Ledger) {
        Self::put_handle(response, Some(ledger));
    }

    fn put_handle(response: &mut Response, ledger: Option<&Ledger>) {
        match &response.body().kind {
            Kind::Blob(BlobBody::Untouched(handle)) => {
                let handle = handle.clone();
                if let Some(ledger) = ledger {
                    handle.count(|| GaugeGuard::new(&ledger.blobs.open, 1));
                }
                if !response
                    .extensions()
                    .get::<BlobHandle>()
                    .is_some_and(|known| known.is_same(&handle))
                {
                    if !response.headers().contains_key(CONTENT_TYPE)
                        && let Some(media_type) = handle.media_type()
                    {
                        response.headers_mut().insert(CONTENT_TYPE, media_type);
                    }
                    response.extensions_mut().insert(handle);
                }
            }
            Kind::Deferred(DeferredBody::Untouched(deferred)) => {
                let deferred = deferred.clone();
                response
                    .extensions_mut()
                    .insert(DeferredHandle { deferred });
            }
            Kind::Writer(writer) => {
                if let Some(handle) = writer.handle().cloned() {
                    response.extensions_mut().insert(handle);
                }
            }
            Kind::Full(_) | Kind::Early(_) | Kind::Boxed(_) | Kind::HeadOnly(_) => {}
            // The body was polled already.
            Kind::Blob(_) | Kind::Deferred(_) => {}
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.kind {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Blob(blob) => blob.poll_frame(cx),
            Kind::Deferred(deferred) => deferred.poll_frame(cx),
            Kind::Writer(writer) => writer.poll_frame(cx),
            Kind::Early(body) => body.poll_frame(cx),
            Kind::Boxed(body) => body.as_mut().poll_frame(cx),
            Kind::HeadOnly(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full(bytes) => bytes.is_none(),
            Kind::Blob(blob) => blob.remaining() == 0,
            Kind::Deferred(DeferredBody::Sending(body)) => body.is_end_stream(),
            Kind::Deferred(_) => false,
            Kind::Writer(writer) => writer.is_ended(),
            Kind::Early(body) => body.is_ended(),
            Kind::Boxed(body) => body.is_end_stream(),
            // hyper would write a length of 0 for an ended body.
            Kind::HeadOnly(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Kind::Blob(blob) => SizeHint::with_exact(blob.remaining()),
            Kind::Deferred(DeferredBody::Sending(body)) => body.size_hint(),
            Kind::Deferred(_) => SizeHint::default(),
            Kind::Writer(writer) => writer.size_hint(),
            Kind::Early(body) => body.size_hint(),
            Kind::Boxed(body) => body.size_hint(),
            Kind::HeadOnly(size) => *size,
        }
    }
}

impl BlobBody {
    /// Untouched ⇒ Reading at the first poll, or Ended when a layer took the blob. Reading ⇒ Ended
    /// with the last byte, or with an error.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Self::Untouched(handle) = self {
            let Some(content) = handle.take_content() else {
                *self = Self::Ended;
                return Poll::Ready(Some(Err("a layer took the blob of this body".into())));
            };
            let left = content.blob.len();
            *self = match content.reader {
                _ if left == 0 => Self::Ended,
                Some(reader) => Self::Reading {
                    chunks: reader.read(content.blob),
                    left,
                },
                None => Self::Reading {
                    chunks: Box::new(FallBack::new(content.blob)),
                    left,
                },
            };
        }
        let Self::Reading { chunks, left } = self else {
            return Poll::Ready(None);
        };
        let read = ready!(chunks.poll_chunk(cx)).and_then(|chunk| {
            let len = chunk.len() as u64;
            // More bytes than announced would end up in the next response.
            match left.checked_sub(len) {
                Some(rest) if len > 0 => Ok((chunk, rest)),
                _ => Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "a blob was not read as it is",
                )),
            }
        });
        match read {
            Ok((chunk, rest)) => {
                *left = rest;
                if rest == 0 {
                    *self = Self::Ended;
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Err(error) => {
                *self = Self::Ended;
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn remaining(&self) -> u64 {
        match self {
            Self::Untouched(handle) => handle.len(),
            Self::Reading { left, .. } => *left,
            Self::Ended => 0,
        }
    }
}

pin_project! {
    // Any body, with a boxed error.
    struct Boxed<B> {
        #[pin]
        body: B,
    }
}

impl<B> http_body::Body for Boxed<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().body.poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Full(_) => "Body::Full",
            Kind::Blob(_) => "Body::Blob",
            Kind::Deferred(_) => "Body::Deferred",
            Kind::Writer(_) => "Body::Writer",
            Kind::Early(_) => "Body::Early",
            Kind::Boxed(_) => "Body::Boxed",
            Kind::HeadOnly(_) => "Body::HeadOnly",
        })
    }
}
