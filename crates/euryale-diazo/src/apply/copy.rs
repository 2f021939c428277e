//! Copying content: as it is where no rule is about it, else node by node.

use super::marks::{Main, Mark, Marks};
use super::{Here, MAX_OUT, Page};
use crate::compile::{Block, Target};
use crate::dom::{Dom, Id, Kind, write_attribute};
use crate::error::PageError;

/// Rules may put content into content, which is copied by rules again: so deep, and no deeper.
const MAX_NESTED: usize = 600;

impl Page<'_> {
    /// Writes a node, as the rules about the content want it.
    pub(super) fn copy(
        &self,
        out: &mut String,
        document: usize,
        id: Id,
        into_raw: bool,
    ) -> Result<(), PageError> {
        let (Some(marks), Some(dom)) = (self.marks(document)?, self.dom(document)) else {
            return Ok(());
        };
        self.nested.set(self.nested.get() + 1);
        if self.nested.get() > MAX_NESTED || out.len() > MAX_OUT {
            return Err(PageError::TooLong);
        }
        self.budget.spend(1)?;
        if marks.leave_alone(id, dom.node(id).after) {
            dom.write_alone(out, id, into_raw);
        } else {
            match (marks.of(id), dom.node(id).kind) {
                (Some(mark), Kind::Element) => {
                    self.copy_marked(out, Here { document, node: id }, dom, marks, mark)?;
                }
                (
                    Some(Mark {
                        main: Main::Drop | Main::Strip,
                        ..
                    }),
                    _,
                ) => {}
                (_, Kind::Element) => {
                    dom.write_start(out, id);
                    self.copy_children(out, document, dom, id)?;
                    dom.write_end(out, id);
                }
                (_, Kind::Root) => self.copy_children(out, document, dom, id)?,
                _ => dom.write_alone(out, id, into_raw),
            }
        }
        self.nested.set(self.nested.get() - 1);
        Ok(())
    }

    fn copy_children(
        &self,
        out: &mut String,
        document: usize,
        dom: &Dom<'_>,
        id: Id,
    ) -> Result<(), PageError> {
        // Inside its element, the text of a script is written as it is.
        dom.children(id)
            .try_for_each(|child| self.copy(out, document, child, true))
    }

    fn copy_marked(
        &self,
        out: &mut String,
        here: Here,
        dom: &Dom<'_>,
        marks: &Marks,
        mark: &Mark,
    ) -> Result<(), PageError> {
        let Here { document, node: id } = here;
        let groups = &self.program.content.groups;
        match mark.main {
            Main::Drop => {}
            Main::Strip => self.copy_children(out, document, dom, id)?,
            Main::ReplaceChildren(pattern) => {
                start(out, dom, id, marks);
                if let Target::ReplaceChildren(block) =
                    &self.program.content.patterns[pattern].target
                {
                    self.block(out, block, here)?;
                }
                dom.write_end(out, id);
            }
            Main::Copy => {
                start(out, dom, id, marks);
                self.copy_children(out, document, dom, id)?;
                dom.write_end(out, id);
            }
            Main::Around => {
                let put = |out: &mut String,
                           group: Option<usize>,
                           block: fn(&crate::compile::Group) -> &Block| {
                    group.map_or(Ok(()), |group| self.block(out, block(&groups[group]), here))
                };
                put(out, mark.before, |group| &group.before)?;
                if !self.replaced(out, here, mark)? {
                    start(out, dom, id, marks);
                    put(out, mark.before_children, |group| &group.before_children)?;
                    self.copy_children(out, document, dom, id)?;
                    put(out, mark.after_children, |group| &group.after_children)?;
                    dom.write_end(out, id);
                }
                put(out, mark.after, |group| &group.after)?;
            }
        }
        Ok(())
    }

    /// What stands in its place, if something does: the first whose condition holds, else those
    /// without one.
    fn replaced(&self, out: &mut String, here: Here, mark: &Mark) -> Result<bool, PageError> {
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

    pub(super) fn is_dropped(&self, document: usize, attribute: u32) -> Result<bool, PageError> {
        if self.program.content.is_empty() {
            return Ok(false);
        }
        Ok(self
            .marks(document)?
            .is_some_and(|marks| marks.has_dropped(attribute)))
    }
}

/// The start tag without the attributes that are dropped.
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
