//! Reads the parts between tags that are not text: comments, the doctype, scripts.

use super::attributes::is_space;
use super::name::PLAINTEXT;
use super::parse::{Parser, Phase};
use super::{Excess, Kind, Name};

impl Parser<'_> {
    /// Reads the text of an element that contains no tags, and its end tag.
    pub(super) fn raw_text(
        &mut self,
        written: &[u8],
        name: Name,
        from: usize,
    ) -> Result<usize, Excess> {
        let source = self.dom.source.as_bytes();
        let mut at = from;
        let end = loop {
            match memchr::memchr(b'<', &source[at..]) {
                Some(found) if name != PLAINTEXT => {
                    let tag = at + found;
                    let rest = &source[tag + 1..];
                    let is_end = rest.first() == Some(&b'/')
                        && rest.len() > written.len() + 1
                        && rest[1..=written.len()].eq_ignore_ascii_case(written)
                        && (is_space(rest[written.len() + 1])
                            || matches!(rest[written.len() + 1], b'/' | b'>'));
                    if is_end {
                        break tag;
                    }
                    at = tag + 1;
                }
                _ => break source.len(),
            }
        };
        if end > from {
            self.push(Kind::Text, Name::of(b""), from, end)?;
        }
        if end == source.len() {
            self.leave_implied(end);
            return Ok(end);
        }
        self.end_tag(end)
    }

    /// Reads comments, the doctype, and other markup that counts as a comment.
    pub(super) fn declaration(&mut self, start: usize) -> Result<usize, Excess> {
        let source = self.dom.source.as_bytes();
        let rest = &source[start..];
        if rest.starts_with(b"<!--") {
            let body = &rest[4..];
            if body.starts_with(b">") || body.starts_with(b"->") {
                return self.bogus_comment(start);
            }
            let end =
                memchr::memmem::find(body, b"-->").map_or(source.len(), |end| start + 4 + end + 3);
            return self.comment(start, end, end == source.len() && !rest.ends_with(b"-->"));
        }
        if rest.len() > 9 && rest[2..9].eq_ignore_ascii_case(b"doctype") {
            let end = memchr::memchr(b'>', rest).map_or(source.len(), |end| start + end + 1);
            if self.phase == Phase::BeforeHtml {
                self.push(Kind::Doctype, Name::of(b""), start, end)?;
            } else {
                self.disturb();
            }
            return Ok(end);
        }
        if self.foreign > 0 && rest.starts_with(b"<![CDATA[") {
            let end =
                memchr::memmem::find(rest, b"]]>").map_or(source.len(), |end| start + end + 3);
            self.push(Kind::Text, Name::of(b""), start, end)?;
            return Ok(end);
        }
        self.bogus_comment(start)
    }

    pub(super) fn bogus_comment(&mut self, start: usize) -> Result<usize, Excess> {
        let source = self.dom.source.as_bytes();
        let end =
            memchr::memchr(b'>', &source[start..]).map_or(source.len(), |end| start + end + 1);
        self.comment(start, end, source[end - 1] != b'>')
    }

    fn comment(&mut self, start: usize, end: usize, unfinished: bool) -> Result<usize, Excess> {
        let id = self.push(Kind::Comment, Name::of(b""), start, end)?;
        if !self.is_trailing(id) && self.phase == Phase::AfterBody {
            self.disturb();
        }
        if unfinished {
            self.dom.nodes[id as usize].tidy = false;
            self.disturb();
        }
        Ok(end)
    }
}
