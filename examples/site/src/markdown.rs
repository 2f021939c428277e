//! Markdown to HTML, and to plain text.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// Renders CommonMark with tables. `link` says where the browser has a path of this site, if it has
/// it.
///
/// What can be wider than a phone gets a box of its own that scrolls, and that a keyboard reaches.
/// HTML in the text is passed on: documents are written by those who may write here, and no script
/// runs on a page.
pub(crate) fn render(text: &str, link: impl Fn(&str) -> Option<String>) -> String {
    let mut html = String::with_capacity(text.len() * 3 / 2);
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).map(|event| linked(event, &link));
    html::push_html(&mut html, events.flat_map(boxed));
    html
}

/// With links and pictures of this site as the browser has them.
fn linked<'a>(mut event: Event<'a>, link: impl Fn(&str) -> Option<String>) -> Event<'a> {
    if let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = &mut event
        && dest_url.starts_with('/')
        && !dest_url.starts_with("//")
        && let Some(address) = link(dest_url)
    {
        *dest_url = address.into();
    }
    event
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
