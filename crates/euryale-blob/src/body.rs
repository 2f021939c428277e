//! The body of several parts.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::body::BlobChunks;
use euryale_core::{Blob, BoxError};
use http::HeaderValue;
use http_body::{Body, Frame, SizeHint};

use crate::chunks::{Chunks, Reader};
use crate::range::Span;

/// Parts of a blob as `multipart/byteranges` (RFC 9110 §14.6). All parts are read from the same
/// descriptor, one after the other.
pub(crate) struct Multipart {
    reader: Reader,
    parts: VecDeque<Part>,
    state: Position,
    left: u64,
}

struct Part {
    head: Bytes,
    blob: Blob,
}

/// Begun ⇒ Between at the first poll. Between ⇒ Within after the head of a part, or Ended after the
/// last boundary. Within ⇒ Between after the last byte of the part, or Ended after an error.
enum Position {
    Begun,
    Between,
    Within { chunks: Box<Chunks>, left: u64 },
    Ended,
}

impl Multipart {
    /// Returns the body and its `Content-Type`. The parts have the blob's type, `media`.
    pub(crate) fn new(
        reader: &Reader,
        blob: &Blob,
        spans: &[Span],
        media: Option<&HeaderValue>,
    ) -> (Self, HeaderValue) {
        // The boundary is random, so that nobody can put it into a file in advance.
        let boundary = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let mut before = "";
        let mut parts = VecDeque::with_capacity(spans.len() + 1);
        for span in spans {
            let mut head = format!("{before}--{boundary}\r\n").into_bytes();
            if let Some(media) = media {
                head.extend_from_slice(b"Content-Type: ");
                head.extend_from_slice(media.as_bytes());
                head.extend_from_slice(b"\r\n");
            }
            let range = format!(
                "Content-Range: bytes {}-{}/{}\r\n\r\n",
                span.first,
                span.last,
                blob.len()
            );
            head.extend_from_slice(range.as_bytes());
            parts.push_back(Part {
                head: head.into(),
                blob: blob.slice(span.first, span.len()),
            });
            before = "\r\n";
        }
        parts.push_back(Part {
            head: format!("\r\n--{boundary}--\r\n").into(),
            blob: blob.slice(0, 0),
        });
        let left = parts
            .iter()
            .map(|part| part.head.len() as u64 + part.blob.len())
            .sum();
        let media = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"))
            .unwrap_or_else(|_| HeaderValue::from_static("multipart/byteranges"));
        (
            Self {
                reader: reader.clone(),
                parts,
                state: Position::Begun,
                left,
            },
            media,
        )
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if matches!(self.state, Position::Begun) {
            self.reader.count();
            self.state = Position::Between;
        }
        if let Position::Within { chunks, left } = &mut self.state {
            let chunk = ready!(chunks.poll_chunk(cx))?;
            *left -= (chunk.len() as u64).min(*left);
            if *left == 0 {
                self.state = Position::Between;
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
        let Some(Part { head, blob }) = self.parts.pop_front() else {
            return Poll::Ready(None);
        };
        self.state = match blob.len() {
            0 => Position::Ended,
            left => Position::Within {
                chunks: Box::new(self.reader.chunks(blob)),
                left,
            },
        };
        Poll::Ready(Some(Ok(head)))
    }
}

impl Body for Multipart {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let read = ready!(self.poll_bytes(cx));
        Poll::Ready(match read {
            Some(Ok(bytes)) => {
                self.left -= (bytes.len() as u64).min(self.left);
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => {
                self.parts.clear();
                (self.state, self.left) = (Position::Ended, 0);
                Some(Err(error.into()))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
