//! The format of an export, as `/@@export` writes it and `site import` reads it.
//!
//! An export is a folder of notes: each page is a file of Markdown or HTML that begins with its
//! title, next to its folder and under its own name. People can read and edit it as such.
//!
//! Some pages cannot have their own name there: it begins with a dot, differs from another one only
//! in the case of its letters, or is longer than file systems allow. And Markdown alone does not
//! always show where a title ends and its text begins. So an export also has the file [`LIST`],
//! with the path of each file, and the title and a fingerprint of each text. A text with an
//! unchanged fingerprint is restored byte for byte; a changed text is read like any other note.
//! Without the list, an export is a plain folder of notes.

mod layout;
mod list;

pub(crate) use self::layout::{Layout, Place};
pub(crate) use self::list::{Kind, List, Listed, Text};

use crate::pages::markdown;
use crate::store::Format;

/// The file in the first folder of an export that lists all others. It is hidden, because it is not
/// a note.
pub(crate) const LIST: &str = ".euryale-export.json";

/// The maximum number of bytes that a file has in addition to its text: a title has 200 characters.
pub(crate) const LONGEST_FRAME: usize = 4096;

/// The ending of the files that hold texts of this format.
pub(crate) fn ending(format: Format) -> &'static str {
    match format {
        Format::Markdown => "md",
        Format::Html => "html",
    }
}

/// A text as the content of a file.
pub(crate) fn framed(title: &str, format: Format, body: &str) -> String {
    let (matter, body) = front_matter(body, format);
    let (before, after) = frame(title, format);
    [matter, &before, body, after].concat()
}

/// The body of a text that was framed with this title.
pub(crate) fn unframed(text: &str, title: &str, format: Format) -> Option<String> {
    let (matter, framed) = front_matter(text, format);
    let (before, after) = frame(title, format);
    let body = framed.strip_prefix(&before)?.strip_suffix(after)?;
    Some([matter, body].concat())
}

/// Front matter must be at the very beginning of a Markdown file.
fn front_matter(text: &str, format: Format) -> (&str, &str) {
    match format {
        Format::Markdown => Some(markdown::front_matter(text))
            .filter(|(matter, _)| matter.ends_with('\n'))
            .unwrap_or(("", text)),
        Format::Html => ("", text),
    }
}

fn frame(title: &str, format: Format) -> (String, &'static str) {
    match format {
        Format::Markdown => (format!("# {}\n\n", in_markdown(title)), ""),
        Format::Html => {
            let title = title.replace('&', "&amp;").replace('<', "&lt;");
            let before = format!(
                "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<body>\n"
            );
            (before, "\n</body>\n")
        }
    }
}

/// A line of plain text as Markdown. Each of these characters has a meaning in a heading
/// (CommonMark 0.31, §2.4: a backslash removes it).
fn in_markdown(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for character in line.chars() {
        if "\\`*_[]<>&#~|!".contains(character) {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{framed, unframed};
    use crate::pages::markdown;
    use crate::store::Format;

    #[test]
    fn a_title_is_read_as_it_was_written() {
        let titles = [
            "plain",
            "*x* <b> #",
            "a_b_c [link](x) ![p](y)",
            "`code` &amp; \\ \\* ~~no~~ | #",
            "1. not a list",
        ];
        for title in titles {
            let text = framed(title, Format::Markdown, "body");
            let heading = text.lines().next().unwrap();
            assert_eq!(markdown::plain(heading).trim(), title);
        }
    }

    #[test]
    fn front_matter_stays_before_the_title() {
        let text = framed("T", Format::Markdown, "---\nkey: x\n---\ntext\n");
        assert_eq!(text, "---\nkey: x\n---\n# T\n\ntext\n");
    }

    #[test]
    fn framed_body_is_restored_byte_for_byte() {
        for format in [Format::Markdown, Format::Html] {
            let matter = "---\nkey: x\n---\n";
            let with_matter = format!("{matter}text");
            let bodies = ["", "\n\n x \r\n", "# T\n", "</body>\n", "\u{feff}", matter];
            for body in bodies.into_iter().chain([&*with_matter, matter.trim()]) {
                let text = framed("T & <T>", format, body);
                assert_eq!(unframed(&text, "T & <T>", format).as_deref(), Some(body));
                assert_eq!(unframed(&text, "other", format), None);
            }
        }
    }
}
