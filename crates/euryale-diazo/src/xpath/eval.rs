//! The value of an expression on a page.

use std::borrow::Cow;
use std::cell::Cell;

use super::item::Item;
use super::steps::{filter, follow};
use super::value::{Value, number_of};
use super::{Comparison, Expr, Operator, Path, Variable, World};
use crate::dom::{Dom, ROOT};
use crate::error::PageError;

/// The number of nodes that may be examined for one page. It stops rules that combine all nodes
/// with all nodes, which would run for an hour.
#[derive(Debug)]
pub(crate) struct Budget(Cell<u64>);

impl Budget {
    pub(crate) fn new(nodes: u64) -> Self {
        Self(Cell::new(nodes))
    }

    pub(crate) fn spend(&self, nodes: usize) -> Result<(), PageError> {
        let left = self
            .0
            .get()
            .checked_sub(nodes as u64)
            .ok_or(PageError::TooMuchWork)?;
        self.0.set(left);
        Ok(())
    }
}

/// The context of an expression.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) dom: &'a Dom<'a>,
    pub(crate) world: &'a dyn World<'a>,
    pub(crate) budget: &'a Budget,
    /// An item of `dom`.
    pub(crate) item: Item,
    /// The node that the instruction is at, for `current()`.
    pub(crate) current: Item,
    pub(crate) position: usize,
    pub(crate) size: usize,
}

impl<'a> Scope<'a> {
    /// At an item, which is the current one, too.
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

    /// Elsewhere, for the same instruction.
    pub(super) fn at(self, item: Item) -> Self {
        let dom = self.dom_of(item);
        Self {
            dom,
            item,
            position: 1,
            size: 1,
            ..self
        }
    }

    pub(crate) fn dom_of(&self, item: Item) -> &'a Dom<'a> {
        if item.document == self.item.document {
            self.dom
        } else {
            self.world.dom(item.document)
        }
    }

    /// Each kind has its own function, so that nested expressions need little stack.
    pub(crate) fn value(self, expr: &'a Expr) -> Result<Value<'a>, PageError> {
        match expr {
            Expr::Or(a, b) => Ok(Value::Truth(self.is_true(a)? || self.is_true(b)?)),
            Expr::And(a, b) => Ok(Value::Truth(self.is_true(a)? && self.is_true(b)?)),
            Expr::Compare(comparison, a, b) => self.compared(*comparison, a, b),
            Expr::Arithmetic(operator, a, b) => self.computed(*operator, a, b),
            Expr::Negate(a) => self.negated(a),
            Expr::Union(a, b) => self.union(a, b),
            Expr::Path(path) => self.path(path).map(Value::Nodes),
            Expr::Filter(primary, predicates, steps) => {
                let nodes = filter(self, self.nodes(primary)?, predicates)?;
                follow(self, nodes, steps).map(Value::Nodes)
            }
            Expr::Literal(text) => Ok(Value::Text(Cow::Borrowed(text))),
            Expr::Number(number) => Ok(Value::Number(*number)),
            Expr::Variable(variable) => self.variable(variable),
            Expr::Document(named) => {
                let document = self.world.document(*named);
                let top = document.map(|document| Item::new(document, ROOT));
                Ok(Value::Nodes(top.into_iter().collect()))
            }
            Expr::Call(function, arguments) => function.call(self, arguments),
        }
    }

    fn compared(
        self,
        comparison: Comparison,
        a: &'a Expr,
        b: &'a Expr,
    ) -> Result<Value<'a>, PageError> {
        let a = self.value(a)?;
        let b = self.value(b)?;
        self.compare(comparison, a, b).map(Value::Truth)
    }

    fn computed(
        self,
        operator: Operator,
        a: &'a Expr,
        b: &'a Expr,
    ) -> Result<Value<'a>, PageError> {
        let a = self.value(a)?.into_number(self)?;
        let b = self.value(b)?.into_number(self)?;
        Ok(Value::Number(match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => a / b,
            Operator::Modulo => a % b,
        }))
    }

    fn negated(self, a: &'a Expr) -> Result<Value<'a>, PageError> {
        let number = self.value(a)?.into_number(self)?;
        Ok(Value::Number(-number))
    }

    fn union(self, a: &'a Expr, b: &'a Expr) -> Result<Value<'a>, PageError> {
        let mut nodes = self.nodes(a)?;
        nodes.extend(self.nodes(b)?);
        nodes.sort_unstable();
        nodes.dedup();
        Ok(Value::Nodes(nodes))
    }

    fn variable(self, variable: &Variable) -> Result<Value<'a>, PageError> {
        match variable {
            // XSLT would refuse the stylesheet. Here a parameter that a program does not set is
            // empty.
            Variable::Parameter(name) => {
                let value = self.world.parameter(name);
                Ok(value.unwrap_or(Value::Text(Cow::Borrowed(""))))
            }
            Variable::Global(index) => self.counted(self.world.global(*index)?),
            Variable::Local(slot) => self.counted(self.world.local(*slot)),
        }
    }

    fn path(self, path: &'a Path) -> Result<Vec<Item>, PageError> {
        let start = if path.absolute {
            self.item.beside(ROOT)
        } else {
            self.item
        };
        follow(self, vec![start], &path.steps)
    }

    /// Returns the nodes that it selects, in document order and each once, or `None` if it does not
    /// select nodes.
    pub(crate) fn nodes(self, expr: &'a Expr) -> Result<Vec<Item>, PageError> {
        Ok(match self.value(expr)? {
            Value::Nodes(nodes) => nodes,
            _ => Vec::new(),
        })
    }

    pub(crate) fn is_true(self, expr: &'a Expr) -> Result<bool, PageError> {
        Ok(self.value(expr)?.is_true())
    }

    /// The value of a variable is copied, so its nodes and bytes count as work.
    fn counted(self, value: Value<'a>) -> Result<Value<'a>, PageError> {
        match &value {
            Value::Nodes(nodes) => self.budget.spend(nodes.len())?,
            Value::Text(text) => self.budget.spend(text.len() / 16)?,
            Value::Truth(_) | Value::Number(_) | Value::Fragment(_) => {}
        }
        Ok(value)
    }

    /// Returns the string value of an item. Its nodes and bytes count as work.
    pub(crate) fn text(self, item: Item) -> Result<Cow<'a, str>, PageError> {
        let dom = self.dom_of(item);
        let bytes = match item.as_attribute() {
            Some(attribute) => dom.attribute_value(attribute).len(),
            None => dom.length(item.node),
        };
        let nodes = (dom.node(item.node).after - item.node) as usize;
        self.budget.spend(nodes + bytes / 16)?;
        let text = item.text(dom);
        if let Cow::Owned(text) = &text {
            // It was joined from several texts, or references in it were resolved.
            self.budget.spend(bytes.max(text.len()))?;
        }
        Ok(text)
    }

    /// The number that a text says.
    pub(super) fn number(self, text: &str) -> Result<f64, PageError> {
        self.budget.spend(text.len() / 2)?;
        Ok(number_of(text))
    }

    /// Charges the budget for work on a text.
    pub(super) fn read(self, text: Cow<'a, str>) -> Result<Cow<'a, str>, PageError> {
        self.budget.spend(text.len() / 16)?;
        Ok(text)
    }
}
