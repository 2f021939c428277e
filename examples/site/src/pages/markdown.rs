//! Markdown to HTML, and to plain text.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// The target of a document's link that begins with a slash.
pub(crate) enum Target {
    /// The browser's address for the path.
    At(String),
    /// Unchanged, because the path has no address for the browser.
    AsWritten,
    /// Nothing: a request would be refused, so only its text is shown.
    Refused,
}

/// Renders CommonMark with tables. `link` returns the targets of links within this site.
///
/// Content that can be wider than a phone gets its own box that scrolls and that a keyboard can
/// reach. Pictures are loaded when they are scrolled to. Front matter is not shown. A heading of
/// the first level becomes one of the second: the first one is the title's. HTML in the text is
/// passed on: only people with permission write documents, and scripts do not run on a page.
pub(crate) fn render(text: &str, mut link: impl FnMut(&str) -> Target) -> String {
    let (_, text) = front_matter(text);
    let mut html = String::with_capacity(text.len() * 3 / 2);
    // Links do not nest (CommonMark 0.31 §6.3).
    let mut in_refused_link = false;
    let events = Parser::new_ext(text, Options::ENABLE_TABLES)
        .filter_map(|event| linked(event, &mut link, &mut in_refused_link));
    html::push_html(&mut html, Lazy(events.flat_map(boxed)));
    html
}

/// Events in which each picture is HTML: a browser loads it when it is scrolled to, or nearly so.
struct Lazy<I>(I);

impl<'a, I: Iterator<Item = Event<'a>>> Iterator for Lazy<I> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let event = self.0.next()?;
        if !matches!(event, Event::Start(Tag::Image { .. })) {
            return Some(event);
        }
        let mut picture = vec![event];
        // The text of a picture may hold further pictures, of which only their text counts.
        let mut depth = 1_usize;
        while depth > 0 {
            let Some(event) = self.0.next() else {
                break;
            };
            match &event {
                Event::Start(Tag::Image { .. }) => depth += 1,
                Event::End(TagEnd::Image) => depth -= 1,
                _ => {}
            }
            picture.push(event);
        }
        let mut html = String::new();
        html::push_html(&mut html, picture.into_iter());
        let html = html.replacen("<img ", "<img loading=\"lazy\" ", 1);
        Some(Event::InlineHtml(html.into()))
    }
}

/// Rewrites the targets of links and pictures within this site to the browser's addresses, and
/// removes links that would be refused.
fn linked<'a>(
    mut event: Event<'a>,
    mut link: impl FnMut(&str) -> Target,
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
        Event::Start(Tag::Heading { level, .. }) | Event::End(TagEnd::Heading(level))
            if *level == HeadingLevel::H1 =>
        {
            *level = HeadingLevel::H2;
        }
        _ => {}
    }
    Some(event)
}

fn boxed(event: Event<'_>) -> impl Iterator<Item = Event<'_>> {
    let (before, after) = match &event {
        Event::Start(Tag::Table(_)) => (
            Some("<div class=\"wide\" role=\"group\" aria-label=\"Table\" tabindex=\"0\">"),
            None,
        ),
        Event::Start(Tag::CodeBlock(_)) => (
            Some("<div class=\"wide\" role=\"group\" aria-label=\"Code\" tabindex=\"0\">"),
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

/// The words that a reader sees, without marks, addresses and HTML. Headings, list items and cells
/// of tables are separated by dots.
pub(crate) fn plain(text: &str) -> String {
    let (_, text) = front_matter(text);
    let mut plain = Plain::with_capacity(text.len());
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Text(text) | Event::Code(text) => plain.push(&text),
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::Paragraph) => plain.push(" "),
            Event::End(TagEnd::Heading(_) | TagEnd::Item | TagEnd::TableCell) => plain.part(),
            Event::End(end) if !is_inline(end) => plain.push(" "),
            Event::InlineHtml(tag) if is_break(&tag) => plain.push(" "),
            _ => {}
        }
    }
    plain.text
}

/// Returns whether the text continues after this without a space.
fn is_inline(end: TagEnd) -> bool {
    matches!(
        end,
        TagEnd::Emphasis | TagEnd::Strong | TagEnd::Link | TagEnd::Image | TagEnd::Strikethrough
    )
}

/// The text of HTML, good enough for a few words around a match.
pub(crate) fn without_tags(html: &str) -> String {
    let mut plain = Plain::with_capacity(html.len());
    for (index, part) in html.split('<').enumerate() {
        // Before the first one there is no tag.
        let (tag, after) = match index {
            0 => ("", part),
            _ => part.split_once('>').unwrap_or((part, "")),
        };
        if ends_a_part(tag) {
            plain.part();
        } else {
            plain.push(" ");
        }
        plain.push(&html_escape::decode_html_entities(after));
    }
    plain.text
}

/// Returns whether `tag` ends a heading, a list item or a cell of a table.
fn ends_a_part(tag: &str) -> bool {
    let Some(name) = tag.strip_prefix('/') else {
        return false;
    };
    let parts = [
        "td", "th", "li", "dt", "dd", "caption", "h1", "h2", "h3", "h4", "h5", "h6",
    ];
    parts
        .iter()
        .any(|part| name.trim().eq_ignore_ascii_case(part))
}

fn is_break(tag: &str) -> bool {
    let name = tag
        .trim_start_matches('<')
        .trim_end_matches(['>', '/', ' ']);
    name.eq_ignore_ascii_case("br")
}

/// Text in parts.
struct Plain {
    text: String,
    /// Whether a part has ended, with nothing after it so far.
    is_between: bool,
}

impl Plain {
    fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            is_between: false,
        }
    }

    fn push(&mut self, text: &str) {
        if !text.trim().is_empty() && std::mem::take(&mut self.is_between) {
            self.text.push_str(" · ");
        }
        self.text.push_str(text);
    }

    fn part(&mut self) {
        self.is_between = !self.text.trim_end().is_empty();
    }
}

/// The front matter of a text, as Jekyll and Obsidian write it, and what follows: lines of YAML
/// between two lines of three dashes, at the beginning. Without front matter the first is empty.
pub(crate) fn front_matter(text: &str) -> (&str, &str) {
    let none = ("", text);
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else {
        return none;
    };
    let mut end = first.len();
    for (number, line) in lines.enumerate() {
        end += line.len();
        if line.trim_end() == "---" {
            return text.split_at(end);
        }
        // Without a key it is only text between two horizontal rules.
        let has_key = line.split_once(':').is_some_and(|(key, value)| {
            let is_key = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
            !key.is_empty() && key.chars().all(is_key) && value.starts_with([' ', '\n'])
        });
        if number == 0 && !has_key {
            return none;
        }
    }
    none
}

/// The title in the front matter, if it is on one line.
pub(crate) fn title_of(matter: &str) -> Option<String> {
    let value = matter
        .lines()
        .find_map(|line| line.strip_prefix("title:"))?
        .trim();
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    // YAML 1.2 §7.3: a quote is doubled, or has a backslash before it.
    let title = match (quoted('\''), quoted('"')) {
        (Some(value), _) => value.replace("''", "'"),
        (_, Some(value)) => value.replace("\\\"", "\"").replace("\\\\", "\\"),
        // A comment, or the indicator of a multi-line text.
        _ => match value.split(" #").next().unwrap_or_default().trim() {
            block if block.starts_with(['|', '>']) => return None,
            plain => plain.to_owned(),
        },
    };
    Some(title).filter(|title| !title.is_empty())
}
