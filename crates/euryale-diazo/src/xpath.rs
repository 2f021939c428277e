//! Selectors in XPath 1.0, and in CSS, which is translated to XPath.
//!
//! An expression is compiled when the rules are loaded. The cost of one page is bounded by a
//! [`Budget`].

mod axis;
mod budget;
mod compare;
mod convert;
mod css;
mod depends;
mod eval;
mod function;
mod functions;
mod item;
mod lexer;
mod location;
mod matches;
mod parser;
mod predicate;
mod print;
mod scope;
mod steps;
#[cfg(test)]
mod tests;
mod value;
mod world;

pub(crate) use self::budget::Budget;
pub(crate) use self::css::{Start as CssStart, parse as parse_css};
pub(crate) use self::depends::Depends;
pub(crate) use self::function::Function;
pub(crate) use self::item::Item;
pub(crate) use self::parser::{has_words, parse as parse_xpath};
pub(crate) use self::print::css_as_xpath;
pub(crate) use self::scope::Scope;
pub(crate) use self::value::{Value, number_of};
pub(crate) use self::world::{OneDocument, World};

use crate::dom::Name;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Or(Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    Negate(Box<Expr>),
    Union(Box<Expr>, Box<Expr>),
    Path(Path),
    /// Any expression, narrowed by predicates and followed by steps.
    Filter(Box<Expr>, Vec<Predicate>, Vec<Step>),
    Literal(String),
    Number(f64),
    Variable(Variable),
    Call(Function, Vec<Expr>),
    /// The root of a document that was resolved when the rules were read, by its index.
    Document(u32),
}

/// The place of the value of `$name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    /// A parameter of the page.
    Parameter(String),
    /// The index of a variable or parameter of the rules.
    Global(u32),
    /// A slot in the frame of the rule or template.
    Local(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// Steps from the document or from the context node.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) absolute: bool,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) axis: Axis,
    pub(crate) test: Test,
    pub(crate) predicates: Vec<Predicate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    Ancestor,
    AncestorOrSelf,
    Attribute,
    Child,
    Descendant,
    DescendantOrSelf,
    Following,
    FollowingSibling,
    Parent,
    Preceding,
    PrecedingSibling,
    Self_,
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// An element, or an attribute on its axis.
    Named(Name, String),
    /// Any element or attribute: `*`.
    Any,
    Node,
    Text,
    Comment,
    /// Processing instructions and elements of a namespace, which do not exist in HTML.
    Nothing,
}

#[derive(Clone, Debug)]
pub(crate) enum Predicate {
    Id(String),
    Class(String),
    HasAttribute(String),
    AttributeIs(String, String),
    /// `~=`, `|=`, `^=`, `$=`, `*=` of CSS.
    AttributeMatches(String, Matching, String),
    Nth(Nth),
    Empty,
    /// The document's element.
    Top,
    Not(Vec<(Test, Vec<Predicate>)>),
    /// The position among the nodes that are left.
    Position(usize),
    /// An expression that may be a number, which is a position, or that uses the position.
    ByPosition(Box<Expr>),
    /// Any other expression.
    Expr(Box<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matching {
    Word,
    Dash,
    Prefix,
    Suffix,
    Substring,
}

/// `:nth-child(an+b)` and similar pseudo-classes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nth {
    pub(crate) a: i64,
    pub(crate) b: i64,
    pub(crate) of_type: bool,
    pub(crate) from_end: bool,
}

impl Predicate {
    pub(crate) fn computed(expr: Expr) -> Self {
        if expr.may_be_number() || expr.asks_position() {
            Self::ByPosition(Box::new(expr))
        } else {
            Self::Expr(Box::new(expr))
        }
    }

    /// Returns whether the predicate uses the position, so that its place in the list matters.
    pub(crate) fn is_positional(&self) -> bool {
        matches!(self, Self::Position(_) | Self::ByPosition(_))
    }
}

impl Expr {
    /// Returns whether the value may be a number, which as a predicate is a position.
    fn may_be_number(&self) -> bool {
        match self {
            Self::Number(_) | Self::Negate(_) | Self::Arithmetic(..) | Self::Variable(_) => true,
            Self::Call(function, _) => function.gives_number(),
            _ => false,
        }
    }

    fn asks_position(&self) -> bool {
        match self {
            Self::Or(a, b)
            | Self::And(a, b)
            | Self::Compare(_, a, b)
            | Self::Arithmetic(_, a, b)
            | Self::Union(a, b) => a.asks_position() || b.asks_position(),
            // Positions in its predicates are among its own nodes.
            Self::Negate(a) | Self::Filter(a, ..) => a.asks_position(),
            Self::Call(Function::Position | Function::Last, _) => true,
            Self::Call(_, arguments) => arguments.iter().any(Self::asks_position),
            _ => false,
        }
    }

    /// Returns whether the expression uses the page, and not only parameters.
    pub(crate) fn needs_page(&self) -> bool {
        match self {
            Self::Or(a, b)
            | Self::And(a, b)
            | Self::Compare(_, a, b)
            | Self::Arithmetic(_, a, b) => a.needs_page() || b.needs_page(),
            Self::Negate(a) => a.needs_page(),
            Self::Union(..) | Self::Path(_) | Self::Filter(..) | Self::Document(_) => true,
            Self::Variable(variable) => !matches!(variable, Variable::Parameter(_)),
            Self::Literal(_) | Self::Number(_) => false,
            Self::Call(function, arguments) => {
                function.is_relative(arguments.is_empty()) || arguments.iter().any(Self::needs_page)
            }
        }
    }

    /// Returns the paths of which the expression is a union; empty if it is something else.
    pub(crate) fn alternatives(&mut self) -> Vec<&mut Path> {
        match self {
            Self::Union(a, b) => {
                let mut all = a.alternatives();
                all.extend(b.alternatives());
                all
            }
            Self::Path(path) => vec![path],
            _ => Vec::new(),
        }
    }

    /// Returns whether the expression selects nodes.
    pub(crate) fn selects(&self) -> bool {
        match self {
            Self::Union(..) | Self::Path(_) | Self::Filter(..) | Self::Document(_) => true,
            Self::Variable(variable) => !matches!(variable, Variable::Parameter(_)),
            Self::Call(function, _) => function.gives_nodes(),
            _ => false,
        }
    }

    /// Calls `change` with each expression in this one, and with this one last.
    pub(crate) fn each(
        &mut self,
        change: &mut dyn FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        match self {
            Self::Or(a, b)
            | Self::And(a, b)
            | Self::Compare(_, a, b)
            | Self::Arithmetic(_, a, b)
            | Self::Union(a, b) => {
                a.each(change)?;
                b.each(change)?;
            }
            Self::Negate(a) => a.each(change)?,
            Self::Path(path) => each_in_steps(&mut path.steps, change)?,
            Self::Filter(primary, predicates, steps) => {
                primary.each(change)?;
                each_in_predicates(predicates, change)?;
                each_in_steps(steps, change)?;
            }
            Self::Call(_, arguments) => arguments.iter_mut().try_for_each(|a| a.each(change))?,
            Self::Literal(_) | Self::Number(_) | Self::Variable(_) | Self::Document(_) => {}
        }
        change(self)
    }

    /// Returns whether the expression is a path or several, whose last step determines the selected
    /// nodes.
    pub(crate) fn is_plain_path(&self) -> bool {
        match self {
            Self::Union(a, b) => a.is_plain_path() && b.is_plain_path(),
            // `.` may be an attribute.
            Self::Path(path) => path
                .steps
                .last()
                .is_none_or(|step| step.axis != Axis::Self_),
            Self::Filter(_, _, steps) => steps.last().is_some_and(|step| step.axis != Axis::Self_),
            _ => false,
        }
    }

    /// Returns whether the expression is `@*|node()`.
    pub(crate) fn is_all_inside(&self) -> bool {
        let Self::Union(a, b) = self else {
            return false;
        };
        let is = |expr: &Self, axis: Axis| match expr {
            Self::Path(path) => match path.steps.as_slice() {
                [step] => {
                    let fits = match axis {
                        Axis::Attribute => matches!(step.test, Test::Any | Test::Node),
                        _ => matches!(step.test, Test::Node),
                    };
                    !path.absolute && step.axis == axis && fits && step.predicates.is_empty()
                }
                _ => false,
            },
            _ => false,
        };
        (is(a, Axis::Attribute) && is(b, Axis::Child))
            || (is(b, Axis::Attribute) && is(a, Axis::Child))
    }

    /// Returns whether the expression selects attributes.
    pub(crate) fn selects_attributes(&self) -> bool {
        let steps = match self {
            Self::Union(a, b) => return a.selects_attributes() || b.selects_attributes(),
            Self::Path(path) => &path.steps,
            Self::Filter(_, _, steps) => steps,
            _ => return false,
        };
        steps
            .last()
            .is_some_and(|step| step.axis == Axis::Attribute)
    }
}

fn each_in_steps(
    steps: &mut [Step],
    change: &mut dyn FnMut(&mut Expr) -> Result<(), String>,
) -> Result<(), String> {
    steps
        .iter_mut()
        .try_for_each(|step| each_in_predicates(&mut step.predicates, change))
}

fn each_in_predicates(
    predicates: &mut [Predicate],
    change: &mut dyn FnMut(&mut Expr) -> Result<(), String>,
) -> Result<(), String> {
    for predicate in predicates {
        match predicate {
            Predicate::Expr(expr) | Predicate::ByPosition(expr) => expr.each(change)?,
            Predicate::Not(compounds) => {
                for (_, inner) in compounds {
                    each_in_predicates(inner, change)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
