//! The context of an expression, and the texts that it reads there.

use std::borrow::Cow;

use super::budget::Budget;
use super::item::Item;
use super::value::number_of;
use super::world::World;
use crate::dom::Dom;
use crate::error::PageError;

/// The context of an expression.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) dom: &'a Dom<'a>,
    pub(crate) world: &'a dyn World<'a>,
    pub(crate) budget: &'a Budget,
    /// An item of `dom`.
    pub(crate) item: Item,
    /// The node of the instruction, for `current()`.
    pub(crate) current: Item,
    pub(crate) position: usize,
    pub(crate) size: usize,
}

impl<'a> Scope<'a> {
    /// Creates a scope at an item, which is also the current one.
    pub(crate) fn new(world: &'a dyn World<'a>, budget: &'a Budget, item: Item) -> Self {
        Self {
            dom: world.dom(item.document),
            world,
            budget,
            item,
            current: item,
            position: 1,
            size: 1,
        }
    }

    /// Returns a scope at another item, for the same instruction.
    pub(super) fn at(&self, item: Item) -> Self {
        let dom = self.dom_of(item);
        Self {
            dom,
            item,
            position: 1,
            size: 1,
            ..*self
        }
    }

    pub(crate) fn dom_of(&self, item: Item) -> &'a Dom<'a> {
        if item.document == self.item.document {
            self.dom
        } else {
            self.world.dom(item.document)
        }
    }

    /// Returns the string value of an item. Its nodes and bytes count as work.
    pub(crate) fn text(&self, item: Item) -> Result<Cow<'a, str>, PageError> {
        let dom = self.dom_of(item);
        let bytes = match item.as_attribute() {
            Some(attribute) => dom.attribute_value(attribute).len(),
            None => dom.length(item.node),
        };
        let nodes = (dom.node(item.node).after - item.node) as usize;
        self.budget.spend(nodes + bytes / 16)?;
        let text = item.text(dom);
        if let Cow::Owned(text) = &text {
            // The text was joined from several texts, or references in it were resolved.
            self.budget.spend(bytes.max(text.len()))?;
        }
        Ok(text)
    }

    /// Returns the number that a text represents.
    pub(super) fn number(&self, text: &str) -> Result<f64, PageError> {
        self.budget.spend(text.len() / 2)?;
        Ok(number_of(text))
    }

    /// Charges the budget for work on a text.
    pub(super) fn read(&self, text: Cow<'a, str>) -> Result<Cow<'a, str>, PageError> {
        self.budget.spend(text.len() / 16)?;
        Ok(text)
    }
}
