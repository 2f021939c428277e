//! Copies content, unchanged if there is no rule about it and otherwise node by node.

use super::marks::{Fate, Main, Mark, Marks};
use super::out::Out;
use super::page::{Here, Page};
use crate::compile::{Block, Target};
use crate::dom::{Dom, Id, Kind, decode, escape_text, write_attribute};
use crate::error::PageError;
use crate::rules::RAW_MODE;
use crate::xpath::{Item, Value};

/// The maximum depth of nested copies and templates. Rules may put content into content, to which
/// rules apply again, and templates may call each other.
const MAX_NESTED: usize = 600;
/// The maximum number of bytes of stack for copies. Threads have two MiB or more.
const MAX_STACK: usize = 1_280 << 10;

/// The arguments of a template.
pub(super) type Arguments<'a> = [(&'a str, Value<'a>)];

impl<'a> Page<'a> {
    pub(super) fn enter(&self, out: &Out) -> Result<(), PageError> {
        self.nested.set(self.nested.get() + 1);
        if self.nested.get() > MAX_NESTED || self.stack.used() > MAX_STACK {
            return Err(PageError::TooNested);
        }
        out.check()
    }

    pub(super) fn leave(&self) {
        self.nested.set(self.nested.get() - 1);
    }

    /// Applies templates to one node or attribute.
    pub(super) fn apply_one(
        &'a self,
        out: &mut Out,
        here: Here,
        mode: u32,
        arguments: &Arguments<'a>,
        into_raw: bool,
    ) -> Result<(), PageError> {
        match here.item.as_attribute() {
            None => self.copy(out, here, mode, arguments, into_raw),
            Some(attribute) => self.copy_attribute(out, here, attribute, mode, arguments),
        }
    }

    fn copy_attribute(
        &'a self,
        out: &mut Out,
        here: Here,
        attribute: u32,
        mode: u32,
        arguments: &Arguments<'a>,
    ) -> Result<(), PageError> {
        self.budget.spend(1)?;
        let dom = self.dom(here.item.document);
        if !self.is_silent(mode)
            && let Some(marks) = self.marks(here.item.document, mode)?
        {
            let otherwise = &self.program.content.otherwise[mode as usize];
            let template = match marks.fate(attribute) {
                Some(Fate::Drop) => return Ok(()),
                Some(Fate::Template(template)) => Some(template),
                None => otherwise.attribute,
            };
            if let Some(template) = template {
                return self.run_template(out, template, here, arguments);
            }
        }
        let value = dom.attribute_value(attribute);
        self.budget.spend(value.len() / 16)?;
        if mode > RAW_MODE {
            escape_text(out.html(), &decode(value), false);
        } else {
            let bare = dom.attributes[attribute as usize].bare;
            out.attribute(self.budget, dom.attribute_name(attribute), value, bare)?;
        }
        Ok(())
    }

    /// Writes a node according to the rules about the content.
    pub(super) fn copy(
        &'a self,
        out: &mut Out,
        here: Here,
        mode: u32,
        arguments: &Arguments<'a>,
        into_raw: bool,
    ) -> Result<(), PageError> {
        let document = here.item.document;
        match self.marks(document, mode)? {
            Some(marks) => {
                let dom = self.dom(document);
                self.copy_by(out, here, dom, marks, mode, arguments, into_raw)
            }
            None => Ok(()),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a recursion that looks nothing up again"
    )]
    fn copy_by(
        &'a self,
        out: &mut Out,
        here: Here,
        dom: &'a Dom<'a>,
        marks: &'a Marks,
        mode: u32,
        arguments: &Arguments<'a>,
        into_raw: bool,
    ) -> Result<(), PageError> {
        let id = here.item.node;
        self.enter(out)?;
        self.budget.spend(1)?;
        let otherwise = &self.program.content.otherwise[mode as usize];
        let node = dom.node(id);
        let next = marks.from(id);
        let is_alone = next.is_none_or(|(marked, _)| marked >= node.after);
        if mode <= RAW_MODE && otherwise.is_empty() && is_alone {
            dom.write_alone(out.html(), id, into_raw);
        } else {
            let mark = next.and_then(|(marked, mark)| (marked == id).then_some(mark));
            match (mark, node.kind) {
                (
                    Some(Mark {
                        main: Main::Template(template),
                        ..
                    }),
                    _,
                ) => self.run_template(out, *template, here, arguments)?,
                // In other modes than Diazo's, rules only have templates.
                (Some(mark), Kind::Element) if mode <= RAW_MODE => {
                    self.copy_marked(out, here, dom, marks, mark, mode)?;
                }
                (
                    Some(Mark {
                        main: Main::Drop | Main::Strip,
                        ..
                    }),
                    _,
                ) => {}
                _ => {
                    let template = match node.kind {
                        Kind::Element => otherwise.element,
                        Kind::Text => otherwise.text,
                        Kind::Comment => otherwise.comment,
                        Kind::Root | Kind::Doctype => None,
                    };
                    match template {
                        Some(template) => self.run_template(out, template, here, arguments)?,
                        None => self.copy_unmarked(out, here, dom, marks, mode, into_raw)?,
                    }
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// The built-in templates: Diazo's in Diazo's modes, and XSLT's in others (XSLT 1.0 §5.8).
    fn copy_unmarked(
        &'a self,
        out: &mut Out,
        here: Here,
        dom: &'a Dom<'a>,
        marks: &'a Marks,
        mode: u32,
        into_raw: bool,
    ) -> Result<(), PageError> {
        let id = here.item.node;
        match (dom.node(id).kind, mode > RAW_MODE) {
            (Kind::Element, false) => {
                self.start_tag(out, here.item, dom, marks, mode)?;
                self.copy_children(out, here.item, dom, marks, mode)?;
                dom.write_end(out.html(), id);
                Ok(())
            }
            (Kind::Root, _) | (Kind::Element, true) => {
                self.copy_children(out, here.item, dom, marks, mode)
            }
            (Kind::Comment | Kind::Doctype, true) => Ok(()),
            _ => {
                dom.write_alone(out.html(), id, into_raw);
                Ok(())
            }
        }
    }

    fn copy_children(
        &'a self,
        out: &mut Out,
        item: Item,
        dom: &'a Dom<'a>,
        marks: &'a Marks,
        mode: u32,
    ) -> Result<(), PageError> {
        // The text of a script is written without escaping inside its element.
        let size = self.inside(item)?;
        let before = dom.node(item.node).attribute_count as usize;
        dom.children(item.node)
            .zip(1..)
            .try_for_each(|(child, at)| {
                let here = Here {
                    item: item.beside(child),
                    position: before + at,
                    size,
                };
                self.copy_by(out, here, dom, marks, mode, &[], mode <= RAW_MODE)
            })
    }

    /// Writes a start tag without dropped attributes, and with the output of templates for
    /// attributes.
    fn start_tag(
        &'a self,
        out: &mut Out,
        item: Item,
        dom: &'a Dom<'a>,
        marks: &Marks,
        mode: u32,
    ) -> Result<(), PageError> {
        let by_template = marks.has_templates()
            || self.program.content.otherwise[mode as usize]
                .attribute
                .is_some();
        self.budget
            .spend(dom.node(item.node).attribute_count as usize)?;
        if !by_template {
            start(out.html(), dom, item.node, marks);
            return Ok(());
        }
        out.open(dom.written_name(item.node));
        let size = self.inside(item)?;
        for (at, position) in dom.attributes_of(item.node).zip(1..) {
            let here = Here {
                item: item.attribute(at),
                position,
                size,
            };
            self.copy_attribute(out, here, at, mode, &[])?;
        }
        Ok(())
    }

    fn copy_marked(
        &'a self,
        out: &mut Out,
        here: Here,
        dom: &'a Dom<'a>,
        marks: &'a Marks,
        mark: &Mark,
        mode: u32,
    ) -> Result<(), PageError> {
        let groups = &self.program.content.groups;
        // As in Diazo, content around a node depends only on the node.
        let around = Here::at(here.item);
        let id = here.item.node;
        match mark.main {
            // The output of the template was written before.
            Main::Drop | Main::Template(_) => {}
            Main::Strip => self.copy_children(out, here.item, dom, marks, mode)?,
            Main::ReplaceChildren(pattern) => {
                self.start_tag(out, here.item, dom, marks, mode)?;
                if let Target::ReplaceChildren(block) =
                    &self.program.content.patterns[pattern].target
                {
                    self.block(out, block, here)?;
                }
                dom.write_end(out.html(), id);
            }
            Main::Copy => {
                self.start_tag(out, here.item, dom, marks, mode)?;
                self.copy_children(out, here.item, dom, marks, mode)?;
                dom.write_end(out.html(), id);
            }
            Main::Around => {
                let put =
                    |out: &mut Out,
                     group: Option<usize>,
                     block: fn(&'a crate::compile::Group) -> &'a Block| {
                        group.map_or(Ok(()), |group| {
                            self.block(out, block(&groups[group]), around)
                        })
                    };
                put(out, mark.before, |group| &group.before)?;
                if !self.replaced(out, around, mark)? {
                    self.start_tag(out, here.item, dom, marks, mode)?;
                    put(out, mark.before_children, |group| &group.before_children)?;
                    self.copy_children(out, here.item, dom, marks, mode)?;
                    put(out, mark.after_children, |group| &group.after_children)?;
                    dom.write_end(out.html(), id);
                }
                put(out, mark.after, |group| &group.after)?;
            }
        }
        Ok(())
    }

    /// Writes the replacement of the node, if there is one: the first whose condition holds, or
    /// else those without a condition.
    fn replaced(&'a self, out: &mut Out, here: Here, mark: &Mark) -> Result<bool, PageError> {
        let Some(group) = mark.replace else {
            return Ok(false);
        };
        let replace = &self.program.content.groups[group].replace;
        for (when, block) in replace.iter().filter(|(when, _)| !when.is_empty()) {
            if self.all(when, here)? {
                self.block(out, block, here)?;
                return Ok(true);
            }
        }
        let mut done = false;
        for (_, block) in replace.iter().filter(|(when, _)| when.is_empty()) {
            self.block(out, block, here)?;
            done = true;
        }
        Ok(done)
    }
}

/// Writes the start tag without the dropped attributes.
fn start(out: &mut String, dom: &Dom<'_>, id: Id, marks: &Marks) {
    if !dom.attributes_of(id).any(|at| marks.has_dropped(at)) {
        return dom.write_start(out, id);
    }
    out.push('<');
    out.push_str(dom.written_name(id));
    for at in dom.attributes_of(id).filter(|at| !marks.has_dropped(*at)) {
        write_attribute(
            out,
            dom.attribute_name(at),
            dom.attribute_value(at),
            dom.attributes[at as usize].bare,
        );
    }
    // `<path/>` in SVG has no end tag.
    out.push_str(if dom.is_childless(id) { "/>" } else { ">" });
}
