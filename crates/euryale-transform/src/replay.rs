//! Bodies that have already been read in part.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::{Body, BoxError};
use http_body::{Frame, SizeHint};

/// Yields the part that has been read, and then the rest.
pub(crate) struct Replay {
    read: VecDeque<Bytes>,
    rest: Rest,
}

enum Rest {
    Body(Body),
    Error(Option<BoxError>),
}

impl Replay {
    pub(crate) fn body(read: Vec<Bytes>, rest: Body) -> Body {
        Body::new(Self {
            read: read.into(),
            rest: Rest::Body(rest),
        })
    }

    pub(crate) fn failed(read: Vec<Bytes>, error: BoxError) -> Body {
        Body::new(Self {
            read: read.into(),
            rest: Rest::Error(Some(error)),
        })
    }
}

impl http_body::Body for Replay {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(data) = self.read.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match &mut self.rest {
            Rest::Body(body) => Pin::new(body).poll_frame(cx),
            Rest::Error(error) => Poll::Ready(error.take().map(Err)),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty()
            && match &self.rest {
                Rest::Body(body) => body.is_end_stream(),
                Rest::Error(error) => error.is_none(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let Rest::Body(body) = &self.rest else {
            return SizeHint::default();
        };
        let mut size = body.size_hint();
        let read = self.read.iter().map(|data| data.len() as u64).sum::<u64>();
        if let Some(upper) = size.upper() {
            size.set_upper(upper.saturating_add(read));
        }
        size.set_lower(size.lower().saturating_add(read));
        size
    }
}

/// A body that was read to its end, or the unchanged body if it exceeds the limit.
pub(crate) enum Collected {
    All(Vec<Bytes>),
    TooLarge(Body),
    Failed(Vec<Bytes>, BoxError),
}

pub(crate) async fn collect(mut body: Body, limit: usize) -> Collected {
    let limit = limit as u64;
    if http_body::Body::size_hint(&body).lower() > limit {
        return Collected::TooLarge(body);
    }
    let mut read = Vec::new();
    let mut length = 0;
    while let Some(frame) = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await
    {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                length += data.len() as u64;
                read.push(data);
                if length > limit {
                    return Collected::TooLarge(Replay::body(read, body));
                }
            }
            // Trailers describe the original page.
            Ok(Err(_)) => {}
            Err(error) => return Collected::Failed(read, error),
        }
    }
    Collected::All(read)
}
