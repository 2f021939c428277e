//! From words to an expression (XPath 1.0 §2 and §3).

use super::lexer::{Token, tokens};
use super::{Axis, Comparison, Expr, Function, Operator, Path, Predicate, Step, Test};
use crate::dom::Name;

/// Expressions in expressions.
const MAX_DEPTH: usize = 40;

/// Compiles an expression. The error says what is wrong, without the place.
pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    if parser.tokens.is_empty() {
        return Err("the expression is empty".to_owned());
    }
    let expr = parser.or()?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(format!("unexpected {}", show(token))),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

fn show(token: &Token) -> String {
    match token {
        Token::Sign(sign) => format!("`{sign}`"),
        Token::Name(name) => format!("`{name}`"),
        Token::Literal(text) => format!("'{text}'"),
        Token::Number(number) => number.to_string(),
        Token::Variable(name) => format!("`${name}`"),
    }
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    fn follows(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token::Sign(found)) if *found == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(token) => format!("`{sign}` expected before {}", show(token)),
            None => format!("`{sign}` expected at the end"),
        })
    }

    /// A name that stands where an operator is expected is one.
    fn take_word(&mut self, word: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Name(name)) if name == word);
        self.at += usize::from(is);
        is
    }

    fn or(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} expressions in each other"));
        }
        let mut left = self.and()?;
        while self.take_word("or") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.comparison(0)?;
        while self.take_word("and") {
            left = Expr::And(Box::new(left), Box::new(self.comparison(0)?));
        }
        Ok(left)
    }

    /// Level 0: equality, 1: order.
    fn comparison(&mut self, level: usize) -> Result<Expr, String> {
        const SIGNS: [&[(&str, Comparison)]; 2] = [
            &[("=", Comparison::Equal), ("!=", Comparison::Unequal)],
            &[
                ("<=", Comparison::AtMost),
                (">=", Comparison::AtLeast),
                ("<", Comparison::Less),
                (">", Comparison::Greater),
            ],
        ];
        let Some(signs) = SIGNS.get(level) else { return self.sum() };
        let mut left = self.comparison(level + 1)?;
        while let Some((_, comparison)) = signs.iter().find(|(sign, _)| self.is(sign)) {
            self.at += 1;
            left = Expr::Compare(*comparison, Box::new(left), Box::new(self.comparison(level + 1)?));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        loop {
            let operator = match () {
                () if self.take("+") => Operator::Add,
                () if self.take("-") => Operator::Subtract,
                () => return Ok(left),
            };
            left = Expr::Arithmetic(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.unary()?;
        loop {
            let operator = match () {
                () if self.take("*") => Operator::Multiply,
                () if self.take_word("div") => Operator::Divide,
                () if self.take_word("mod") => Operator::Modulo,
                () => return Ok(left),
            };
            left = Expr::Arithmetic(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Result<Expr, String> {
        let mut negative = false;
        let mut signs = false;
        while self.take("-") {
            (negative, signs) = (!negative, true);
        }
        let expr = self.union()?;
        Ok(match (signs, negative) {
            (true, true) => Expr::Negate(Box::new(expr)),
            (true, false) => Expr::Negate(Box::new(Expr::Negate(Box::new(expr)))),
            _ => expr,
        })
    }

    fn union(&mut self) -> Result<Expr, String> {
        let mut left = self.path()?;
        while self.take("|") {
            left = Expr::Union(Box::new(left), Box::new(self.path()?));
        }
        Ok(left)
    }

    fn path(&mut self) -> Result<Expr, String> {
        let Some(primary) = self.primary()? else { return Ok(Expr::Path(self.location()?)) };
        let predicates = self.predicates()?;
        let mut steps = Vec::new();
        if self.is("/") || self.is("//") {
            self.steps(&mut steps)?;
        }
        Ok(match (predicates.is_empty(), steps.is_empty()) {
            (true, true) => primary,
            _ => Expr::Filter(Box::new(primary), predicates, steps),
        })
    }

    fn primary(&mut self) -> Result<Option<Expr>, String> {
        let Some(token) = self.peek().cloned() else {
            return Err("the expression ends too early".to_owned());
        };
        let expr = match token {
            Token::Literal(text) => Expr::Literal(text),
            Token::Number(number) => Expr::Number(number),
            Token::Variable(name) => Expr::Variable(name),
            Token::Sign("(") => {
                self.at += 1;
                let inner = self.or()?;
                self.expect(")")?;
                return Ok(Some(inner));
            }
            Token::Name(name) if self.follows(1, "(") && !is_node_type(&name) => {
                self.at += 2;
                return self.call(&name).map(Some);
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(expr))
    }

    fn call(&mut self, name: &str) -> Result<Expr, String> {
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                arguments.push(self.or()?);
                if !self.take(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        let function = Function::named(name, arguments.len())?;
        Ok(Expr::Call(function, arguments))
    }

    fn location(&mut self) -> Result<Path, String> {
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

    fn steps(&mut self, steps: &mut Vec<Step>) -> Result<(), String> {
        loop {
            if self.take("//") {
                steps.push(Step { axis: Axis::DescendantOrSelf, test: Test::Node, predicates: Vec::new() });
            } else if !self.take("/") {
                return Ok(());
            }
            let step = self.step()?;
            push(steps, step);
        }
    }

    fn step(&mut self) -> Result<Step, String> {
        let plain = |axis| Ok(Step { axis, test: Test::Node, predicates: Vec::new() });
        if self.take(".") {
            return plain(Axis::Self_);
        }
        if self.take("..") {
            return plain(Axis::Parent);
        }
        let axis = if self.take("@") { Axis::Attribute } else { self.axis()? };
        let test = self.test(axis)?;
        Ok(Step { axis, test, predicates: self.predicates()? })
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
                if name == "processing-instruction" && matches!(self.peek(), Some(Token::Literal(_))) {
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

    fn predicates(&mut self) -> Result<Vec<Predicate>, String> {
        let mut predicates = Vec::new();
        while self.take("[") {
            let expr = self.or()?;
            self.expect("]")?;
            predicates.push(Predicate::of(expr));
        }
        Ok(predicates)
    }
}

fn is_node_type(name: &str) -> bool {
    matches!(name, "text" | "comment" | "node" | "processing-instruction")
}

/// Adds a step. `//a` is two steps, and one when no predicate asks for a position among siblings.
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

impl Predicate {
    /// The predicates that rule files are full of are looked up, not computed.
    fn of(expr: Expr) -> Self {
        match expr {
            Expr::Number(number) if number >= 1.0 && number.fract() == 0.0 => Self::Position(number as usize),
            Expr::Compare(Comparison::Equal, left, right) => match (*left, *right) {
                (Expr::Path(path), Expr::Literal(text)) | (Expr::Literal(text), Expr::Path(path))
                    if path.attribute().is_some() =>
                {
                    match path.attribute() {
                        Some("id") => Self::Id(text),
                        Some(name) => Self::AttributeIs(name.to_owned(), text),
                        None => Self::Expr(Box::new(Expr::Literal(text))),
                    }
                }
                (left, right) => {
                    Self::Expr(Box::new(Expr::Compare(Comparison::Equal, Box::new(left), Box::new(right))))
                }
            },
            Expr::Path(path) => match path.attribute() {
                Some(name) => Self::HasAttribute(name.to_owned()),
                None => Self::Expr(Box::new(Expr::Path(path))),
            },
            Expr::Call(Function::Contains, arguments) => match class_word(&arguments) {
                Some(class) => Self::Class(class),
                None => Self::Expr(Box::new(Expr::Call(Function::Contains, arguments))),
            },
            expr => Self::Expr(Box::new(expr)),
        }
    }
}

impl Path {
    /// The name, if it is nothing but `@name`.
    fn attribute(&self) -> Option<&str> {
        match self.steps.as_slice() {
            [Step { axis: Axis::Attribute, test: Test::Named(_, name), predicates }]
                if !self.absolute && predicates.is_empty() =>
            {
                Some(name)
            }
            _ => None,
        }
    }
}

/// The word in `contains(concat(' ', normalize-space(@class), ' '), ' word ')`.
fn class_word(arguments: &[Expr]) -> Option<String> {
    let [Expr::Call(Function::Concat, parts), Expr::Literal(word)] = arguments else { return None };
    let [Expr::Literal(before), middle, Expr::Literal(after)] = parts.as_slice() else { return None };
    let path = match middle {
        Expr::Call(Function::NormalizeSpace, inner) => inner.first()?,
        other => other,
    };
    let Expr::Path(path) = path else { return None };
    let word = word.strip_prefix(' ')?.strip_suffix(' ')?;
    let plain = !word.is_empty() && !word.contains(char::is_whitespace);
    (plain && before == " " && after == " " && path.attribute() == Some("class")).then(|| word.to_owned())
}
