//! Finds the parts of a document that composition needs.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::LazyLock;

use lol_html::html_content::Element;
use lol_html::{ElementContentHandlers, HtmlRewriter, MemorySettings, Selector, Settings};

use crate::TileErrorKind;
use crate::address::unescape;

pub(crate) type Span = Range<usize>;

/// The parts of a document that composition needs, as ranges of its bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// The value of `data-layout` on the root element.
    pub(crate) layout: Option<String>,
    /// The contents of the first head, and of the first body.
    pub(crate) head: Option<Span>,
    pub(crate) body: Option<Span>,
    /// Where the body's own tag begins.
    pub(crate) body_tag: Option<usize>,
    /// Where the doctype and the root's start tag end.
    pub(crate) top: usize,
    /// The root's own tags, and the doctype: not part of a fragment.
    pub(crate) shell: Vec<Span>,
    /// The placeholders, in document order, none within another.
    pub(crate) tiles: Vec<Placeholder>,
    /// The contents of the panels, by name, in document order.
    pub(crate) panels: Vec<(String, Span)>,
    /// The content of the element whose id is `content`.
    pub(crate) content: Option<Span>,
    /// The titles in the head.
    pub(crate) titles: Vec<Span>,
    /// Other elements that a page may have only once: its base, and its charset.
    pub(crate) once: Vec<Span>,
}

/// The placeholder of a tile.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Placeholder {
    /// The whole element, or only its start tag if the end tag is implied.
    pub(crate) span: Span,
    pub(crate) reference: String,
}

/// The parser's limit of memory, in bytes, for open elements and an incomplete tag. A document that
/// needs more is an error.
const MEMORY: usize = 1 << 20;

type Shared = Rc<RefCell<Outline>>;
type Found = fn(&Shared, &mut Element<'_, '_>);

/// The handlers that collect all parts in one parse.
static WANTED: LazyLock<Vec<(Selector, Found)>> = LazyLock::new(|| {
    let wanted: [(&str, Found); 9] = [
        ("html", found_root),
        ("head", found_head),
        ("body", found_body),
        ("[data-tile]", found_tile),
        ("[data-panel]", found_panel),
        ("#content", found_content),
        ("head title", found_title),
        ("head base, head meta[charset]", found_once),
        ("head meta[http-equiv=\"content-type\" i]", found_once),
    ];
    wanted
        .into_iter()
        .filter_map(|(selector, found)| Some((selector.parse().ok()?, found)))
        .collect()
});

impl Outline {
    /// Parses a document.
    pub(crate) fn of(text: &str) -> Result<Self, TileErrorKind> {
        let outline = Shared::default();
        let memory = MemorySettings::new().with_max_allowed_memory_usage(MEMORY);
        let mut settings = Settings::new()
            .with_memory_settings(memory)
            .with_strict(false);
        for (selector, found) in WANTED.iter() {
            let outline = Rc::clone(&outline);
            let found = *found;
            let handler = move |element: &mut Element<'_, '_>| {
                found(&outline, element);
                Ok(())
            };
            let handlers = ElementContentHandlers::default().element(handler);
            settings = settings.append_element_content_handler((Cow::Borrowed(selector), handlers));
        }
        let doctype = Rc::clone(&outline);
        settings = settings.append_document_content_handler(lol_html::doctype!(move |found| {
            doctype.borrow_mut().begin(found.source_location().bytes());
            Ok(())
        }));
        let mut reader = HtmlRewriter::new(settings, |_: &[u8]| {});
        reader
            .write(text.as_bytes())
            .and_then(|()| reader.end())
            .map_err(|_| TileErrorKind::NotHtml)?;
        let mut outline = outline.take();
        outline.tidy(text.len());
        Ok(outline)
    }

    fn begin(&mut self, tag: Span) {
        self.top = self.top.max(tag.end);
        self.shell.push(tag);
    }

    /// Drops all parts that are within a placeholder, and sorts each list by start position.
    fn tidy(&mut self, len: usize) {
        let is_open = |span: &Span| span.end == OPEN;
        if let Some(head) = self.head.take_if(|head| is_open(head)) {
            // The body's tag ends the head. Without a body, the end of the head is unknown.
            self.head = self
                .body_tag
                .filter(|at| *at >= head.start)
                .map(|at| head.start..at);
        }
        if let Some(body) = self.body.as_mut().filter(|body| is_open(body)) {
            body.end = len;
        }
        self.content.take_if(|content| is_open(content));
        let mut end = 0;
        self.tiles.sort_by_key(|tile| tile.span.start);
        self.tiles.retain(|tile| {
            let is_outer = tile.span.start >= end;
            end = end.max(tile.span.end);
            is_outer
        });
        self.panels.sort_by_key(|(_, span)| span.start);
        self.shell.sort_by_key(|span| span.start);
        self.once.sort_by_key(|span| span.start);
        // Both selectors match `<meta http-equiv="Content-Type" charset="utf-8">`.
        self.once.dedup();
    }
}

fn found_root(outline: &Shared, root: &mut Element<'_, '_>) {
    let mut found = outline.borrow_mut();
    if found.layout.is_none() {
        found.layout = root
            .get_attribute("data-layout")
            .map(|reference| unescape(&reference));
    }
    found.begin(root.source_location().bytes());
    drop(found);
    let outline = Rc::clone(outline);
    at_end(root, move |end| outline.borrow_mut().shell.push(end));
}

fn found_head(outline: &Shared, head: &mut Element<'_, '_>) {
    inside(outline, head, |outline| &mut outline.head);
}

fn found_body(outline: &Shared, body: &mut Element<'_, '_>) {
    outline
        .borrow_mut()
        .body_tag
        .get_or_insert(body.source_location().bytes().start);
    inside(outline, body, |outline| &mut outline.body);
}

fn found_content(outline: &Shared, content: &mut Element<'_, '_>) {
    inside(outline, content, |outline| &mut outline.content);
}

/// The end of an element whose end tag has not been found yet.
const OPEN: usize = usize::MAX;

/// Records the content of the first element of its kind.
fn inside(
    outline: &Shared,
    element: &mut Element<'_, '_>,
    field: fn(&mut Outline) -> &mut Option<Span>,
) {
    let start = element.source_location().bytes().end;
    if field(&mut outline.borrow_mut()).is_some() {
        return;
    }
    *field(&mut outline.borrow_mut()) = Some(start..OPEN);
    let outline = Rc::clone(outline);
    at_end(element, move |end| {
        *field(&mut outline.borrow_mut()) = Some(start..end.start);
    });
}

fn found_tile(outline: &Shared, element: &mut Element<'_, '_>) {
    let Some(reference) = element.get_attribute("data-tile") else {
        return;
    };
    let span = element.source_location().bytes();
    let reference = unescape(&reference);
    let start = span.start;
    let mut found = outline.borrow_mut();
    let at = found.tiles.len();
    found.tiles.push(Placeholder { span, reference });
    drop(found);
    let outline = Rc::clone(outline);
    at_end(element, move |end| {
        outline.borrow_mut().tiles[at].span = start..end.end;
    });
}

fn found_panel(outline: &Shared, element: &mut Element<'_, '_>) {
    let Some(name) = element.get_attribute("data-panel") else {
        return;
    };
    let start = element.source_location().bytes().end;
    let name = unescape(&name);
    let outline = Rc::clone(outline);
    at_end(element, move |end| {
        outline.borrow_mut().panels.push((name, start..end.start));
    });
}

fn found_title(outline: &Shared, title: &mut Element<'_, '_>) {
    let start = title.source_location().bytes().start;
    let outline = Rc::clone(outline);
    at_end(title, move |end| {
        outline.borrow_mut().titles.push(start..end.end);
    });
}

fn found_once(outline: &Shared, element: &mut Element<'_, '_>) {
    outline
        .borrow_mut()
        .once
        .push(element.source_location().bytes());
}

/// Passes the position of the element's own end tag to `found`. If the end is implied, `found` is
/// not called: the parser then reports the end tag of a parent.
fn at_end(element: &mut Element<'_, '_>, found: impl FnOnce(Span) + 'static) {
    let name = element.tag_name();
    if let Some(handlers) = element.end_tag_handlers() {
        handlers.push(Box::new(move |end| {
            if end.name() == name {
                found(end.source_location().bytes());
            }
            Ok(())
        }));
    }
}
