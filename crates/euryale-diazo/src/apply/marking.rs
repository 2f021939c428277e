//! Finds the nodes of a document for which there are rules about the content.

use super::marks::{Fate, Main, Mark, Marks};
use super::page::{Here, Page};
use crate::compile::Target;
use crate::dom::{Id, ROOT};
use crate::error::PageError;
use crate::xpath::Item;

impl<'a> Page<'a> {
    /// Returns the marks of a document in a mode, which are computed at their first use.
    pub(super) fn marks(
        &'a self,
        document: u32,
        mode: u32,
    ) -> Result<Option<&'a Marks>, PageError> {
        let Some(parsed) = self.parsed(document) else {
            return Ok(None);
        };
        let place = &parsed.marks[mode as usize];
        if place.get().is_none() {
            let marks = self.find_marks(document, mode)?;
            // The marks cannot have been set since, because a page is themed by one thread and
            // computing marks copies nothing.
            let _ = place.set(marks);
        }
        Ok(place.get())
    }

    fn find_marks(&'a self, document: u32, mode: u32) -> Result<Marks, PageError> {
        let mut found: Vec<(Id, usize)> = Vec::new();
        let mut attributes: Vec<(u32, Fate)> = Vec::new();
        let mut marks = Marks::default();
        let scope = self.scope(Here::at(Item::new(document, ROOT)));
        let dom = self.dom(document);
        let patterns = self.program.content.patterns.iter().enumerate();
        for (index, pattern) in patterns.filter(|(_, pattern)| pattern.mode == mode) {
            for item in scope.nodes(&pattern.select)? {
                let here = Here::at(item.beside(item.node));
                if item.node == ROOT || !self.all(&pattern.when, here)? {
                    continue;
                }
                match (&pattern.target, item.as_attribute()) {
                    (Target::Drop, Some(attribute)) => attributes.push((attribute, Fate::Drop)),
                    (Target::Template(template), Some(attribute)) => {
                        attributes.push((attribute, Fate::Template(*template)));
                    }
                    (_, Some(_)) => continue,
                    (Target::DropAttributes(names), None) => {
                        self.budget
                            .spend(dom.node(item.node).attribute_count as usize)?;
                        let dropped = dom.attributes_of(item.node);
                        let dropped = dropped.filter(|at| names.has(dom.attribute_name(*at)));
                        attributes.extend(dropped.map(|at| (at, Fate::Drop)));
                    }
                    _ => {}
                }
                found.push((item.node, index));
            }
        }
        marks.set_attributes(attributes);
        // The sort is stable, so that the patterns of one node stay in their order, the weakest
        // first.
        found.sort_by_key(|(node, _)| *node);
        for (node, index) in found {
            if let Some(mark) = marks.last(node) {
                self.mark(mark, index);
            }
        }
        Ok(marks)
    }

    fn mark(&self, mark: &mut Mark, index: usize) {
        let content = &self.program.content;
        let group = match &content.patterns[index].target {
            Target::DropAttributes(_) => return,
            // Marks of attributes are kept in separate lists.
            Target::Drop | Target::Template(_)
                if content.patterns[index].select.selects_attributes() =>
            {
                return;
            }
            Target::Drop => return mark.main = Main::Drop,
            Target::Strip => return mark.main = Main::Strip,
            Target::Template(template) => return mark.main = Main::Template(*template),
            Target::ReplaceChildren(_) => return mark.main = Main::ReplaceChildren(index),
            Target::Group(group) => *group as usize,
        };
        mark.main = Main::Around;
        let places = &content.groups[group];
        let put = |place: &mut Option<usize>, is_there: bool| {
            if is_there {
                *place = Some(group);
            }
        };
        put(&mut mark.before, !places.before.0.is_empty());
        put(
            &mut mark.before_children,
            !places.before_children.0.is_empty(),
        );
        put(&mut mark.replace, !places.replace.is_empty());
        put(
            &mut mark.after_children,
            !places.after_children.0.is_empty(),
        );
        put(&mut mark.after, !places.after.0.is_empty());
    }
}
