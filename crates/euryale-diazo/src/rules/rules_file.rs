//! Reads the `<rules>` of a file.

use std::path::Path;

use roxmltree::Node;

use super::include::Included;
use super::namespace::{DIAZO, XSLT, is_diazo, is_rules, is_xinclude};
use super::reader::Reader;
use crate::error::LoadError;

/// The maximum depth of nested `<rules>`.
const MAX_NESTED: usize = 50;

impl Reader {
    /// Reads a file with rules.
    pub(super) fn rules_file(&mut self, path: &Path) -> Result<(), LoadError> {
        self.parsed(path, None, |reader, root| {
            if !is_rules(root) {
                let what = format!("a rules file begins with <rules xmlns=\"{DIAZO}\">");
                return Err(reader.error(root, what));
            }
            reader.declare_globals(root)?;
            reader.rules_element(root, 0)
        })
    }

    fn rules_element(&mut self, rules: Node<'_, '_>, nested: usize) -> Result<(), LoadError> {
        if nested > MAX_NESTED {
            return Err(self.error(
                rules,
                format!("more than {MAX_NESTED} <rules> in each other"),
            ));
        }
        self.check_attributes(rules, &[])?;
        let outer = self.when.len();
        let own = self.conditions(rules, None)?;
        self.when.extend(own);
        for child in rules.children().filter(Node::is_element) {
            self.child_of_rules(child, nested)?;
        }
        self.when.truncate(outer);
        Ok(())
    }

    /// Reads a rule, a theme, or any other element in a `<rules>`.
    fn child_of_rules(&mut self, child: Node<'_, '_>, nested: usize) -> Result<(), LoadError> {
        let name = child.tag_name().name();
        if is_xinclude(child) {
            return self.included(child, |reader, included| match included {
                Included::Root(root) => reader.child_of_rules(root, nested),
                Included::Fallback(fallback) => fallback
                    .children()
                    .filter(Node::is_element)
                    .try_for_each(|child| reader.child_of_rules(child, nested)),
                Included::Text(_) => {
                    let what = "text between rules is ignored: include it in a rule";
                    reader.rules.warnings.push(reader.error(child, what));
                    Ok(())
                }
            });
        }
        if is_diazo(child) {
            return match name {
                "rules" => self.rules_element(child, nested + 1),
                "theme" => self.theme(child),
                "notheme" => self.notheme(child),
                _ => self.rule(child),
            };
        }
        match child.tag_name().namespace() {
            Some(XSLT) if nested == 0 => self.toplevel(child),
            Some(XSLT) => {
                let what = format!(
                    "<xsl:{name}> is ignored here: move it directly under the root <rules>"
                );
                self.rules.warnings.push(self.error(child, what));
                Ok(())
            }
            _ => Err(self.error(child, format!("<{name}> is no rule"))),
        }
    }
}
