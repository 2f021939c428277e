//! Reads XSLT directly under the root `<rules>`: templates, variables, parameters.

use roxmltree::Node;

use super::body::Inside;
use super::include::Included;
use super::inline::Inline;
use super::instruction::{Global, Instruction, Template};
use super::namespace::{is_xinclude, is_xslt};
use super::reader::Reader;
use super::rule::{ContentRule, ContentTarget, DEFAULT_MODE, Rank, WholeKind};
use super::selector::patterns;
use crate::error::LoadError;
use crate::xpath::{Axis, Expr, Step, Test, Variable};

impl Reader {
    /// Declares the global names, which are visible in all rules, wherever they are declared.
    pub(super) fn declare_globals(&mut self, root: Node<'_, '_>) -> Result<(), LoadError> {
        for child in root.children() {
            if is_xinclude(child) {
                self.included(child, |reader, included| {
                    match included {
                        Included::Root(root) => reader.declare_global(root),
                        Included::Fallback(fallback) => return reader.declare_globals(fallback),
                        Included::Text(_) => {}
                    }
                    Ok(())
                })?;
            } else {
                self.declare_global(child);
            }
        }
        Ok(())
    }

    fn declare_global(&mut self, child: Node<'_, '_>) {
        let name = child.attribute("name").unwrap_or_default();
        match child.tag_name().name() {
            "variable" | "param" if is_xslt(child) => {
                let index = self.names.len() as u32;
                self.names.push((name.to_owned(), Variable::Global(index)));
            }
            "template" if is_xslt(child) => self.template_names.push(name.to_owned()),
            _ => {}
        }
    }

    pub(super) fn toplevel(&mut self, node: Node<'_, '_>) -> Result<(), LoadError> {
        match node.tag_name().name() {
            "variable" | "param" => self.global(node),
            "template" => self.template_rule(node),
            name @ ("output" | "strip-space" | "preserve-space") => {
                let what = format!(
                    "<xsl:{name}> is ignored: pages are written as HTML, with the white space \
                     that they have"
                );
                self.rules.warnings.push(self.error(node, what));
                Ok(())
            }
            _ => Err(self.not_supported(node)),
        }
    }

    fn global(&mut self, node: Node<'_, '_>) -> Result<(), LoadError> {
        let name = self.name_of(node)?;
        if self.rules.globals.iter().any(|known| known.name == name) {
            return Err(self.error(node, format!("${name} is declared twice")));
        }
        self.uses.clear();
        let value = self.binding(node, Inside::rule(true))?;
        self.global_uses.push(std::mem::take(&mut self.uses));
        let global = Global {
            place: self.place(node),
            name,
            is_parameter: node.tag_name().name() == "param",
            frame: std::mem::take(&mut self.slots),
            value,
        };
        self.rules.globals.push(global);
        Ok(())
    }

    /// Refuses variables that depend on each other, because they have no value.
    pub(super) fn check_globals(&self) -> Result<(), LoadError> {
        let uses = &self.global_uses;
        for start in 0..uses.len() {
            let mut seen = vec![false; uses.len()];
            let mut open: Vec<u32> = uses[start].clone();
            while let Some(next) = open.pop() {
                if next as usize == start {
                    let global = &self.rules.globals[start];
                    let what = format!("${} is made of itself", global.name);
                    let place = &global.place;
                    return Err(LoadError::new(&place.file, Some(place.line), what));
                }
                if let Some(seen) = seen.get_mut(next as usize)
                    && !std::mem::replace(seen, true)
                {
                    open.extend(&uses[next as usize]);
                }
            }
        }
        Ok(())
    }

    fn template_rule(&mut self, node: Node<'_, '_>) -> Result<(), LoadError> {
        let index = self.rules.templates.len() as u32;
        let mode = node.attribute("mode");
        let mode = mode.map_or(DEFAULT_MODE, |mode| self.mode(mode));
        if let Some(written) = self.written(node, "match") {
            let priority = match node.attribute("priority").map(str::parse::<f64>) {
                None => None,
                Some(Ok(priority)) => Some(Rank::of(priority)),
                Some(Err(_)) => return Err(self.error(node, "priority is a number")),
            };
            let expr = self.compiled(node, &written)?;
            for select in alternatives(expr) {
                self.match_pattern(node, select, priority, mode, index)?;
            }
        } else if !node.has_attribute("name") {
            return Err(self.error(node, "<xsl:template> needs match or name"));
        }
        let known = self.names.len();
        let mut parameters = Vec::new();
        let mut body = Vec::new();
        let inside = Inside::rule(true);
        for child in node.children() {
            if is_xslt(child) && child.tag_name().name() == "param" {
                let value = self.binding(child, inside)?;
                let slot = self.declare(child)?;
                parameters.push((self.name_of(child)?, slot));
                let default = Instruction::Default { slot, value };
                body.push(Inline::Do(self.place(child).into(), Box::new(default)));
            } else {
                self.inline_node(child, inside, &mut body)?;
            }
        }
        self.names.truncate(known);
        self.rules.templates.push(Template {
            place: self.place(node),
            parameters,
            frame: std::mem::take(&mut self.slots),
            body,
        });
        Ok(())
    }

    fn match_pattern(
        &mut self,
        node: Node<'_, '_>,
        select: Expr,
        priority: Option<Rank>,
        mode: u32,
        template: u32,
    ) -> Result<(), LoadError> {
        if matches!(&select, Expr::Path(path) if path.steps.is_empty()) {
            let what = "match=\"/\" is Diazo's own: rules say what becomes of the whole page";
            return Err(self.error(node, what));
        }
        let Expr::Path(_) = &select else {
            return Err(self.error(
                node,
                "match is a pattern: a path, or several with | between",
            ));
        };
        let kind = whole_kind(&select).filter(|_| priority.is_none());
        let mut patterns = patterns(select);
        if let Some(priority) = priority {
            for (_, rank) in &mut patterns {
                *rank = priority;
            }
        }
        self.rules.content_rules.push(ContentRule {
            place: self.place(node),
            target: ContentTarget::Template {
                template,
                mode,
                kind,
            },
            when: Vec::new(),
            written: String::new(),
            patterns,
        });
        Ok(())
    }
}

fn whole_kind(select: &Expr) -> Option<WholeKind> {
    let Expr::Path(path) = select else {
        return None;
    };
    let [
        Step {
            axis,
            test,
            predicates,
        },
    ] = path.steps.as_slice()
    else {
        return None;
    };
    if path.absolute || !predicates.is_empty() {
        return None;
    }
    match (axis, test) {
        (Axis::Attribute, Test::Any | Test::Node) => Some(WholeKind::Attributes),
        (Axis::Child, Test::Any) => Some(WholeKind::Elements),
        (Axis::Child, Test::Text) => Some(WholeKind::Texts),
        (Axis::Child, Test::Comment) => Some(WholeKind::Comments),
        (Axis::Child, Test::Node) => Some(WholeKind::Nodes),
        _ => None,
    }
}

fn alternatives(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::Union(a, b) => {
            let mut all = alternatives(*a);
            all.extend(alternatives(*b));
            all
        }
        other => vec![other],
    }
}
