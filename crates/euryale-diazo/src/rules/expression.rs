//! Expressions in rules files. Their variables and documents are resolved when they are read.

use roxmltree::Node;

use super::instruction::{Part, Pattern};
use super::reader::Reader;
use super::selector::Written;
use crate::error::LoadError;
use crate::xpath::{Expr, Function, Variable};

impl Reader {
    /// Reads an expression in an attribute. It may be written in CSS, which then starts at the
    /// context node.
    pub(super) fn expression(
        &mut self,
        node: Node<'_, '_>,
        name: &str,
    ) -> Result<Option<Expr>, LoadError> {
        let Some(written) = self.written(node, name) else {
            return Ok(None);
        };
        self.compiled(node, &written.looking_from_here()).map(Some)
    }

    /// Compiles a selector, and resolves its variables and documents.
    pub(super) fn compiled(
        &mut self,
        node: Node<'_, '_>,
        written: &Written,
    ) -> Result<Expr, LoadError> {
        let mut expr = written.compile().map_err(|error| self.error(node, error))?;
        self.resolve(node, &mut expr)?;
        Ok(expr)
    }

    fn resolve(&mut self, node: Node<'_, '_>, expr: &mut Expr) -> Result<(), LoadError> {
        let mut hrefs = Vec::new();
        let names = &self.names;
        let uses = &mut self.uses;
        let resolved = expr.each(&mut |expr| {
            match expr {
                Expr::Variable(variable) => {
                    let Variable::Parameter(name) = variable else {
                        return Ok(());
                    };
                    let known = names.iter().rev().find(|known| known.0 == *name);
                    if let Some((_, known)) = known {
                        if let Variable::Global(index) = known {
                            uses.push(*index);
                        }
                        *variable = known.clone();
                    }
                }
                Expr::Call(Function::Document, arguments) => match arguments.first() {
                    Some(Expr::Literal(href)) => {
                        hrefs.push(href.clone());
                        *expr = Expr::Document(hrefs.len() as u32 - 1);
                    }
                    _ => {
                        return Err(
                            "document() takes an address in quotes: pages cannot choose \
                                    what is fetched"
                                .to_owned(),
                        );
                    }
                },
                _ => {}
            }
            Ok(())
        });
        resolved.map_err(|error| self.error(node, error))?;
        if hrefs.is_empty() {
            return Ok(());
        }
        let mut documents = Vec::new();
        for href in hrefs {
            documents.push(self.site_document(node, &href)?);
        }
        self.computed.extend(&documents);
        let mut next = documents.into_iter();
        expr.each(&mut |expr| {
            if let Expr::Document(named) = expr {
                *named = next.next().unwrap_or(*named);
            }
            Ok(())
        })
        .map_err(|error| self.error(node, error))
    }

    /// Reads an attribute value template.
    pub(super) fn template(
        &mut self,
        node: Node<'_, '_>,
        text: &str,
    ) -> Result<Pattern, LoadError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..at + 1];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let end = end_of_expression(rest).filter(|_| brace == "{");
            let Some(end) = end else {
                let what = format!(
                    "a single `{brace}` in \"{text}\": an expression is in `{{` and `}}`, and a \
                     brace that is meant is written twice"
                );
                return Err(self.error(node, what));
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let written = Written::xpath(&rest[..end]);
            parts.push(Part::Expr(self.compiled(node, &written)?));
            rest = &rest[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Pattern(parts))
    }
}

/// Finds the `}` that is not in a string.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '}') => return Some(at),
            _ => {}
        }
    }
    None
}
