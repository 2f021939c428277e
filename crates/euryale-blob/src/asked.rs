//! The parts of a request that decide how a blob is sent.

use http::header::{
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};

const FIELDS: [HeaderName; 6] = [
    IF_MATCH,
    IF_UNMODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    RANGE,
    IF_RANGE,
];

/// The method and header fields that are kept while the inner service handles the request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Asking,
    pub(crate) version: Version,
    fields: HeaderMap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    Get,
    Head,
    /// Conditions and ranges do not apply to the answers of such methods (RFC 9110 §13.2.1, §14.2).
    Other,
}

impl Asked {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let method = match *request.method() {
            Method::GET => Asking::Get,
            Method::HEAD => Asking::Head,
            _ => Asking::Other,
        };
        let mut fields = HeaderMap::new();
        for name in &FIELDS {
            for value in request.headers().get_all(name) {
                fields.append(name, value.clone());
            }
        }
        Self {
            method,
            version: request.version(),
            fields,
        }
    }

    /// Returns all lines of a list-valued field, or `None` if the request does not have it.
    pub(crate) fn lines(&self, name: &HeaderName) -> Option<impl Iterator<Item = &HeaderValue>> {
        self.fields
            .contains_key(name)
            .then(|| self.fields.get_all(name).iter())
    }

    /// Returns the value of a field that is not a list. A field that was sent more than once is
    /// invalid and ignored.
    pub(crate) fn single(&self, name: &HeaderName) -> Option<&HeaderValue> {
        let mut values = self.fields.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    }

    pub(crate) fn has(&self, name: &HeaderName) -> bool {
        self.fields.contains_key(name)
    }
}
