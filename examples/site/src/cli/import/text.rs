//! Titles and texts of documents, from the files that hold them.

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag};

use crate::pages::archive;
use crate::pages::form::{self, Draft};
use crate::pages::markdown;
use crate::store::Format;

/// A document as it is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) format: Format,
    pub(super) body: String,
}

impl Page {
    /// Reads a document from the bytes of a file. `link` rewrites its body, and `name` is the title
    /// if it has none.
    ///
    /// # Errors
    /// A sentence that says why it is not a document.
    pub(super) fn read(
        bytes: &[u8],
        format: Format,
        name: &str,
        link: impl FnOnce(&str) -> String,
    ) -> Result<Self, String> {
        let text = utf8(bytes)?;
        let text =
            form::text(text.trim_start_matches('\u{feff}')).map_err(|refusal| refusal.detail)?;
        let (title, body) = match format {
            Format::Markdown => from_markdown(&text),
            Format::Html => {
                let (title, body) = from_html(&text);
                (title, body.into())
            }
        };
        let title = title
            .map(|title| words(&title))
            .filter(|title| !title.is_empty());
        let title = title.unwrap_or_else(|| name.to_owned());
        Self::checked(title, format, link(&body))
    }

    /// An exported file that has not been changed since, as it was at the export.
    pub(super) fn exported(
        bytes: &[u8],
        format: Format,
        listed: &archive::Text,
    ) -> Option<Result<Self, String>> {
        let body = listed.body(utf8(bytes).ok()?, format)?;
        Some(Self::checked(listed.title.clone(), format, body))
    }

    fn checked(title: String, format: Format, body: String) -> Result<Self, String> {
        let draft = Draft {
            title,
            body,
            ..Draft::default()
        };
        draft.check().map_err(|refusal| refusal.detail)?;
        Ok(Self {
            title: draft.title,
            format,
            body: draft.body,
        })
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "Its text is not UTF-8.".to_owned())
}

/// On one line, with one space between two words.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The title is that of the front matter, or else the first heading of the first level (`# `). If
/// the text begins with a heading that equals the title, the heading is not part of the body,
/// because a page shows its title itself.
fn from_markdown(text: &str) -> (Option<String>, Cow<'_, str>) {
    let (matter, rest) = markdown::front_matter(text);
    let title = markdown::title_of(matter);
    let Some((said, place)) = heading(rest) else {
        return (title, text.into());
    };
    let is_first = rest[..place.start].trim().is_empty();
    let body = if is_first
        && title
            .as_ref()
            .is_none_or(|title| words(title) == words(&said))
    {
        let body = rest[place.end..].trim_start_matches('\n');
        match matter {
            "" => body.into(),
            matter => format!("{matter}{body}").into(),
        }
    } else {
        text.into()
    };
    (title.or(Some(said)), body)
}

/// The first heading of the first level that is not in a list or a quotation: its text and its
/// position.
fn heading(text: &str) -> Option<(String, Range<usize>)> {
    let mut depth = 0_usize;
    for (event, place) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading {
                level: HeadingLevel::H1,
                ..
            }) if depth == 0 => return Some((markdown::plain(&text[place.clone()]), place)),
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The title is that of `<title>`, or else of `<h1>`. The body is the content of `<body>`, or else
/// everything. If the body begins with a `<h1>` that equals the title, the heading is not part of
/// it.
///
/// This is not an HTML parser: it searches for the tags in any context.
fn from_html(text: &str) -> (Option<String>, &str) {
    // As long as the text, byte for byte.
    let lower = text.to_ascii_lowercase();
    let body = body(&lower).map_or(text, |inner| text[inner].trim());
    let lower_body = body.to_ascii_lowercase();
    let heading = element(&lower_body, "h1");
    let said = heading
        .as_ref()
        .map(|(_, inner)| plain(&body[inner.clone()]));
    let title = element(&lower, "title").map(|(_, inner)| plain(&text[inner]));
    let title = title
        .filter(|title| !title.is_empty())
        .or_else(|| said.clone());
    match heading {
        Some((outer, _)) if outer.start == 0 && said == title => {
            (title, body[outer.end..].trim_start())
        }
        _ => (title, body),
    }
}

/// The position of the content of `<body>`. Text after its last end tag does not belong to it.
fn body(lower: &str) -> Option<Range<usize>> {
    let (_, inner) = element(lower, "body")?;
    let end = lower[inner.start..]
        .rfind("</body")
        .map_or(lower.len(), |at| inner.start + at);
    Some(inner.start..end)
}

/// The position of the first element called `name`, and of its content.
fn element(lower: &str, name: &str) -> Option<(Range<usize>, Range<usize>)> {
    let tag = format!("<{name}");
    let is_tag = |at: &usize| {
        let next = lower.as_bytes().get(at + tag.len());
        next.is_some_and(|next| *next == b'>' || next.is_ascii_whitespace())
    };
    let start = lower.match_indices(&tag).map(|(at, _)| at).find(is_tag)?;
    let inner = start + lower[start..].find('>')? + 1;
    let end = lower[inner..]
        .find(&format!("</{name}"))
        .map_or(lower.len(), |at| inner + at);
    let outer = lower[end..]
        .find('>')
        .map_or(lower.len(), |at| end + at + 1);
    Some((start..outer, inner..end))
}

/// Removes tags, and resolves references.
fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    for (index, part) in html.split('<').enumerate() {
        // Before the first one there is no tag.
        let after = match index {
            0 => part,
            _ => part.split_once('>').map_or("", |(_, after)| after),
        };
        text.push_str(after);
    }
    words(&html_escape::decode_html_entities(&text))
}
