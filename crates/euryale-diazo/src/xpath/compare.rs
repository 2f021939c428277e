//! Comparisons (XPath 1.0 §3.4).

use std::borrow::Cow;
use std::collections::HashSet;

use super::item::Item;
use super::scope::Scope;
use super::steps::Stop;
use super::value::Value;
use super::{Comparison, Path};
use crate::error::PageError;

impl Comparison {
    /// Returns the comparison that holds for `b` and `a` if this one holds for `a` and `b`.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            Self::Equal | Self::Unequal => self,
        }
    }

    fn of_numbers(self, a: f64, b: f64) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Unequal => a != b,
            Self::Less => a < b,
            Self::AtMost => a <= b,
            Self::Greater => a > b,
            Self::AtLeast => a >= b,
        }
    }
}

/// The value with which the text of a node is compared.
enum With<'a> {
    Equal(Cow<'a, str>),
    Unequal(Cow<'a, str>),
    Number(Comparison, f64),
}

impl<'a> With<'a> {
    fn new(scope: &Scope<'a>, comparison: Comparison, other: Value<'a>) -> Result<Self, PageError> {
        Ok(match (comparison, other) {
            (Comparison::Equal, Value::Text(text)) => Self::Equal(text),
            (Comparison::Unequal, Value::Text(text)) => Self::Unequal(text),
            (_, other) => Self::Number(comparison, other.into_number(scope)?),
        })
    }

    fn holds(&self, scope: &Scope<'a>, text: &str) -> Result<bool, PageError> {
        Ok(match self {
            Self::Equal(other) => text == other,
            Self::Unequal(other) => text != other,
            Self::Number(comparison, number) => comparison.of_numbers(scope.number(text)?, *number),
        })
    }
}

impl<'a> Scope<'a> {
    /// Compares two values. A comparison with a set of nodes holds if it holds for one of them
    /// (XPath 1.0 §3.4).
    pub(super) fn compare(
        &self,
        comparison: Comparison,
        a: Value<'a>,
        b: Value<'a>,
    ) -> Result<bool, PageError> {
        match (a, b) {
            (Value::Fragment(_), other @ Value::Truth(_)) => {
                self.compare_atoms(comparison, Value::Truth(true), other)
            }
            (other @ Value::Truth(_), Value::Fragment(_)) => {
                self.compare_atoms(comparison, other, Value::Truth(true))
            }
            (a @ Value::Fragment(_), b) => {
                let text = Value::Text(a.into_text(self)?);
                self.compare(comparison, text, b)
            }
            (a, b @ Value::Fragment(_)) => {
                let text = Value::Text(b.into_text(self)?);
                self.compare(comparison, a, text)
            }
            (Value::Nodes(nodes), other @ Value::Truth(_)) => {
                self.compare_atoms(comparison, Value::Truth(!nodes.is_empty()), other)
            }
            (other @ Value::Truth(_), Value::Nodes(nodes)) => {
                self.compare_atoms(comparison, other, Value::Truth(!nodes.is_empty()))
            }
            (Value::Nodes(left), Value::Nodes(right)) => {
                self.compare_sets(comparison, &left, &right)
            }
            (Value::Nodes(nodes), other) => self.any(&nodes, comparison, other),
            (other, Value::Nodes(nodes)) => self.any(&nodes, comparison.mirrored(), other),
            (a, b) => self.compare_atoms(comparison, a, b),
        }
    }

    /// Returns whether the comparison holds for one of the nodes and a text or a number.
    fn any(
        &self,
        nodes: &[Item],
        comparison: Comparison,
        other: Value<'a>,
    ) -> Result<bool, PageError> {
        let with = With::new(self, comparison, other)?;
        self.has(nodes, |text| with.holds(self, text))
    }

    /// Compares the nodes of a path with a text, a number or a boolean.
    pub(super) fn compare_path(
        &self,
        comparison: Comparison,
        path: &'a Path,
        other: Value<'a>,
    ) -> Result<bool, PageError> {
        if let Value::Truth(_) = other {
            let has_nodes = Value::Truth(self.first(path)?.is_some());
            return self.compare_atoms(comparison, has_nodes, other);
        }
        let with = With::new(self, comparison, other)?;
        let mut holds = false;
        self.each(path, &mut |item| {
            holds = with.holds(self, &self.text(item)?)?;
            if holds { Err(Stop::Enough) } else { Ok(()) }
        })?;
        Ok(holds)
    }

    fn has(
        &self,
        nodes: &[Item],
        is_such: impl Fn(&str) -> Result<bool, PageError>,
    ) -> Result<bool, PageError> {
        for item in nodes {
            if is_such(&self.text(*item)?)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns whether the comparison holds for a node of each set. Each node is read only once,
    /// and not once for each of the others.
    fn compare_sets(
        &self,
        comparison: Comparison,
        left: &[Item],
        right: &[Item],
    ) -> Result<bool, PageError> {
        match comparison {
            Comparison::Equal => {
                // Each text is hashed.
                self.budget.spend(right.len().saturating_mul(4))?;
                let texts = right.iter().map(|item| self.text(*item));
                let texts = texts.collect::<Result<HashSet<_>, PageError>>()?;
                self.has(left, |text| Ok(texts.contains(text)))
            }
            // Unless all nodes have the text of this one, two of the sets differ.
            Comparison::Unequal => {
                let (Some(first), false) = (right.first(), left.is_empty()) else {
                    return Ok(false);
                };
                let first = self.text(*first)?;
                let differs = |text: &str| Ok(*text != *first);
                Ok(self.has(&right[1..], differs)? || self.has(left, differs)?)
            }
            Comparison::Less | Comparison::AtMost => {
                let least = self.numbers(left)?.reduce(f64::min);
                let greatest = self.numbers(right)?.reduce(f64::max);
                let both = least.zip(greatest);
                Ok(both.is_some_and(|(a, b)| comparison.of_numbers(a, b)))
            }
            Comparison::Greater | Comparison::AtLeast => {
                self.compare_sets(comparison.mirrored(), right, left)
            }
        }
    }

    /// Returns the nodes that are numbers, because no comparison of order holds for others.
    fn numbers(&self, nodes: &[Item]) -> Result<impl Iterator<Item = f64>, PageError> {
        let numbers = nodes.iter().map(|item| self.number(&self.text(*item)?));
        let numbers = numbers.collect::<Result<Vec<f64>, PageError>>()?;
        Ok(numbers.into_iter().filter(|number| !number.is_nan()))
    }

    fn compare_atoms(
        &self,
        comparison: Comparison,
        a: Value<'a>,
        b: Value<'a>,
    ) -> Result<bool, PageError> {
        if let Comparison::Equal | Comparison::Unequal = comparison {
            let equal = match (&a, &b) {
                (Value::Truth(_), _) | (_, Value::Truth(_)) => a.is_true() == b.is_true(),
                (Value::Text(a), Value::Text(b)) => a == b,
                _ => a.into_number(self)? == b.into_number(self)?,
            };
            return Ok(equal == (comparison == Comparison::Equal));
        }
        Ok(comparison.of_numbers(a.into_number(self)?, b.into_number(self)?))
    }
}
