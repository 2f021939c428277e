//! Markdown to HTML, and to plain text.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// Where a link of a document leads that begins with a slash.
pub(crate) enum Target {
    /// To this address, where the browser has the path.
    At(String),
    /// Where it says: the browser does not see that path of the site.
    AsWritten,
    /// Nowhere: it would be refused, so only its text is shown.
    Refused,
}

/// Renders CommonMark with tables. `link` returns where the links of this site lead.
///
/// What can be wider than a phone gets a box of its own that scrolls, and that a keyboard reaches.
/// HTML in the text is passed on: documents are written by those who may write here, and no script
/// runs on a page.
pub(crate) fn render(text: &str, link: impl Fn(&str) -> Target) -> String {
    let mut html = String::with_capacity(text.len() * 3 / 2);
    // Links do not nest (CommonMark 0.31 §6.3).
    let mut in_refused_link = false;
    let events = Parser::new_ext(text, Options::ENABLE_TABLES)
        .filter_map(|event| linked(event, &link, &mut in_refused_link));
    html::push_html(&mut html, events.flat_map(boxed));
    html
}

/// With links and pictures of this site as the browser has them, and without links that would be
/// refused.
fn linked<'a>(
    mut event: Event<'a>,
    link: impl Fn(&str) -> Target,
    in_refused_link: &mut bool,
) -> Option<Event<'a>> {
    let is_link = matches!(event, Event::Start(Tag::Link { .. }));
    match &mut event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. })
            if dest_url.starts_with('/') && !dest_url.starts_with("//") =>
        {
            match link(dest_url) {
                Target::At(address) => *dest_url = address.into(),
                Target::Refused if is_link => {
                    *in_refused_link = true;
                    return None;
                }
                Target::AsWritten | Target::Refused => {}
            }
        }
        Event::End(TagEnd::Link) if std::mem::take(in_refused_link) => return None,
        _ => {}
    }
    Some(event)
}

fn boxed(event: Event<'_>) -> impl Iterator<Item = Event<'_>> {
    let (before, after) = match &event {
        Event::Start(Tag::Table(_)) => (
            Some("<div class=\"wide\" role=\"region\" aria-label=\"Table\" tabindex=\"0\">"),
            None,
        ),
        Event::Start(Tag::CodeBlock(_)) => (
            Some("<div class=\"wide\" role=\"region\" aria-label=\"Code\" tabindex=\"0\">"),
            None,
        ),
        Event::End(TagEnd::Table | TagEnd::CodeBlock) => (None, Some("</div>\n")),
        _ => (None, None),
    };
    let tag = |html: &'static str| Event::Html(html.into());
    before
        .map(tag)
        .into_iter()
        .chain(Some(event))
        .chain(after.map(tag))
}

/// The words that a reader sees, without marks, addresses and HTML.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Text(text) | Event::Code(text) => plain.push_str(&text),
            Event::SoftBreak | Event::HardBreak | Event::End(_) if !is_inline(&event) => {
                plain.push(' ');
            }
            _ => {}
        }
    }
    plain
}

/// Does the text go on after this without a space?
fn is_inline(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::End(
            TagEnd::Emphasis
                | TagEnd::Strong
                | TagEnd::Link
                | TagEnd::Image
                | TagEnd::Strikethrough
        )
    )
}
