//! Transforms made of closures.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use euryale_core::BoxError;
use http::response;
use lol_html::Selector;

use crate::{EditHead, Element, Handlers, Page, Rewrite, Transform, TransformPage};

/// Makes a [`Rewrite`] from a closure, which is called for each element that `selector` matches.
///
/// Implement [`Rewrite`] for a rewrite that has several handlers or depends on the request.
///
/// ```
/// use euryale_core::BoxError;
/// use euryale_transform::html_content::ContentType;
/// use euryale_transform::{TransformChainLayer, order, rewrite_fn};
///
/// # fn main() -> Result<(), BoxError> {
/// let notice = rewrite_fn("notice", order::PAGE, "body".parse()?, |body| {
///     body.prepend("<p>Closed on Monday.</p>", ContentType::Html);
///     Ok(())
/// });
/// let chain = TransformChainLayer::new().rewrite(notice.version("monday"));
/// # Ok(())
/// # }
/// ```
pub fn rewrite_fn<F>(
    name: impl Into<Cow<'static, str>>,
    order: i32,
    selector: Selector,
    handler: F,
) -> TransformFn<OnElements<F>>
where
    F: Fn(&mut Element<'_, '_, '_>) -> Result<(), BoxError> + Send + Sync + 'static,
{
    let handler = Arc::new(handler);
    TransformFn::new(name.into(), order, OnElements { selector, handler })
}

/// Makes an [`EditHead`] from a closure.
///
/// ```
/// use euryale_transform::{TransformChainLayer, head_fn, order};
/// use http::HeaderValue;
/// use http::header::X_FRAME_OPTIONS;
///
/// let no_frames = head_fn("no-frames", order::HEADERS, |_page, head| {
///     head.headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
///     Ok(())
/// });
/// let chain = TransformChainLayer::new().edit_head(no_frames);
/// ```
pub fn head_fn<F>(
    name: impl Into<Cow<'static, str>>,
    order: i32,
    edit: F,
) -> TransformFn<OnHeads<F>>
where
    F: Fn(&Page, &mut response::Parts) -> Result<(), BoxError> + Send + Sync + 'static,
{
    TransformFn::new(name.into(), order, OnHeads { edit })
}

/// Makes a [`TransformPage`] from a closure that returns the new page for the whole text of the old
/// one. It runs on one of the chain's [threads](crate::TransformChainLayer::threads), so it may
/// compute for a long time.
///
/// Implement [`TransformPage`] for a transform that waits for something or depends on the request.
///
/// ```
/// use euryale_transform::{TransformChainLayer, order, page_fn};
///
/// let quotes = page_fn("quotes", order::CONTENT, |page| Ok(page.replace("``", "“")));
/// let chain = TransformChainLayer::new().transform_page(quotes.version("1"));
/// ```
pub fn page_fn<F>(
    name: impl Into<Cow<'static, str>>,
    order: i32,
    make: F,
) -> TransformFn<OnPages<F>>
where
    F: Fn(String) -> Result<String, BoxError> + Send + Sync + 'static,
{
    let make = Arc::new(make);
    TransformFn::new(name.into(), order, OnPages { make })
}

/// A transform made from a closure by [`rewrite_fn`], [`head_fn`] or [`page_fn`].
#[must_use]
pub struct TransformFn<W> {
    name: Cow<'static, str>,
    order: i32,
    version: Option<Cow<'static, str>>,
    is_critical: bool,
    applies: Applies,
    work: W,
}

type Applies = Option<Box<dyn Fn(&Page, &response::Parts) -> bool + Send + Sync>>;

impl<W> TransformFn<W> {
    fn new(name: Cow<'static, str>, order: i32, work: W) -> Self {
        Self {
            name,
            order,
            version: None,
            is_critical: false,
            applies: None,
            work,
        }
    }

    /// Makes the transform critical: no page is sent without it (see [`Transform::is_critical`]).
    /// Default: if it fails, the page is sent without it.
    pub fn critical(mut self) -> Self {
        self.is_critical = true;
        self
    }

    /// Calls the closure only for responses for which the predicate is true (see
    /// [`Transform::applies`]). Default: for all.
    pub fn when(
        mut self,
        applies: impl Fn(&Page, &response::Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.applies = Some(Box::new(applies));
        self
    }
}

impl<W: Send + Sync + 'static> Transform for TransformFn<W> {
    fn name(&self) -> &str {
        &self.name
    }

    fn order(&self) -> i32 {
        self.order
    }

    fn applies(&self, page: &Page, response: &response::Parts) -> bool {
        self.applies
            .as_ref()
            .is_none_or(|applies| applies(page, response))
    }

    fn is_critical(&self) -> bool {
        self.is_critical
    }

    fn version(&self) -> Option<Cow<'_, str>> {
        self.version.as_deref().map(Cow::Borrowed)
    }
}

impl<F> TransformFn<OnElements<F>> {
    /// Sets a text that changes whenever the closure would return a different result for the same
    /// page (see [`Transform::version`]). Default: none, so that the page loses its `ETag`.
    pub fn version(mut self, version: impl Into<Cow<'static, str>>) -> Self {
        self.version = Some(version.into());
        self
    }
}

impl<F> TransformFn<OnPages<F>> {
    /// Sets a text that changes whenever the closure would return a different result for the same
    /// text (see [`Transform::version`]). Default: none, so that the page loses its `ETag`.
    pub fn version(mut self, version: impl Into<Cow<'static, str>>) -> Self {
        self.version = Some(version.into());
        self
    }
}

/// The kind of a [`TransformFn`] that [`rewrite_fn`] makes.
pub struct OnElements<F> {
    selector: Selector,
    handler: Arc<F>,
}

impl<F> Rewrite for TransformFn<OnElements<F>>
where
    F: Fn(&mut Element<'_, '_, '_>) -> Result<(), BoxError> + Send + Sync + 'static,
{
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        let handler = Arc::clone(&self.work.handler);
        handlers.element(&self.work.selector, move |element| handler(element));
        Ok(())
    }
}

/// The kind of a [`TransformFn`] that [`head_fn`] makes.
pub struct OnHeads<F> {
    edit: F,
}

impl<F> EditHead for TransformFn<OnHeads<F>>
where
    F: Fn(&Page, &mut response::Parts) -> Result<(), BoxError> + Send + Sync + 'static,
{
    fn edit_head(&self, page: &Page, response: &mut response::Parts) -> Result<(), BoxError> {
        (self.work.edit)(page, response)
    }
}

/// The kind of a [`TransformFn`] that [`page_fn`] makes.
pub struct OnPages<F> {
    make: Arc<F>,
}

impl<F> TransformPage for TransformFn<OnPages<F>>
where
    F: Fn(String) -> Result<String, BoxError> + Send + Sync + 'static,
{
    async fn transform(
        &self,
        page: &Page,
        response: http::Response<String>,
    ) -> Result<http::Response<String>, BoxError> {
        let (head, text) = response.into_parts();
        let make = Arc::clone(&self.work.make);
        let text = page.cpu().run(move || make(text)).await??;
        Ok(http::Response::from_parts(head, text))
    }
}

impl<W> fmt::Debug for TransformFn<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransformFn")
            .field("name", &self.name)
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for OnElements<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnElements")
    }
}

impl<F> fmt::Debug for OnHeads<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnHeads")
    }
}

impl<F> fmt::Debug for OnPages<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnPages")
    }
}
