//! Reads attributes of elements in rules files: selectors, conditions, and unknown ones.

use roxmltree::Node;

use super::TestId;
use super::namespace::{css_attribute, is_css};
use super::reader::Reader;
use super::selector::Written;
use crate::error::LoadError;

pub(super) const CONDITIONS: [&str; 6] = [
    "if",
    "if-not",
    "if-content",
    "if-not-content",
    "if-path",
    "if-not-path",
];
/// Attributes that may be written in CSS.
const SELECTORS: [&str; 8] = [
    "if",
    "if-not",
    "theme",
    "theme-children",
    "content",
    "content-children",
    "if-content",
    "if-not-content",
];

impl Reader {
    /// Reads the conditions of an element, and returns them with those of the elements around it.
    pub(super) fn all_conditions(&mut self, node: Node<'_, '_>) -> Result<Vec<TestId>, LoadError> {
        let mut when = self.when.clone();
        when.extend(self.conditions(node, None)?);
        Ok(when)
    }

    /// Returns a selector. `css:name` takes precedence over `name`.
    pub(super) fn written(&self, node: Node<'_, '_>, name: &str) -> Option<Written> {
        let css = css_attribute(node, name);
        let text = css.or_else(|| node.attribute(name))?;
        Some(match css {
            Some(text) => Written::css(text, css_attribute(node, "prefix")),
            None => Written::xpath(text),
        })
    }

    /// Reports unknown attributes, which are most likely misspelt. One that looks like a selector
    /// is an error, because without it the rule would apply to more than intended.
    pub(super) fn check_attributes(
        &mut self,
        node: Node<'_, '_>,
        known: &[&str],
    ) -> Result<(), LoadError> {
        for attribute in node.attributes() {
            let name = attribute.name();
            let is_css = is_css(attribute.namespace());
            let is_known = known.contains(&name) || CONDITIONS.contains(&name);
            if is_css && name == "prefix" {
                continue;
            }
            if is_css && is_known && !SELECTORS.contains(&name) {
                return Err(self.error(
                    node,
                    format!("{name} is no selector: write it without css:"),
                ));
            }
            if !is_known && (is_css || attribute.namespace().is_none()) {
                let what = format!(
                    "<{}> has no attribute {name}: it is ignored",
                    node.tag_name().name()
                );
                self.rules.warnings.push(self.error(node, what));
            }
        }
        Ok(())
    }
}
