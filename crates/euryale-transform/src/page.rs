//! What transforms know of a page besides the page.

use std::fmt;

use http::request;

use crate::Cpu;

/// The page that is being transformed: what was asked for, and where to compute.
pub struct Page {
    request: request::Parts,
    cpu: Cpu,
}

impl Page {
    pub(crate) fn new(request: request::Parts, cpu: Cpu) -> Self {
        Self { request, cpu }
    }

    /// The head of the request. [`Internal`](euryale_core::Internal) is in its extensions when a stack serves it.
    pub fn request(&self) -> &request::Parts {
        &self.request
    }

    /// Threads for what computes for long, as many as there are cores.
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request::Parts { method, uri, .. } = &self.request;
        f.debug_struct("Page").field("method", method).field("uri", uri).finish_non_exhaustive()
    }
}
