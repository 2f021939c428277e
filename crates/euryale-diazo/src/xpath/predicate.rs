//! Special cases for predicates that are frequent in rules files.

use super::{Axis, Comparison, Expr, Function, Path, Predicate, Step, Test};

impl Predicate {
    /// Returns whether the predicate can only hold for an element, because it asks for attributes.
    pub(super) fn is_of_elements(&self) -> bool {
        matches!(
            self,
            Self::Id(_)
                | Self::Class(_)
                | Self::HasAttribute(_)
                | Self::AttributeIs(..)
                | Self::AttributeMatches(..)
        )
    }

    /// Makes a predicate from an expression. Frequent forms are looked up instead of computed.
    pub(super) fn of(expr: Expr) -> Self {
        match expr {
            Expr::Number(number) if number >= 1.0 && number.fract() == 0.0 => {
                Self::Position(number as usize)
            }
            Expr::Compare(Comparison::Equal, left, right) => match (*left, *right) {
                (Expr::Path(path), Expr::Literal(text))
                | (Expr::Literal(text), Expr::Path(path))
                    if path.attribute().is_some() =>
                {
                    match path.attribute() {
                        Some("id") => Self::Id(text),
                        Some(name) => Self::AttributeIs(name.to_owned(), text),
                        None => Self::computed(Expr::Literal(text)),
                    }
                }
                (left, right) => Self::computed(Expr::Compare(
                    Comparison::Equal,
                    Box::new(left),
                    Box::new(right),
                )),
            },
            Expr::Path(path) => match path.attribute() {
                Some(name) => Self::HasAttribute(name.to_owned()),
                None => Self::computed(Expr::Path(path)),
            },
            Expr::Call(Function::Contains, arguments) => match class_word(&arguments) {
                Some(class) => Self::Class(class),
                None => Self::computed(Expr::Call(Function::Contains, arguments)),
            },
            expr => Self::computed(expr),
        }
    }
}

impl Path {
    /// Returns the name if the expression is just `@name`.
    pub(super) fn attribute(&self) -> Option<&str> {
        match self.steps.as_slice() {
            [
                Step {
                    axis: Axis::Attribute,
                    test: Test::Named(_, name),
                    predicates,
                },
            ] if !self.absolute && predicates.is_empty() => Some(name),
            _ => None,
        }
    }

    /// Returns whether the expression is just `.`.
    pub(super) fn is_itself(&self) -> bool {
        match self.steps.as_slice() {
            [
                Step {
                    axis: Axis::Self_,
                    test: Test::Node,
                    predicates,
                },
            ] => !self.absolute && predicates.is_empty(),
            _ => false,
        }
    }
}

/// Returns the word in `contains(concat(' ', normalize-space(@class), ' '), ' word ')`.
fn class_word(arguments: &[Expr]) -> Option<String> {
    let [Expr::Call(Function::Concat, parts), Expr::Literal(word)] = arguments else {
        return None;
    };
    let [Expr::Literal(before), middle, Expr::Literal(after)] = parts.as_slice() else {
        return None;
    };
    let path = match middle {
        Expr::Call(Function::NormalizeSpace, inner) => inner.first()?,
        other => other,
    };
    let Expr::Path(path) = path else { return None };
    let word = word.strip_prefix(' ')?.strip_suffix(' ')?;
    let plain = !word.is_empty() && !word.contains(char::is_whitespace);
    (plain && before == " " && after == " " && path.attribute() == Some("class"))
        .then(|| word.to_owned())
}
