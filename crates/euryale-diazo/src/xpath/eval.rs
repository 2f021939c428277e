//! The value of an expression on a page.

use std::borrow::Cow;
use std::cell::Cell;

use super::steps::{filter, follow};
use super::value::{Item, Value};
use super::{Comparison, Expr, Operator, Path};
use crate::dom::{Dom, Id, ROOT};

/// How many nodes may be looked at for one page. A rule that multiplies nodes with nodes ends here,
/// not in an hour.
#[derive(Debug)]
pub(crate) struct Budget(Cell<u64>);

/// The budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Budget {
    pub(crate) fn new(nodes: u64) -> Self {
        Self(Cell::new(nodes))
    }

    pub(crate) fn spend(&self, nodes: usize) -> Result<(), Exhausted> {
        let left = self.0.get().checked_sub(nodes as u64).ok_or(Exhausted)?;
        self.0.set(left);
        Ok(())
    }
}

/// Where an expression is asked.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) dom: &'a Dom<'a>,
    /// Values of `$name`.
    pub(crate) parameters: &'a dyn Fn(&str) -> Option<Value<'a>>,
    pub(crate) budget: &'a Budget,
    pub(crate) item: Item,
    pub(super) position: usize,
    pub(super) size: usize,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(
        dom: &'a Dom<'a>,
        parameters: &'a dyn Fn(&str) -> Option<Value<'a>>,
        budget: &'a Budget,
    ) -> Self {
        Self {
            dom,
            parameters,
            budget,
            item: Item::node(ROOT),
            position: 1,
            size: 1,
        }
    }

    pub(crate) fn at(self, node: Id) -> Self {
        Self {
            item: Item::node(node),
            position: 1,
            size: 1,
            ..self
        }
    }

    pub(crate) fn value(self, expr: &'a Expr) -> Result<Value<'a>, Exhausted> {
        Ok(match expr {
            Expr::Or(a, b) => Value::Truth(self.is_true(a)? || self.is_true(b)?),
            Expr::And(a, b) => Value::Truth(self.is_true(a)? && self.is_true(b)?),
            Expr::Compare(comparison, a, b) => {
                Value::Truth(self.compare(*comparison, self.value(a)?, self.value(b)?)?)
            }
            Expr::Arithmetic(operator, a, b) => {
                let a = self.value(a)?.into_number(self)?;
                let b = self.value(b)?.into_number(self)?;
                Value::Number(match operator {
                    Operator::Add => a + b,
                    Operator::Subtract => a - b,
                    Operator::Multiply => a * b,
                    Operator::Divide => a / b,
                    Operator::Modulo => a % b,
                })
            }
            Expr::Negate(a) => Value::Number(-self.value(a)?.into_number(self)?),
            Expr::Union(a, b) => {
                let mut nodes = self.nodes(a)?;
                nodes.extend(self.nodes(b)?);
                nodes.sort_unstable();
                nodes.dedup();
                Value::Nodes(nodes)
            }
            Expr::Path(path) => Value::Nodes(self.path(path)?),
            Expr::Filter(primary, predicates, steps) => {
                let nodes = filter(self, self.nodes(primary)?, predicates)?;
                Value::Nodes(follow(self, nodes, steps)?)
            }
            Expr::Literal(text) => Value::Text(Cow::Borrowed(text)),
            Expr::Number(number) => Value::Number(*number),
            // XSLT would refuse the stylesheet; a parameter that a program does not set says
            // nothing.
            Expr::Variable(name) => {
                (self.parameters)(name).unwrap_or(Value::Text(Cow::Borrowed("")))
            }
            Expr::Call(function, arguments) => function.call(self, arguments)?,
        })
    }

    fn path(self, path: &'a Path) -> Result<Vec<Item>, Exhausted> {
        let start = if path.absolute {
            Item::node(ROOT)
        } else {
            self.item
        };
        follow(self, vec![start], &path.steps)
    }

    /// The nodes that it selects, in document order, each once; none for what selects no nodes.
    pub(crate) fn nodes(self, expr: &'a Expr) -> Result<Vec<Item>, Exhausted> {
        Ok(match self.value(expr)? {
            Value::Nodes(nodes) => nodes,
            _ => Vec::new(),
        })
    }

    pub(crate) fn is_true(self, expr: &'a Expr) -> Result<bool, Exhausted> {
        Ok(self.value(expr)?.is_true())
    }

    /// What an item says; longer texts cost more.
    pub(super) fn text(self, item: Item) -> Result<Cow<'a, str>, Exhausted> {
        let node = self.dom.node(item.node);
        self.budget.spend((node.after - item.node) as usize)?;
        Ok(item.text(self.dom))
    }

    /// Comparisons with sets of nodes hold if they hold for one of them (XPath 1.0 §3.4).
    fn compare(
        self,
        comparison: Comparison,
        a: Value<'a>,
        b: Value<'a>,
    ) -> Result<bool, Exhausted> {
        match (a, b) {
            (Value::Nodes(nodes), other @ Value::Truth(_)) => {
                self.compare_atoms(comparison, Value::Truth(!nodes.is_empty()), other)
            }
            (other @ Value::Truth(_), Value::Nodes(nodes)) => {
                self.compare_atoms(comparison, other, Value::Truth(!nodes.is_empty()))
            }
            (Value::Nodes(left), Value::Nodes(right)) => {
                self.budget.spend(left.len().saturating_mul(right.len()))?;
                let right = right.into_iter().map(|item| self.text(item));
                let right = right.collect::<Result<Vec<_>, Exhausted>>()?;
                for item in left {
                    let text = self.text(item)?;
                    for other in &right {
                        if self.compare_atoms(
                            comparison,
                            Value::Text(text.clone()),
                            Value::Text(other.clone()),
                        )? {
                            return Ok(true);
                        }
                    }
                }
                Ok(false)
            }
            (Value::Nodes(nodes), other) => {
                for item in nodes {
                    if self.compare_atoms(
                        comparison,
                        Value::Text(self.text(item)?),
                        other.clone(),
                    )? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (other, Value::Nodes(nodes)) => {
                for item in nodes {
                    if self.compare_atoms(
                        comparison,
                        other.clone(),
                        Value::Text(self.text(item)?),
                    )? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (a, b) => self.compare_atoms(comparison, a, b),
        }
    }

    fn compare_atoms(
        self,
        comparison: Comparison,
        a: Value<'a>,
        b: Value<'a>,
    ) -> Result<bool, Exhausted> {
        if let Comparison::Equal | Comparison::Unequal = comparison {
            let equal = match (&a, &b) {
                (Value::Truth(_), _) | (_, Value::Truth(_)) => a.is_true() == b.is_true(),
                (Value::Text(a), Value::Text(b)) => a == b,
                _ => a.into_number(self)? == b.into_number(self)?,
            };
            return Ok(equal == (comparison == Comparison::Equal));
        }
        let a = a.into_number(self)?;
        let b = b.into_number(self)?;
        Ok(match comparison {
            Comparison::Less => a < b,
            Comparison::AtMost => a <= b,
            Comparison::Greater => a > b,
            _ => a >= b,
        })
    }
}
