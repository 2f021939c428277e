//! The traits of transforms.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use euryale_core::ledger::Book;
use euryale_core::{Body, BoxError, Ledger, Response};
use http::response;

use crate::{Handlers, Page};

/// The properties of every transform. Its work is one of [`EditHead`], [`Rewrite`],
/// [`TransformPage`] and [`ComposePage`].
///
/// A short transform is a closure: see [`rewrite_fn`](crate::rewrite_fn).
///
/// ```
/// use euryale_core::BoxError;
/// use euryale_transform::{Handlers, Page, Rewrite, Selector, Transform, TransformChainLayer};
/// use euryale_transform::order;
///
/// /// Tells browsers to open links to other sites in a new tab.
/// struct Outwards {
///     links: Selector,
/// }
///
/// impl Transform for Outwards {
///     fn name(&self) -> &str {
///         "outwards"
///     }
///
///     fn order(&self) -> i32 {
///         order::PAGE
///     }
///
///     fn version(&self) -> Option<std::borrow::Cow<'_, str>> {
///         Some("1".into())
///     }
/// }
///
/// impl Rewrite for Outwards {
///     fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
///         handlers.element(&self.links, |link| Ok(link.set_attribute("target", "_blank")?));
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), BoxError> {
/// let outwards = Outwards { links: "a[href^='https:']".parse()? };
/// let chain = TransformChainLayer::new().rewrite(outwards);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ITransform")]
pub trait Transform: Send + Sync + 'static {
    /// For the log, the metrics and the off switch; ties of [`order`](Self::order) are broken by
    /// it. Few and fixed: each name is a series.
    fn name(&self) -> &str;

    /// Its place in the chain, smallest first. [`order`](crate::order) has names for these numbers.
    fn order(&self) -> i32;

    /// Returns whether it applies to this response. Called before any of the body is read, with the
    /// head from the inner service. A transform of bodies is only asked about HTML pages that are
    /// sent whole and without a content coding.
    fn applies(&self, _page: &Page, _response: &response::Parts) -> bool {
        true
    }

    /// Returns whether no page may be sent without it. Then its failure becomes a response of its
    /// own, 500. Default: no, and the page is sent as it was before this transform.
    fn is_critical(&self) -> bool {
        false
    }

    /// A text that changes whenever the transform would turn the same page into another result: the
    /// hash of a theme, or the number of a release. It becomes a part of the page's `ETag`.
    ///
    /// `None`, the default, means that there is no such text, because the result depends on the
    /// time, the user or other pages. Then the page loses its `ETag`: with a wrong one, clients
    /// would keep outdated pages.
    fn version(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Opens the transform's own book, if it has one, in the ledger that the chain counts in. It is
    /// called when a chain is built, so that the zeros are there before the first page. For a page,
    /// [`Page::book`] returns the same book. Default: no book.
    fn book(&self, _ledger: &Ledger) -> Option<Arc<dyn Book>> {
        None
    }
}

/// Changes the head of a response, of any kind: pages, files, errors, 304.
pub trait EditHead: Transform {
    /// Changes it. Runs on a runtime thread, and must not block.
    ///
    /// # Errors
    /// Any: the head is sent as it was before.
    fn edit_head(&self, page: &Page, response: &mut response::Parts) -> Result<(), BoxError>;
}

/// Rewrites a page while it is streamed, by handlers for elements, text and comments.
///
/// Consecutive rewrites in the chain share **one** parse of the page. Each sees the original page:
/// content that another inserts is not parsed again. If two transforms handle the same element, the
/// earlier one's handler runs first.
pub trait Rewrite: Transform {
    /// Adds the handlers for one page; they may keep state in what they capture.
    ///
    /// # Errors
    /// Any: none of this transform's handlers is used for the page.
    fn rewrite(&self, page: &Page, handlers: &mut Handlers) -> Result<(), BoxError>;
}

/// Turns a whole page into another.
///
/// The page is text: it was decoded by the charset that it declares in its `Content-Type`, UTF-8
/// otherwise. A page that is too large, or is not text, is sent unchanged. The result is sent as
/// UTF-8, and the stack sets its length.
pub trait TransformPage: Transform {
    /// Returns the new page; it may also change the head. Write it as an `async fn`.
    ///
    /// It runs in the request's own task on a runtime thread, and may wait: for sub-requests
    /// through [`Internal`](euryale_core::request::Internal), which
    /// [`of`](euryale_core::request::Internal::of) finds in the extensions of [`Page::request`], or
    /// for [`Page::cpu`], where long computations belong. It holds no worker
    /// and no connection. It is dropped when the client disconnects, or when it takes longer than
    /// the chain allows.
    ///
    /// # Errors
    /// Any: the page is sent as it was before.
    fn transform(
        &self,
        page: &Page,
        response: http::Response<String>,
    ) -> impl Future<Output = Result<http::Response<String>, BoxError>> + Send;
}

/// Turns a whole page into another, as [`TransformPage`] does, and may send its first part before
/// the rest is complete.
pub trait ComposePage: Transform {
    /// Returns the new page. Like [`TransformPage::transform`], except for the body, which is UTF-8
    /// and has no deadline of the chain. A later transform of whole pages waits for all of it.
    ///
    /// # Errors
    /// Any: the page is sent as it was before.
    fn compose(
        &self,
        page: &Page,
        response: http::Response<String>,
    ) -> impl Future<Output = Result<Response, BoxError>> + Send;
}

pub(crate) type Transformed<'a> =
    Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send + 'a>>;

/// A [`TransformPage`] or a [`ComposePage`] whose future is in a box.
pub(crate) trait Whole: Transform {
    fn start<'a>(&'a self, page: &'a Page, response: http::Response<String>) -> Transformed<'a>;
}

impl<T: TransformPage> Whole for T {
    fn start<'a>(&'a self, page: &'a Page, response: http::Response<String>) -> Transformed<'a> {
        Box::pin(async { Ok(self.transform(page, response).await?.map(Body::from)) })
    }
}

pub(crate) struct Composing<T>(pub(crate) T);

impl<T: ComposePage> Whole for Composing<T> {
    fn start<'a>(&'a self, page: &'a Page, response: http::Response<String>) -> Transformed<'a> {
        Box::pin(self.0.compose(page, response))
    }
}

impl<T: Transform> Transform for Composing<T> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn order(&self) -> i32 {
        self.0.order()
    }

    fn applies(&self, page: &Page, response: &response::Parts) -> bool {
        self.0.applies(page, response)
    }

    fn is_critical(&self) -> bool {
        self.0.is_critical()
    }

    fn version(&self) -> Option<Cow<'_, str>> {
        self.0.version()
    }

    fn book(&self, ledger: &Ledger) -> Option<Arc<dyn Book>> {
        self.0.book(ledger)
    }
}

/// A transform of any kind.
#[derive(Clone)]
pub(crate) enum Kind {
    Head(Arc<dyn EditHead>),
    Rewrite(Arc<dyn Rewrite>),
    Whole(Arc<dyn Whole>),
}

impl Kind {
    pub(crate) fn transform(&self) -> &dyn Transform {
        match self {
            Self::Head(transform) => &**transform,
            Self::Rewrite(transform) => &**transform,
            Self::Whole(transform) => &**transform,
        }
    }
}
