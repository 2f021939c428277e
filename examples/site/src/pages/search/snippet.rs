//! The snippet of a found document: a few words around the first match, marked.

use std::fmt::Write;
use std::ops::Range;

use minijinja::HtmlEscape;

use super::query::Query;
use crate::pages::markdown;
use crate::store::{self, Format, Tokenizer};

/// The length of a snippet, and the part of it before the first match, in characters.
const LONGEST: usize = 240;
const BEFORE: usize = 60;

/// The part of a source around a match that is read, in bytes: from the beginning of a paragraph,
/// or at least of a line, if one begins within the first of these.
const AHEAD: usize = 8 << 10;
const BEHIND: usize = 4 << 10;

/// The number of matches whose surroundings are read. A match in an address or a tag is not seen by
/// readers, so the next one is tried.
const TRIES: usize = 4;

/// The words around the first match in visible text, as HTML; or else the first words.
pub(crate) fn of_source(
    source: &str,
    format: Format,
    query: &Query,
    tokenizer: &Tokenizer,
) -> store::Result<String> {
    let mut from = 0;
    for _ in 0..TRIES {
        let Some(found) = query.first(source, from, tokenizer)? else {
            break;
        };
        let around = around(source, &found);
        let text = readable(&source[around.clone()], format);
        if let Some(found) = query.first(&text, 0, tokenizer)? {
            let is_begin = source[..around.start].trim().is_empty();
            let is_end = source[around.end..].trim().is_empty();
            let shown = cut(&text, found.start);
            let before = if shown.start > 0 || !is_begin {
                "… "
            } else {
                ""
            };
            let after = if shown.end < text.len() || !is_end {
                " …"
            } else {
                ""
            };
            let marks = query.all(&text, tokenizer)?;
            let words = with_marks(&text, shown, &marks);
            return Ok(format!("{before}{words}{after}"));
        }
        from = around.end.max(found.end);
    }
    let end = floor(source, BEHIND);
    let text = readable(&source[..end], format);
    let shown = cut(&text, 0);
    let is_end = shown.end == text.len() && source[end..].trim().is_empty();
    let after = if is_end { "" } else { " …" };
    Ok(format!("{}{after}", HtmlEscape(&text[shown])))
}

/// `text` as HTML, with `<mark>` around what was found.
pub(crate) fn marked(text: &str, query: &Query, tokenizer: &Tokenizer) -> store::Result<String> {
    let marks = query.all(text, tokenizer)?;
    Ok(with_marks(text, 0..text.len(), &marks))
}

/// The part `shown` of `text` as HTML, with what is in it of `marks`.
fn with_marks(text: &str, shown: Range<usize>, marks: &[Range<usize>]) -> String {
    let mut html = String::with_capacity(shown.len() + 32);
    let mut at = shown.start;
    let shown_of = |mark: &Range<usize>| mark.start.max(shown.start)..mark.end.min(shown.end);
    for mark in marks.iter().map(shown_of).filter(|mark| !mark.is_empty()) {
        // A string takes all that is written.
        let _ = write!(
            html,
            "{}<mark>{}</mark>",
            HtmlEscape(&text[at..mark.start]),
            HtmlEscape(&text[mark.clone()])
        );
        at = mark.end;
    }
    let _ = write!(html, "{}", HtmlEscape(&text[at..shown.end]));
    html
}

/// The paragraphs or lines around `found`, or at least whole words.
fn around(source: &str, found: &Range<usize>) -> Range<usize> {
    let first = floor(source, found.start.saturating_sub(AHEAD));
    let ahead = &source[first..found.start];
    let start = match ahead
        .rfind("\n\n")
        .or_else(|| ahead.find('\n'))
        .or_else(|| ahead.find(' '))
    {
        _ if first == 0 => 0,
        Some(line) => first + line + 1,
        None => first,
    };
    let last = floor(source, found.end + BEHIND);
    let behind = &source[found.end..last];
    let end = match behind.rfind('\n').or_else(|| behind.rfind(' ')) {
        _ if last == source.len() => last,
        Some(line) => found.end + line,
        None => last,
    };
    start..end
}

/// The part of `text` that is shown if `found` is the start of the first match.
fn cut(text: &str, found: usize) -> Range<usize> {
    let back = text[..found].char_indices().rev().take(BEFORE).last();
    let earliest = back.map_or(found, |(at, _)| at);
    let start = match text[earliest..found].find(' ') {
        _ if earliest == 0 => 0,
        Some(space) => earliest + space + 1,
        None => earliest,
    };
    let Some((latest, _)) = text[start..].char_indices().nth(LONGEST) else {
        return start..text.len();
    };
    let latest = start + latest;
    let end = text[found.max(start)..latest].rfind(' ');
    start..end.map_or(latest, |space| found.max(start) + space)
}

/// The visible text of a part of a source, on one line.
fn readable(source: &str, format: Format) -> String {
    let text = match format {
        Format::Markdown => markdown::plain(source),
        Format::Html => markdown::without_tags(source),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The last character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}
