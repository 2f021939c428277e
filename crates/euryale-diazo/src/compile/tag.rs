//! Compiles start tags and texts of a theme, with the computed parts of an inline theme.

use super::Start;
use super::block::{Op, Part};
use super::draft::Draft;
use super::start::GivenNow;
use super::template::{Compiler, Prepared};
use crate::dom::{HTML, Id, Name, Traits, write_attribute};
use crate::rules::{Action, ESI, MARK};

impl Compiler<'_> {
    /// Compiles text or a comment with its computed parts.
    pub(super) fn marked(&self, html: &str, out: &mut Draft) {
        if self.computed.is_empty() {
            return out.html(html);
        }
        let mut rest = html;
        while let Some((before, marked)) = rest.split_once(MARK) {
            let (number, after) = marked.split_once(MARK).unwrap_or((marked, ""));
            let comment = before.strip_suffix("<!--");
            out.html(comment.unwrap_or(before));
            let part = number.parse().ok();
            if let Some(Part::Block(block)) = part.and_then(|part: usize| self.computed.get(part)) {
                out.append(block.clone());
            }
            rest = match comment {
                Some(_) => after.strip_prefix("-->").unwrap_or(after),
                None => after,
            };
        }
        out.html(rest);
    }

    fn given(&self, id: Id) -> Vec<GivenNow> {
        let dom = self.dom;
        let attributes = dom.attributes_of(id).map(|at| {
            let name = dom.attribute_name(at).to_owned();
            let value = self.prefix.attribute(&name, dom.attribute_value(at));
            let number = value.strip_prefix(MARK).unwrap_or_default();
            let number = number
                .strip_suffix(MARK)
                .and_then(|number| number.parse().ok());
            let part = number.and_then(|number: usize| self.computed.get(number));
            let computed = match part {
                Some(Part::Value(value)) => Some(value.clone()),
                _ => None,
            };
            GivenNow {
                name,
                value,
                computed,
                bare: dom.attributes[at as usize].bare,
            }
        });
        let mut given: Vec<_> = attributes.collect();
        if self.names_esi(id) {
            given.push(GivenNow {
                name: "xmlns:esi".to_owned(),
                value: ESI.to_owned(),
                computed: None,
                bare: false,
            });
        }
        given
    }

    fn names_esi(&self, id: Id) -> bool {
        self.uses_esi && self.dom.node(id).name == HTML
    }

    pub(super) fn start(&self, id: Id, rules: &[&Prepared], stays_open: bool, out: &mut Draft) {
        let dom = self.dom;
        let name = dom.written_name(id);
        let changes = |rule: &&Prepared| {
            let by_name = matches!(
                rule.action,
                Action::CopyAttributes | Action::MergeAttributes | Action::DropAttributes
            );
            by_name || rule.gives_attributes()
        };
        let mut html = String::new();
        let is_computed = || {
            !self.computed.is_empty() && self.given(id).iter().any(|given| given.computed.is_some())
        };
        if stays_open || rules.iter().any(changes) || is_computed() {
            let mut start = Start::new(name, self.given(id), rules);
            start.stays_open = stays_open;
            out.push(Op::Start(start.into()));
        } else if self.prefix.is_empty() && !self.names_esi(id) {
            dom.write_start(&mut html, id);
        } else {
            html.push('<');
            html.push_str(name);
            for given in self.given(id) {
                write_attribute(&mut html, &given.name, &given.value, given.bare);
            }
            // `<path/>` in SVG has no end tag.
            let void = Traits::of(Name::of(name.as_bytes())).has(Traits::VOID);
            html.push_str(if dom.is_childless(id) && !void {
                "/>"
            } else {
                ">"
            });
        }
        out.html(&html);
    }
}
