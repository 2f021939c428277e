//! Writes a tree as HTML.

use super::find::find;
use super::name::NOSCRIPT;
use super::text::escape;
use super::{Dom, Id, Kind, NONE, Traits, escape_text};

impl Dom<'_> {
    /// Writes a node with its descendants.
    pub(crate) fn write(&self, out: &mut String, id: Id) {
        let node = self.node(id);
        match node.kind {
            Kind::Text if node.loose => escape_text(out, self.slice(node.start, node.end), true),
            _ if node.tidy && node.kind != Kind::Root => {
                out.push_str(self.slice(node.start, node.end));
            }
            Kind::Text | Kind::Doctype => out.push_str(self.slice(node.start, node.end)),
            Kind::Comment => write_comment(out, self.comment(id)),
            Kind::Root => self.write_children(out, id),
            Kind::Element => {
                self.write_start(out, id);
                self.write_children(out, id);
                self.write_end(out, id);
            }
        }
    }

    /// Writes a node outside its original place, where the text of a script or a title is escaped
    /// differently.
    pub(crate) fn write_alone(&self, out: &mut String, id: Id, into_raw: bool) {
        let node = self.node(id);
        if node.kind != Kind::Text || into_raw || node.parent == NONE {
            return self.write(out, id);
        }
        let parent = self.node(node.parent);
        let traits = Traits::of(parent.name);
        let text = self.slice(node.start, node.end);
        // A `noscript` in the head is also read as raw text; then it contains only text.
        let raw_noscript = parent.name == NOSCRIPT && text.contains('<');
        if traits.has(Traits::RAW) || raw_noscript {
            escape_text(out, text, false);
        } else if traits.has(Traits::RCDATA) {
            escape_text(out, text, true);
        } else {
            self.write(out, id);
        }
    }

    fn write_children(&self, out: &mut String, id: Id) {
        for child in self.children(id) {
            self.write(out, child);
        }
    }

    pub(crate) fn write_start(&self, out: &mut String, id: Id) {
        let node = self.node(id);
        if node.start == node.opened {
            out.push('<');
            out.push_str(self.written_name(id));
            out.push('>');
            return;
        }
        let tag = self.slice(node.start, node.opened);
        // A `<div/>` of a theme has no children of its own, but rules may put content into it.
        match tag.strip_suffix("/>") {
            Some(tag) if !self.is_childless(id) && !self.ends_in_value(id) => {
                out.push_str(tag.trim_ascii_end());
                out.push('>');
            }
            _ => out.push_str(tag),
        }
    }

    /// Returns whether a start tag ends with a value without quotes, such as `<a href=/x/>`.
    fn ends_in_value(&self, id: Id) -> bool {
        let last = self.attributes_of(id).last();
        last.is_some_and(|last| self.attributes[last as usize].value.1 + 1 == self.node(id).opened)
    }

    pub(crate) fn write_end(&self, out: &mut String, id: Id) {
        if !self.is_childless(id) {
            out.push_str("</");
            out.push_str(self.written_name(id));
            out.push('>');
        }
    }

    /// Returns whether the element has no end tag, because it is void or written like `<path/>` in
    /// SVG.
    pub(crate) fn is_childless(&self, id: Id) -> bool {
        let node = self.node(id);
        Traits::of(node.name).has(Traits::VOID)
            || (node.tidy && node.closing == NONE && node.opened == node.end)
    }

    /// Returns the text of a comment.
    pub(crate) fn comment(&self, id: Id) -> &str {
        let node = self.node(id);
        let text = self.slice(node.start, node.end);
        match text.strip_prefix("<!--") {
            Some(text) => text.strip_suffix("-->").unwrap_or(text),
            None => text.trim_start_matches(['<', '!']).trim_end_matches('>'),
        }
    }
}

/// Writes a comment in such a way that its text cannot end it. At the start, `>` and `->` would end
/// it (HTML §13.2.5.43), and elsewhere two adjacent hyphens.
pub(crate) fn write_comment(out: &mut String, text: &str) {
    out.push_str("<!--");
    for (index, piece) in text.split_inclusive('-').enumerate() {
        if piece == "-" || (index == 0 && piece.starts_with('>')) {
            out.push(' ');
        }
        out.push_str(piece);
    }
    if text.ends_with('-') {
        out.push(' ');
    }
    out.push_str("-->");
}

/// Writes ` name="value"` for a value with references.
pub(crate) fn write_attribute(out: &mut String, name: &str, value: &str, bare: bool) {
    out.push(' ');
    out.push_str(name);
    if bare && value.is_empty() {
        return;
    }
    out.push_str("=\"");
    escape(out, value, |text| find(b'"', text), |_| "&quot;");
    out.push('"');
}

/// Writes ` name="value"` for a value that is not escaped yet.
pub(crate) fn write_attribute_of_text(out: &mut String, name: &str, text: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    let find = |text: &[u8]| memchr::memchr3(b'<', b'&', b'"', text);
    escape(out, text, find, |special| match special {
        b'<' => "&lt;",
        b'&' => "&amp;",
        _ => "&quot;",
    });
    out.push('"');
}
