//! The value that the layers attach to a request.

use std::sync::Arc;

use euryale_core::request::RequestContext;
use http::Extensions;

use crate::{Client, PublicUrl};

pub(crate) struct Visit {
    /// `None` if there is no [`ForwardedLayer`](crate::ForwardedLayer) around the caller.
    pub(crate) client: Option<Client>,
    pub(crate) url: PublicUrl,
}

impl Visit {
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        RequestContext::get(extensions)
    }

    pub(crate) fn attach(self, extensions: &mut Extensions) {
        RequestContext::insert(extensions, Arc::new(self));
    }

    /// Replaces the public URL and keeps the client.
    pub(crate) fn put_url(extensions: &mut Extensions, url: PublicUrl) {
        let client = Client::of(extensions);
        Self { client, url }.attach(extensions);
    }
}
