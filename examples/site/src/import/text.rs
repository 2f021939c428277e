//! Titles and texts of documents, from the files that hold them.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag};

use crate::form::{self, Draft};
use crate::markdown;
use crate::store::Format;

/// A document as it is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) format: Format,
    pub(super) body: String,
}

impl Page {
    /// Of the bytes of a file; `name` is the title of one that has none.
    ///
    /// # Errors
    /// A sentence that says why it is no document.
    pub(super) fn read(bytes: &[u8], format: Format, name: &str) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "Its text is not UTF-8.")?;
        let text =
            form::text(text.trim_start_matches('\u{feff}')).map_err(|refusal| refusal.detail)?;
        let (title, body) = match format {
            Format::Markdown => from_markdown(&text),
            Format::Html => from_html(&text),
        };
        let title = title
            .map(|title| words(&title))
            .filter(|title| !title.is_empty());
        let title = title.unwrap_or_else(|| name.to_owned());
        let draft = Draft {
            name: None,
            title,
            body: body.to_owned(),
        };
        draft.check().map_err(|refusal| refusal.detail)?;
        Ok(Self {
            title: draft.title,
            format,
            body: draft.body,
        })
    }
}

/// On one line, with one space between two words.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The title is the first heading of the first level (`# `). Where the text begins with it, it is
/// no part of the body: a page shows its title itself.
fn from_markdown(text: &str) -> (Option<String>, &str) {
    let mut depth = 0_usize;
    for (event, place) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            // Not in a list or a quotation.
            Event::Start(Tag::Heading {
                level: HeadingLevel::H1,
                ..
            }) if depth == 0 => {
                let is_first = text[..place.start].trim().is_empty();
                let body = if is_first {
                    text[place.end..].trim_start_matches('\n')
                } else {
                    text
                };
                return (Some(markdown::plain(&text[place])), body);
            }
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
    }
    (None, text)
}

/// The title is that of `<title>`, or else of `<h1>`; the body is what is in `<body>`, or else
/// everything. A `<h1>` that the body begins with, and that says the title, is no part of it.
///
/// No parser of HTML: it looks for the tags, whatever stands around them.
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

/// Where the content of `<body>` is. What follows its last end tag is none of it.
fn body(lower: &str) -> Option<Range<usize>> {
    let (_, inner) = element(lower, "body")?;
    let end = lower[inner.start..]
        .rfind("</body")
        .map_or(lower.len(), |at| inner.start + at);
    Some(inner.start..end)
}

/// The first element called `name`: where it is, and where its content is.
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

/// The longest reference that is looked for, with both of its marks.
const REFERENCE: usize = 10;

/// Without tags, and with the characters that the usual references stand for.
fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let reference = || {
            let end = from.bytes().take(REFERENCE).position(|byte| byte == b';')?;
            Some((character(&from[1..end])?, end))
        };
        rest = if let Some(tag) = from.strip_prefix('<') {
            tag.find('>').map_or("", |end| &tag[end + 1..])
        } else if let Some((character, end)) = reference() {
            text.push(character);
            &from[end + 1..]
        } else {
            text.push('&');
            &from[1..]
        };
    }
    text.push_str(rest);
    words(&text)
}

fn character(reference: &str) -> Option<char> {
    if let Some(number) = reference.strip_prefix('#') {
        let hexadecimal = number
            .strip_prefix(['x', 'X'])
            .map(|digits| u32::from_str_radix(digits, 16));
        return char::from_u32(hexadecimal.unwrap_or_else(|| number.parse()).ok()?);
    }
    Some(match reference {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        _ => return None,
    })
}
