//! Evaluates expressions on a page.

use std::borrow::Cow;

use super::item::Item;
use super::matches::accepts;
use super::scope::Scope;
use super::steps::{Found, Stop, narrow, walk};
use super::value::Value;
use super::{Comparison, Expr, Operator, Path, Test, Variable};
use crate::dom::ROOT;
use crate::error::PageError;

/// The result of a path that selects at most one node.
enum Single {
    Item(Item),
    Nothing,
    /// The path may select more and needs a walk.
    Walk,
}

impl Single {
    fn of(item: Option<Item>) -> Self {
        item.map_or(Self::Nothing, Self::Item)
    }
}

impl<'a> Scope<'a> {
    /// Evaluates an expression. Each kind has its own function, so that nested expressions need
    /// little stack.
    pub(crate) fn value(&self, expr: &'a Expr) -> Result<Value<'a>, PageError> {
        match expr {
            Expr::Or(a, b) => Ok(Value::Truth(self.is_true(a)? || self.is_true(b)?)),
            Expr::And(a, b) => Ok(Value::Truth(self.is_true(a)? && self.is_true(b)?)),
            Expr::Compare(comparison, a, b) => self.compared(*comparison, a, b),
            Expr::Arithmetic(operator, a, b) => self.computed(*operator, a, b),
            Expr::Negate(a) => self.negated(a),
            Expr::Union(a, b) => self.union(a, b),
            Expr::Path(path) => self.path(path).map(Value::Nodes),
            Expr::Filter(primary, predicates, steps) => {
                narrow(self, self.nodes(primary)?, predicates, steps).map(Value::Nodes)
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
        &self,
        comparison: Comparison,
        a: &'a Expr,
        b: &'a Expr,
    ) -> Result<Value<'a>, PageError> {
        let holds = match (a, b) {
            (Expr::Path(path), other) if !other.selects() => {
                self.compare_path(comparison, path, self.value(other)?)
            }
            (other, Expr::Path(path)) if !other.selects() => {
                self.compare_path(comparison.mirrored(), path, self.value(other)?)
            }
            _ => {
                let a = self.value(a)?;
                self.compare(comparison, a, self.value(b)?)
            }
        };
        holds.map(Value::Truth)
    }

    fn computed(
        &self,
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

    fn negated(&self, a: &'a Expr) -> Result<Value<'a>, PageError> {
        let number = self.value(a)?.into_number(self)?;
        Ok(Value::Number(-number))
    }

    fn union(&self, a: &'a Expr, b: &'a Expr) -> Result<Value<'a>, PageError> {
        let mut nodes = Vec::with_capacity(4);
        self.add_nodes(a, &mut nodes)?;
        self.add_nodes(b, &mut nodes)?;
        nodes.sort_unstable();
        nodes.dedup();
        Ok(Value::Nodes(nodes))
    }

    /// Adds the nodes that an expression selects, in any order.
    fn add_nodes(&self, expr: &'a Expr, nodes: &mut Vec<Item>) -> Result<(), PageError> {
        match expr {
            Expr::Path(path) => self.add_nodes_of(path, nodes)?,
            other => nodes.extend(self.nodes(other)?),
        }
        Ok(())
    }

    fn add_nodes_of(&self, path: &'a Path, nodes: &mut Vec<Item>) -> Result<(), PageError> {
        self.each(path, &mut |item| {
            nodes.push(item);
            Ok(())
        })
    }

    fn variable(&self, variable: &Variable) -> Result<Value<'a>, PageError> {
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

    fn path(&self, path: &'a Path) -> Result<Vec<Item>, PageError> {
        let mut nodes = Vec::with_capacity(4);
        self.add_nodes_of(path, &mut nodes)?;
        Ok(nodes)
    }

    /// Calls `found` with the nodes of a path in document order, until it has enough.
    pub(super) fn each(&self, path: &'a Path, found: &mut Found<'_>) -> Result<(), PageError> {
        let item = match self.single(path)? {
            Single::Item(item) => item,
            Single::Nothing => return Ok(()),
            Single::Walk => return self.walked(path, found),
        };
        match found(item) {
            Ok(()) | Err(Stop::Enough) => Ok(()),
            Err(Stop::Exceeded(error)) => Err(error),
        }
    }

    fn walked(&self, path: &'a Path, found: &mut Found<'_>) -> Result<(), PageError> {
        let start = if path.absolute {
            self.item.beside(ROOT)
        } else {
            self.item
        };
        match walk(self, start, &path.steps, found) {
            Ok(()) | Err(Stop::Enough) => Ok(()),
            Err(Stop::Exceeded(error)) => Err(error),
        }
    }

    /// Returns what the path selects if it is `.` or `@name`, which need no walk.
    fn single(&self, path: &Path) -> Result<Single, PageError> {
        let item = self.item;
        if path.is_itself() {
            self.budget.spend(1)?;
            let is_node =
                item.as_attribute().is_some() || accepts(self.dom, item.node, &Test::Node);
            return Ok(Single::of(is_node.then_some(item)));
        }
        let Some(name) = path.attribute() else {
            return Ok(Single::Walk);
        };
        if item.as_attribute().is_some() {
            return Ok(Single::Nothing);
        }
        self.budget
            .spend(1 + self.dom.search_cost(item.node, name))?;
        let attribute = self.dom.attribute(item.node, name);
        Ok(Single::of(attribute.map(|at| item.attribute(at))))
    }

    /// Calls `found` with all nodes of a path in document order.
    pub(crate) fn visit(
        &self,
        path: &'a Path,
        found: &mut dyn FnMut(Item) -> Result<(), PageError>,
    ) -> Result<(), PageError> {
        self.each(path, &mut |item| Ok(found(item)?))
    }

    /// Returns the first node of a path.
    pub(super) fn first(&self, path: &'a Path) -> Result<Option<Item>, PageError> {
        match self.single(path)? {
            Single::Item(item) => return Ok(Some(item)),
            Single::Nothing => return Ok(None),
            Single::Walk => {}
        }
        let mut first = None;
        self.walked(path, &mut |item| {
            first = Some(item);
            Err(Stop::Enough)
        })?;
        Ok(first)
    }

    /// Returns the nodes that the expression selects, in document order and each once; empty if it
    /// does not select nodes.
    pub(crate) fn nodes(&self, expr: &'a Expr) -> Result<Vec<Item>, PageError> {
        Ok(match expr {
            Expr::Path(path) => self.path(path)?,
            other => match self.value(other)? {
                Value::Nodes(nodes) => nodes,
                _ => Vec::new(),
            },
        })
    }

    /// Returns whether the value is true. A set of nodes is true if it is not empty.
    pub(crate) fn is_true(&self, expr: &'a Expr) -> Result<bool, PageError> {
        match expr {
            Expr::Path(_) | Expr::Union(..) => self.has_nodes(expr),
            other => Ok(self.value(other)?.is_true()),
        }
    }

    fn has_nodes(&self, expr: &'a Expr) -> Result<bool, PageError> {
        match expr {
            Expr::Path(path) => Ok(self.first(path)?.is_some()),
            Expr::Union(a, b) => Ok(self.has_nodes(a)? || self.has_nodes(b)?),
            other => Ok(!self.nodes(other)?.is_empty()),
        }
    }

    /// Returns whether a predicate holds: a number is a position.
    pub(super) fn is_at(&self, expr: &'a Expr) -> Result<bool, PageError> {
        Ok(match self.value(expr)? {
            Value::Number(number) => number == self.position as f64,
            value => value.is_true(),
        })
    }

    /// Returns the value as text. For a set of nodes, this is the text of the first one.
    pub(crate) fn string(&self, expr: &'a Expr) -> Result<Cow<'a, str>, PageError> {
        match expr {
            Expr::Path(path) => match self.first(path)? {
                Some(item) => self.text(item),
                None => Ok(Cow::Borrowed("")),
            },
            Expr::Literal(text) => Ok(Cow::Borrowed(text)),
            other => self.value(other)?.into_text(self),
        }
    }

    /// Charges the budget for a variable's value, because its nodes and bytes are copied.
    fn counted(&self, value: Value<'a>) -> Result<Value<'a>, PageError> {
        match &value {
            Value::Nodes(nodes) => self.budget.spend(nodes.len())?,
            Value::Text(text) => self.budget.spend(text.len() / 16)?,
            Value::Truth(_) | Value::Number(_) | Value::Fragment(_) => {}
        }
        Ok(value)
    }
}
