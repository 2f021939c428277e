//! Documents that rules take content from.

use std::fmt;
use std::time::Duration;

use euryale_core::ledger::Counter;
use euryale_core::{CatchPanic, Internal, InternalRequest, PanicMessage, Route};
use euryale_subrequest::{
    Caching, ReferenceError, SubResponseError, read_html, resolve, sub_request,
};
use euryale_transform::{Page, Parts};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::DocumentBook;

/// Bytes of one document.
const MAX_DOCUMENT: usize = 4 << 20;
/// Sub-requests of sub-requests that still take content from documents.
const MAX_DEPTH: u32 = 10;
/// Documents of one page that are fetched at a time.
const AT_A_TIME: usize = 8;

/// Documents fetched for a page.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// Those that were fetched, by their `href`.
    pub(crate) html: Vec<(String, String)>,
    /// Their caching rules, for the page that contains them.
    pub(crate) caching: Caching,
}

impl Documents {
    /// Fetches documents for the client of a page, some at a time, in order, all of them `within`
    /// this time. A missing one is logged and counted, and keeps the page out of caches.
    pub(crate) async fn fetch(page: &Page, hrefs: Vec<String>, within: Duration) -> Self {
        let until = Instant::now() + within;
        let book = page.ledger().of::<DocumentBook>();
        let mut documents = Self::default();
        let mut fetches = JoinSet::new();
        let mut hrefs = hrefs.into_iter();
        loop {
            for href in hrefs.by_ref().take(AT_A_TIME - fetches.len()) {
                let asked = ask(page, &href);
                let fetched = async move { (href, answered(asked, until).await) };
                fetches.spawn(fetched.in_current_span());
            }
            let Some(joined) = fetches.join_next().await else {
                return documents;
            };
            // A panic of the inner service becomes a failed answer.
            let Ok((href, answer)) = joined else { continue };
            match answer {
                Ok((html, caching)) => {
                    book.parts.ok.add(1);
                    documents.caching.and(&caching);
                    documents.html.push((href, html));
                }
                Err(missing) => {
                    missing.counter(&book.parts).add(1);
                    documents.caching.and(&Caching::never());
                    tracing::warn!(href, error = %missing, "nothing is taken from this document");
                }
            }
        }
    }
}

/// Asks for a document on behalf of the page's client. The future borrows nothing of the page.
fn ask(
    page: &Page,
    href: &str,
) -> Result<impl Future<Output = Result<(String, Caching), Missing>> + use<>, Missing> {
    let page = page.request();
    let internal = page
        .extensions
        .get::<Internal>()
        .ok_or(Missing::NoStack)?
        .clone();
    if InternalRequest::of(&page.extensions).is_some_and(|mark| mark.depth() >= MAX_DEPTH) {
        return Err(Missing::TooDeep);
    }
    let mut asked = sub_request(page, resolve(&page.uri, href)?);
    asked.extensions_mut().insert(Route::new("theme"));
    let from = page.extensions.clone();
    Ok(async move {
        let response = internal
            .request(asked, &from)
            .await
            .map_err(Missing::Unanswered)?;
        let caching = Caching::of(response.headers());
        Ok((read_html(response, MAX_DOCUMENT).await?, caching))
    })
}

async fn answered<T>(
    asked: Result<impl Future<Output = Result<T, Missing>>, Missing>,
    until: Instant,
) -> Result<T, Missing> {
    match CatchPanic::new(timeout_at(until, asked?)).await {
        Ok(in_time) => in_time.unwrap_or(Err(Missing::Elapsed)),
        Err(panic) => Err(Missing::Panicked(panic)),
    }
}

/// Why no content is taken from a document.
#[derive(Debug)]
enum Missing {
    NoStack,
    Address(ReferenceError),
    TooDeep,
    Unanswered(euryale_core::Error),
    NoHtml(SubResponseError),
    Elapsed,
    Panicked(PanicMessage),
}

impl Missing {
    fn counter<'p>(&self, documents: &'p Parts) -> &'p Counter {
        match self {
            Self::Address(_) => &documents.address,
            Self::TooDeep | Self::NoHtml(SubResponseError::TooLarge) => &documents.limit,
            Self::Unanswered(_) | Self::NoHtml(SubResponseError::Status(_)) => &documents.status,
            Self::NoHtml(SubResponseError::NotHtml | SubResponseError::NotText) => {
                &documents.content
            }
            Self::Elapsed => &documents.elapsed,
            Self::NoStack | Self::NoHtml(_) | Self::Panicked(_) => &documents.failed,
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStack => f.write_str("there is no `Internal` to ask"),
            Self::Address(error) => error.fmt(f),
            Self::TooDeep => write!(f, "documents ask for documents, {MAX_DEPTH} deep"),
            Self::Unanswered(error) => error.fmt(f),
            Self::NoHtml(SubResponseError::Failed(error)) => write!(f, "it broke off: {error}"),
            Self::NoHtml(error) => error.fmt(f),
            Self::Elapsed => f.write_str("not in time"),
            Self::Panicked(panic) => panic.fmt(f),
        }
    }
}

impl From<ReferenceError> for Missing {
    fn from(error: ReferenceError) -> Self {
        Self::Address(error)
    }
}

impl From<SubResponseError> for Missing {
    fn from(error: SubResponseError) -> Self {
        Self::NoHtml(error)
    }
}
