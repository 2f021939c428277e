//! The traits of transforms.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use euryale_core::ledger::Book;
use euryale_core::{Body, BoxError, Ledger, Response};
use http::response;

use crate::{Handlers, Page};

/// The properties of a transform. A transform also implements one of [`EditHead`], [`Rewrite`],
/// [`TransformPage`] and [`ComposePage`].
///
/// For a short transform, a closure is enough: see [`rewrite_fn`](crate::rewrite_fn).
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
    /// Returns the name for the log, the metrics and the off switch. It also orders transforms with
    /// the same [`order`](Self::order). Use few fixed names, because each is a time series.
    fn name(&self) -> &str;

    /// Returns the position in the chain, smallest first. [`order`](crate::order) has names for
    /// these numbers.
    fn order(&self) -> i32;

    /// Returns whether the transform applies to this response. It is called before any of the body
    /// is read, with the head from the inner service. For a transform of bodies, it is called only
    /// for HTML pages that are sent whole and without a content coding.
    fn applies(&self, _page: &Page, _response: &response::Parts) -> bool {
        true
    }

    /// Returns whether the transform is critical: if it fails, the page is replaced by a 500.
    /// Default: `false`, and the page is sent as it was before this transform.
    fn is_critical(&self) -> bool {
        false
    }

    /// Returns a text that changes whenever the result for the same page would change, such as the
    /// hash of a theme or the number of a release. It becomes a part of the page's `ETag`.
    ///
    /// `None`, the default, means that there is no such text, because the result depends on the
    /// time, the user or other pages. The page then loses its `ETag`, because with a wrong one
    /// clients would keep outdated pages.
    fn version(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Opens the transform's own book, if it has one, in the ledger of the chain. It is called when
    /// a chain is built, so that the counters exist before the first page. [`Page::book`] returns
    /// the same book for each page. Default: no book.
    fn book(&self, _ledger: &Ledger) -> Option<Arc<dyn Book>> {
        None
    }
}

/// Changes the head of any response: pages, files, errors, 304.
pub trait EditHead: Transform {
    /// Changes the head. It runs on a runtime thread and must not block.
    ///
    /// # Errors
    /// On any error, the head is sent as it was before.
    fn edit_head(&self, page: &Page, response: &mut response::Parts) -> Result<(), BoxError>;
}

/// Rewrites a page while it is streamed, by handlers for elements, text and comments.
///
/// Consecutive rewrites in the chain share **one** parse of the page. Each sees the original page:
/// content that another one inserts is not parsed again. If two transforms handle the same element,
/// the handler of the earlier one runs first.
pub trait Rewrite: Transform {
    /// Adds the handlers for one page. They may keep state in their captured variables.
    ///
    /// # Errors
    /// On any error, none of this transform's handlers is used for the page.
    fn rewrite(&self, page: &Page, handlers: &mut Handlers) -> Result<(), BoxError>;
}

/// Turns a whole page into another.
///
/// The page is text that was decoded by the charset in its `Content-Type`, or as UTF-8 if it
/// declares none. A page that is too large, or is not text, is sent unchanged. The result is sent
/// as UTF-8, and the stack sets its length.
pub trait TransformPage: Transform {
    /// Returns the new page, and may also change the head. Write it as an `async fn`.
    ///
    /// It runs in the request's own task on a runtime thread. It may wait for sub-requests through
    /// [`Internal::of`](euryale_core::request::Internal::of) the extensions of [`Page::request`],
    /// and for [`Page::cpu`], where long computations belong. It holds no worker and no connection.
    /// It is dropped when the client disconnects, or when it exceeds the chain's deadline.
    ///
    /// # Errors
    /// On any error, the page is sent as it was before.
    fn transform(
        &self,
        page: &Page,
        response: http::Response<String>,
    ) -> impl Future<Output = Result<http::Response<String>, BoxError>> + Send;
}

/// Turns a whole page into another, like [`TransformPage`], but may send the first part before the
/// rest is complete.
pub trait ComposePage: Transform {
    /// Returns the new page, like [`TransformPage::transform`]. The returned body is UTF-8, and the
    /// chain's deadline does not apply to it. A later transform of whole pages waits for all of it.
    ///
    /// # Errors
    /// On any error, the page is sent as it was before.
    fn compose(
        &self,
        page: &Page,
        response: http::Response<String>,
    ) -> impl Future<Output = Result<Response, BoxError>> + Send;
}

pub(crate) type Transformed<'a> =
    Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send + 'a>>;

/// A [`TransformPage`] or a [`ComposePage`] whose future is boxed.
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
