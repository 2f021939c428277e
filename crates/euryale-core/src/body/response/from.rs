//! Values that become bodies and responses.

use std::sync::Arc;

use bytes::Bytes;

use super::{BlobBody, Body, Kind};
use crate::body::deferred::DeferredBody;
use crate::body::spooled::Content;
use crate::body::{Blob, BlobHandle, Deferred, SpooledBody, TakeOnce};
use crate::request::Response;

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Full((!bytes.is_empty()).then_some(bytes)),
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<Blob> for Body {
    fn from(blob: Blob) -> Self {
        Self {
            kind: Kind::Blob(BlobBody::Untouched(BlobHandle::new(blob))),
        }
    }
}

impl From<SpooledBody> for Body {
    /// The same bytes, for asynchronous reading. A file is still counted, and closed outside the
    /// runtime's threads.
    fn from(body: SpooledBody) -> Self {
        match &body.content {
            Content::Memory(bytes) => bytes.clone().into(),
            Content::File(blob) => blob.clone().kept_with(Arc::new(body)).into(),
        }
    }
}

impl From<Body> for Response {
    /// 200, with the body's handle in the extensions and the media type of its blob, for a service
    /// that is not a publisher. The blob is counted from [`Body::publish_handle`] on.
    fn from(body: Body) -> Self {
        let mut response = Self::new(body);
        Body::put_handle(&mut response, None);
        response
    }
}

impl From<Blob> for Response {
    /// The same as for a [`Body`] of this blob.
    fn from(blob: Blob) -> Self {
        Body::from(blob).into()
    }
}

impl From<Deferred> for Body {
    fn from(deferred: Deferred) -> Self {
        TakeOnce::new(deferred).into()
    }
}

impl From<TakeOnce<Deferred>> for Body {
    fn from(deferred: TakeOnce<Deferred>) -> Self {
        Self {
            kind: Kind::Deferred(DeferredBody::Untouched(deferred)),
        }
    }
}
