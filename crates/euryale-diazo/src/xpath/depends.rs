//! The dependencies of an expression's value, besides the page.

use super::{Expr, Function, Predicate, Step, Variable};

/// The context in which an expression has the same value again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depends {
    /// Everywhere in one document.
    Nothing,
    /// At the same node, in the same position.
    Place,
    /// In addition, where the variables of the rule or template are the same.
    Variables,
}

impl Depends {
    pub(crate) fn of(expr: &Expr) -> Self {
        of(expr, false)
    }
}

/// Returns the dependencies of an expression. Inside predicates, paths and functions begin at the
/// tested node; `current()` and the variables mean the same as outside.
fn of(expr: &Expr, in_predicate: bool) -> Depends {
    let place = if in_predicate {
        Depends::Nothing
    } else {
        Depends::Place
    };
    match expr {
        Expr::Or(a, b)
        | Expr::And(a, b)
        | Expr::Compare(_, a, b)
        | Expr::Arithmetic(_, a, b)
        | Expr::Union(a, b) => of(a, in_predicate).max(of(b, in_predicate)),
        Expr::Negate(a) => of(a, in_predicate),
        Expr::Path(path) => {
            let start = if path.absolute {
                Depends::Nothing
            } else {
                place
            };
            start.max(of_steps(&path.steps))
        }
        Expr::Filter(primary, predicates, steps) => of(primary, in_predicate)
            .max(of_predicates(predicates))
            .max(of_steps(steps)),
        Expr::Variable(Variable::Local(_)) => Depends::Variables,
        Expr::Literal(_) | Expr::Number(_) | Expr::Variable(_) | Expr::Document(_) => {
            Depends::Nothing
        }
        Expr::Call(function, arguments) => {
            let own = match function {
                Function::Current => Depends::Place,
                function if function.is_relative(arguments.is_empty()) => place,
                _ => Depends::Nothing,
            };
            largest(arguments.iter().map(|expr| of(expr, in_predicate))).max(own)
        }
    }
}

fn of_steps(steps: &[Step]) -> Depends {
    largest(steps.iter().map(|step| of_predicates(&step.predicates)))
}

fn of_predicates(predicates: &[Predicate]) -> Depends {
    largest(predicates.iter().map(|predicate| match predicate {
        Predicate::Expr(expr) | Predicate::ByPosition(expr) => of(expr, true),
        Predicate::Not(compounds) => {
            largest(compounds.iter().map(|(_, inner)| of_predicates(inner)))
        }
        _ => Depends::Nothing,
    }))
}

fn largest(all: impl Iterator<Item = Depends>) -> Depends {
    all.max().unwrap_or(Depends::Nothing)
}
