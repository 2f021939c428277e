//! The handlers of a streaming rewrite for elements, text and comments.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use euryale_core::BoxError;
use lol_html::Selector;
use lol_html::html_content::{Comment, Doctype, DocumentEnd, EndTag, TextChunk};
use lol_html::send::{self, DocumentContentHandlers, ElementContentHandlers, Settings};

use crate::text::IsText;
use crate::watch::Watch;

/// The handlers of one transform for one page. See [`Rewrite`](crate::Rewrite).
///
/// If a handler fails or panics, its transform ends for this page: its earlier changes stay, and
/// none of its handlers is called again. Other transforms continue.
pub struct Handlers {
    watch: Arc<Watch>,
    is_text: IsText,
    reads_text: bool,
    elements: Vec<(Selector, ElementContentHandlers<'static>)>,
    document: Vec<DocumentContentHandlers<'static>>,
}

impl Handlers {
    pub(crate) fn new(watch: Arc<Watch>, is_text: IsText) -> Self {
        Self {
            watch,
            is_text,
            reads_text: false,
            elements: Vec::new(),
            document: Vec::new(),
        }
    }

    /// Calls `handler` for each element that `selector` matches, when its start tag has been read.
    pub fn element<F>(&mut self, selector: &Selector, mut handler: F) -> &mut Self
    where
        F: FnMut(&mut Element<'_, '_, '_>) -> Result<(), BoxError> + Send + 'static,
    {
        let watch = Arc::clone(&self.watch);
        let handlers = ElementContentHandlers::default().element(
            move |element: &mut send::Element<'_, '_>| {
                watch.call(|| {
                    handler(&mut Element {
                        inner: element,
                        watch: &watch,
                    })
                })
            },
        );
        self.elements.push((selector.clone(), handlers));
        self
    }

    /// Calls `handler` for each piece of text in the elements that `selector` matches. A text may
    /// be split into pieces anywhere; see [`TextChunk::last_in_text_node`].
    pub fn text<F>(&mut self, selector: &Selector, mut handler: F) -> &mut Self
    where
        F: FnMut(&mut TextChunk<'_>) -> Result<(), BoxError> + Send + 'static,
    {
        let watch = Arc::clone(&self.watch);
        let is_text = self.is_text.clone();
        let handlers = ElementContentHandlers::default().text(move |text: &mut TextChunk<'_>| {
            is_text.check()?;
            watch.call(|| handler(text))
        });
        self.reads_text = true;
        self.elements.push((selector.clone(), handlers));
        self
    }

    /// Calls `handler` for each comment in the elements that `selector` matches.
    pub fn comments<F>(&mut self, selector: &Selector, mut handler: F) -> &mut Self
    where
        F: FnMut(&mut Comment<'_>) -> Result<(), BoxError> + Send + 'static,
    {
        let watch = Arc::clone(&self.watch);
        let handlers = ElementContentHandlers::default()
            .comments(move |comment: &mut Comment<'_>| watch.call(|| handler(comment)));
        self.elements.push((selector.clone(), handlers));
        self
    }

    /// Calls `handler` for the document type.
    pub fn doctype<F>(&mut self, mut handler: F) -> &mut Self
    where
        F: FnMut(&mut Doctype<'_>) -> Result<(), BoxError> + Send + 'static,
    {
        let watch = Arc::clone(&self.watch);
        let handlers = DocumentContentHandlers::default()
            .doctype(move |doctype: &mut Doctype<'_>| watch.call(|| handler(doctype)));
        self.document.push(handlers);
        self
    }

    /// Calls `handler` when the whole page has been read.
    pub fn end<F>(&mut self, handler: F) -> &mut Self
    where
        F: FnOnce(&mut DocumentEnd<'_>) -> Result<(), BoxError> + Send + 'static,
    {
        let watch = Arc::clone(&self.watch);
        let handlers = DocumentContentHandlers::default()
            .end(move |end: &mut DocumentEnd<'_>| watch.call(|| handler(end)));
        self.document.push(handlers);
        self
    }

    pub(crate) fn reads_text(&self) -> bool {
        self.reads_text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.elements.is_empty() && self.document.is_empty()
    }

    pub(crate) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }

    pub(crate) fn add_to(self, settings: Settings<'static, 'static>) -> Settings<'static, 'static> {
        let settings =
            self.elements
                .into_iter()
                .fold(settings, |settings, (selector, handlers)| {
                    settings.append_element_content_handler((Cow::Owned(selector), handlers))
                });
        self.document
            .into_iter()
            .fold(settings, Settings::append_document_content_handler)
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers")
            .field("elements", &self.elements.len())
            .field("document", &self.document.len())
            .finish_non_exhaustive()
    }
}

/// An element of the page: lol_html's own type.
pub struct Element<'a, 'r, 't> {
    inner: &'a mut send::Element<'r, 't>,
    watch: &'a Arc<Watch>,
}

impl Element<'_, '_, '_> {
    /// Calls `handler` for the end tag, if the element can have one. It is not called for an
    /// element that is closed by another element's end tag.
    pub fn on_end_tag<F>(&mut self, handler: F)
    where
        F: FnOnce(&mut EndTag<'_>) -> Result<(), BoxError> + Send + 'static,
    {
        let watch = Arc::clone(self.watch);
        if let Some(handlers) = self.inner.end_tag_handlers() {
            handlers.push(Box::new(move |end: &mut EndTag<'_>| {
                watch.call(|| handler(end))
            }));
        }
    }
}

impl<'r, 't> Deref for Element<'_, 'r, 't> {
    type Target = send::Element<'r, 't>;

    fn deref(&self) -> &Self::Target {
        self.inner
    }
}

impl DerefMut for Element<'_, '_, '_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.inner
    }
}

impl fmt::Debug for Element<'_, '_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Element")
            .field("tag_name", &self.inner.tag_name())
            .finish_non_exhaustive()
    }
}
