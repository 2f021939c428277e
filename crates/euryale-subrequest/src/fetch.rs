//! Fetches documents of the site for a page.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use euryale_core::error::{CatchPanic, PanicMessage};
use euryale_core::ledger::Counter;
use euryale_core::request::{Internal, InternalRequest, Route};
use euryale_core::{Error, Response};
use http::header::LOCATION;
use http::{Extensions, StatusCode, Uri, request};
use tokio::time::{Instant, timeout_at};

use crate::{Caching, Parts, ReferenceError, SubResponseError, read_html, resolve, sub_request};

type Allow = Arc<dyn Fn(&Uri) -> bool + Send + Sync>;

/// Fetches documents on behalf of the client of one page, through the [`Internal`] in the
/// extensions of its request.
///
/// ```
/// use std::sync::Arc;
///
/// use euryale_core::request::Route;
/// use euryale_subrequest::{Fetch, in_time, resolve};
/// use http::request::Parts;
/// use tokio::time::{Duration, Instant};
///
/// # async fn compose(page: Arc<Parts>) -> Result<(), Box<dyn std::error::Error>> {
/// let fetch = Fetch::of(page.clone(), Route::new("menu"))?.limit(1 << 20);
/// let menu = fetch.html(resolve(&page.uri, "/menu")?, 0);
/// let menu = in_time(Instant::now() + Duration::from_secs(5), menu).await?;
/// assert!(menu.html.contains("<nav>"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Fetch {
    page: Arc<request::Parts>,
    internal: Internal,
    route: Route,
    allow: Option<Allow>,
    max_depth: u32,
    limit: usize,
    follows: bool,
    may_be_empty: bool,
}

/// A fetched document.
#[derive(Debug)]
#[non_exhaustive]
pub struct Document {
    /// The text of the document.
    pub html: String,
    /// The caching rules for a page that contains the document: the strictest of its answer and of
    /// the redirects that led to it.
    pub caching: Caching,
}

impl Fetch {
    /// Creates a fetcher for `page` whose requests have this route. Documents may have 4 MiB, and
    /// may be nested ten deep.
    ///
    /// # Errors
    /// [`FetchError::NoStack`]: the page is not served by a stack.
    pub fn of(page: Arc<request::Parts>, route: Route) -> Result<Self, FetchError> {
        let internal = Internal::of(&page.extensions).ok_or(FetchError::NoStack)?;
        Ok(Self {
            page,
            internal,
            route,
            allow: None,
            max_depth: 10,
            limit: 4 << 20,
            follows: false,
            may_be_empty: false,
        })
    }

    /// Fetches only the addresses for which `allow` is true. Default: all addresses of this site.
    #[must_use]
    pub fn allow(mut self, allow: Arc<dyn Fn(&Uri) -> bool + Send + Sync>) -> Self {
        self.allow = Some(allow);
        self
    }

    /// The maximum nesting of documents; 1 for the documents of a page that is not a document
    /// itself. Default: 10.
    #[must_use]
    pub fn max_depth(mut self, depth: u32) -> Self {
        self.max_depth = depth;
        self
    }

    /// The maximum length of a document, in bytes. Default: 4 MiB.
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Follows redirects within the site. Each counts as one level of nesting. Default: a redirect
    /// is an error.
    #[must_use]
    pub fn follow_redirects(mut self) -> Self {
        self.follows = true;
        self
    }

    /// Accepts 204 (No Content) as an empty document. Default: it is an error.
    #[must_use]
    pub fn no_content(mut self) -> Self {
        self.may_be_empty = true;
        self
    }

    /// Returns the head of the page's request.
    #[must_use]
    pub fn page(&self) -> &request::Parts {
        &self.page
    }

    /// Returns how many documents could be published at once now, if that is known:
    /// [`Internal::room`].
    #[must_use]
    pub fn room(&self) -> Option<usize> {
        self.internal.room()
    }

    /// Checks whether the page may contain the document at `address`, `nesting` documents below it.
    ///
    /// # Errors
    /// The document is nested too deeply, or its address is not allowed.
    pub fn check(&self, address: &Uri, nesting: u32) -> Result<(), FetchError> {
        let page = InternalRequest::of(&self.page.extensions).map_or(0, |mark| mark.depth());
        if page.saturating_add(nesting) >= self.max_depth {
            return Err(FetchError::TooDeep(self.max_depth));
        }
        if self.allow.as_ref().is_some_and(|allow| !allow(address)) {
            return Err(FetchError::NotAllowed);
        }
        Ok(())
    }

    /// Fetches the HTML at `address` for a document that is `nesting` documents below the page; 0
    /// for the page's own documents.
    ///
    /// There is no deadline: see [`in_time`].
    ///
    /// # Errors
    /// The reason why there is no document.
    pub async fn html(&self, mut address: Uri, mut nesting: u32) -> Result<Document, FetchError> {
        let mut caching = Caching::default();
        loop {
            self.check(&address, nesting)?;
            let response = self.ask(&address, nesting).await?;
            // A redirect may depend on the client, just like a document.
            caching.and(&Caching::of(response.headers()));
            if !(self.follows && response.status().is_redirection()) {
                let html = self.read(response).await?;
                return Ok(Document { html, caching });
            }
            let status = SubResponseError::Status(response.status());
            let to = response
                .headers()
                .get(LOCATION)
                .and_then(|to| to.to_str().ok())
                .ok_or(status)?;
            address = resolve(&address, to)?;
            nesting += 1;
        }
    }

    /// Returns the extensions that mark a request for a document `nesting` levels below the page.
    fn above(&self, nesting: u32) -> Extensions {
        let mut above = Extensions::new();
        if let Some(mark) = InternalRequest::of(&self.page.extensions) {
            above.insert(mark);
        }
        for _ in 0..nesting {
            let mark = InternalRequest::below(&above);
            above.insert(mark);
        }
        above
    }

    async fn ask(&self, address: &Uri, nesting: u32) -> Result<Response, FetchError> {
        let mut request = sub_request(&self.page, address.clone());
        request.extensions_mut().insert(self.route.clone());
        let answered = self.internal.request(request, &self.above(nesting)).await;
        answered.map_err(|error| FetchError::Unanswered {
            address: address.clone(),
            error,
        })
    }

    async fn read(&self, response: Response) -> Result<String, FetchError> {
        if self.may_be_empty && response.status() == StatusCode::NO_CONTENT {
            return Ok(String::new());
        }
        Ok(read_html(response, self.limit).await?)
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("page", &self.page.uri)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

/// Waits for `fetched` until this time. If the inner service panics outside a worker, the document
/// fails.
///
/// # Errors
/// Those of `fetched`, [`FetchError::Elapsed`] and [`FetchError::Panicked`].
pub async fn in_time<T>(
    until: Instant,
    fetched: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    match CatchPanic::new(timeout_at(until, fetched)).await {
        Ok(in_time) => in_time.unwrap_or(Err(FetchError::Elapsed)),
        Err(panic) => Err(FetchError::Panicked(panic)),
    }
}

/// The reason why a document is missing.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// The page's request has no [`Internal`].
    NoStack,
    /// The address is malformed or outside the site.
    Address(ReferenceError),
    /// [`Fetch::allow`] does not allow the address.
    NotAllowed,
    /// The document is nested more deeply than [`Fetch::max_depth`], which is this number.
    TooDeep(u32),
    /// The service failed without an answer.
    Unanswered {
        /// The address of the request, after redirects.
        address: Uri,
        /// The failure.
        error: Error,
    },
    /// The answer is not an HTML document.
    NoHtml(SubResponseError),
    /// The document did not arrive in time.
    Elapsed,
    /// The inner service panicked outside a worker.
    Panicked(PanicMessage),
}

impl FetchError {
    /// Returns the counter of documents that are missing for this reason.
    #[must_use]
    pub fn counter<'p>(&self, parts: &'p Parts) -> &'p Counter {
        match self {
            Self::Address(_) | Self::NotAllowed => &parts.address,
            Self::TooDeep(_) | Self::NoHtml(SubResponseError::TooLarge) => &parts.limit,
            Self::Unanswered { .. } | Self::NoHtml(SubResponseError::Status(_)) => &parts.status,
            Self::NoHtml(SubResponseError::NotHtml | SubResponseError::NotText) => &parts.content,
            Self::Elapsed => &parts.elapsed,
            Self::NoStack | Self::NoHtml(_) | Self::Panicked(_) => &parts.failed,
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStack => f.write_str("there is no `Internal` to ask"),
            Self::Address(error) => error.fmt(f),
            Self::NotAllowed => f.write_str("its address is not allowed"),
            Self::TooDeep(most) => write!(f, "documents ask for documents, {most} deep"),
            Self::Unanswered { error, .. } => error.fmt(f),
            Self::NoHtml(error) => error.fmt(f),
            Self::Elapsed => f.write_str("not in time"),
            Self::Panicked(panic) => panic.fmt(f),
        }
    }
}

impl std::error::Error for FetchError {
    /// Returns the source of the inner error, whose text is already part of this error's text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Address(error) => error.source(),
            Self::Unanswered { error, .. } => error.source(),
            Self::NoHtml(error) => error.source(),
            Self::Panicked(panic) => panic.source(),
            Self::NoStack | Self::NotAllowed | Self::TooDeep(_) | Self::Elapsed => None,
        }
    }
}

impl From<ReferenceError> for FetchError {
    fn from(error: ReferenceError) -> Self {
        Self::Address(error)
    }
}

impl From<SubResponseError> for FetchError {
    fn from(error: SubResponseError) -> Self {
        Self::NoHtml(error)
    }
}
