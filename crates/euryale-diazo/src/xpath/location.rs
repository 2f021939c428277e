//! Location paths (XPath 1.0 §2).

use super::lexer::Token;
use super::parser::{Parser, show};
use super::{Axis, Path, Predicate, Step, Test};
use crate::dom::Name;

impl Parser {
    pub(super) fn location(&mut self) -> Result<Path, String> {
        let absolute = self.is("/") || self.is("//");
        let mut steps = Vec::new();
        if self.is("/") && !self.step_follows(1) {
            self.at += 1;
            return Ok(Path { absolute, steps });
        }
        if !absolute {
            let step = self.step()?;
            push(&mut steps, step);
        }
        self.steps(&mut steps)?;
        Ok(Path { absolute, steps })
    }

    fn step_follows(&self, ahead: usize) -> bool {
        match self.tokens.get(self.at + ahead) {
            Some(Token::Name(_)) => true,
            Some(Token::Sign(sign)) => matches!(*sign, "*" | "@" | "." | ".."),
            _ => false,
        }
    }

    pub(super) fn steps(&mut self, steps: &mut Vec<Step>) -> Result<(), String> {
        loop {
            if self.take("//") {
                steps.push(ANYWHERE);
            } else if !self.take("/") {
                return Ok(());
            }
            let step = self.step()?;
            push(steps, step);
        }
    }

    fn step(&mut self) -> Result<Step, String> {
        let plain = |axis| {
            Ok(Step {
                axis,
                test: Test::Node,
                predicates: Vec::new(),
            })
        };
        if self.take(".") {
            return plain(Axis::Self_);
        }
        if self.take("..") {
            return plain(Axis::Parent);
        }
        let axis = if self.take("@") {
            Axis::Attribute
        } else {
            self.axis()?
        };
        let test = self.test(axis)?;
        Ok(Step {
            axis,
            test,
            predicates: self.predicates()?,
        })
    }

    fn axis(&mut self) -> Result<Axis, String> {
        let name = match self.peek() {
            Some(Token::Name(name)) if self.follows(1, "::") => name.clone(),
            _ => return Ok(Axis::Child),
        };
        self.at += 2;
        Ok(match name.as_str() {
            "ancestor" => Axis::Ancestor,
            "ancestor-or-self" => Axis::AncestorOrSelf,
            "attribute" => Axis::Attribute,
            "child" => Axis::Child,
            "descendant" => Axis::Descendant,
            "descendant-or-self" => Axis::DescendantOrSelf,
            "following" => Axis::Following,
            "following-sibling" => Axis::FollowingSibling,
            "parent" => Axis::Parent,
            "preceding" => Axis::Preceding,
            "preceding-sibling" => Axis::PrecedingSibling,
            "self" => Axis::Self_,
            _ => return Err(format!("no axis {name}")),
        })
    }

    fn test(&mut self, axis: Axis) -> Result<Test, String> {
        let token = self.peek().cloned();
        self.at += 1;
        match token {
            Some(Token::Sign("*")) => Ok(Test::Any),
            Some(Token::Name(name)) if is_node_type(&name) && self.is("(") => {
                self.at += 1;
                if name == "processing-instruction"
                    && matches!(self.peek(), Some(Token::Literal(_)))
                {
                    self.at += 1;
                }
                self.expect(")")?;
                Ok(match name.as_str() {
                    "text" => Test::Text,
                    "comment" => Test::Comment,
                    "node" => Test::Node,
                    _ => Test::Nothing,
                })
            }
            Some(Token::Name(name)) if axis == Axis::Attribute => {
                Ok(Test::Named(Name::of(name.as_bytes()), name))
            }
            Some(Token::Name(name)) if name.contains(':') => Ok(Test::Nothing),
            Some(Token::Name(name)) => Ok(Test::Named(Name::of(name.as_bytes()), name)),
            Some(token) => Err(format!("a name expected before {}", show(&token))),
            None => Err("the path ends too early".to_owned()),
        }
    }
}

impl Path {
    /// Makes the path begin at any node of the document: `a` becomes `//a`.
    pub(crate) fn anywhere(&mut self) {
        let steps = std::mem::replace(&mut self.steps, vec![ANYWHERE]);
        self.absolute = true;
        for step in steps {
            push(&mut self.steps, step);
        }
    }
}

/// The first of the two steps of `//`.
const ANYWHERE: Step = Step {
    axis: Axis::DescendantOrSelf,
    test: Test::Node,
    predicates: Vec::new(),
};

pub(super) fn is_node_type(name: &str) -> bool {
    matches!(name, "text" | "comment" | "node" | "processing-instruction")
}

/// Adds a step. `//a` is two steps, but becomes one if no predicate uses a position among siblings.
fn push(steps: &mut Vec<Step>, mut step: Step) {
    if step.axis == Axis::Child
        && !step.predicates.iter().any(Predicate::is_positional)
        && let Some(last) = steps.last()
        && last.axis == Axis::DescendantOrSelf
        && matches!(last.test, Test::Node)
        && last.predicates.is_empty()
    {
        steps.pop();
        step.axis = Axis::Descendant;
    }
    steps.push(step);
}
