//! Parses tokens into an expression (XPath 1.0 §2 and §3).

use super::lexer::{Token, tokens};
use super::location::is_node_type;
use super::{Comparison, Expr, Function, Operator, Predicate, Variable};

/// The maximum depth of nested expressions.
const MAX_DEPTH: usize = 40;
/// The maximum number of tokens in an expression, because a chain of operators becomes a tree that
/// is as deep as the chain is long.
const MAX_WORDS: usize = 1000;

/// Compiles an expression. The error says what is wrong, without the place.
pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    if parser.tokens.is_empty() {
        return Err("the expression is empty".to_owned());
    }
    if parser.tokens.len() > MAX_WORDS {
        return Err(format!("more than {MAX_WORDS} words in one expression"));
    }
    let expr = parser.or()?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(format!("unexpected {}", show(token))),
    }
}

/// Returns whether a text consists of valid XPath tokens, with all quotes closed.
pub(crate) fn has_words(text: &str) -> bool {
    tokens(text).is_ok()
}

pub(super) struct Parser {
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    depth: usize,
}

pub(super) fn show(token: &Token) -> String {
    match token {
        Token::Sign(sign) => format!("`{sign}`"),
        Token::Name(name) => format!("`{name}`"),
        Token::Literal(text) => format!("'{text}'"),
        Token::Number(number) => number.to_string(),
        Token::Variable(name) => format!("`${name}`"),
    }
}

impl Parser {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    pub(super) fn follows(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token::Sign(found)) if *found == sign)
    }

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(token) => format!("`{sign}` expected before {}", show(token)),
            None => format!("`{sign}` expected at the end"),
        })
    }

    /// Takes a name that is in the place of an operator, and is therefore an operator.
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

    /// Parses comparisons. Level 0 is equality, and level 1 is order.
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
        let Some(signs) = SIGNS.get(level) else {
            return self.sum();
        };
        let mut left = self.comparison(level + 1)?;
        while let Some((_, comparison)) = signs.iter().find(|(sign, _)| self.is(sign)) {
            self.at += 1;
            left = Expr::Compare(
                *comparison,
                Box::new(left),
                Box::new(self.comparison(level + 1)?),
            );
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
        let Some(primary) = self.primary()? else {
            return Ok(Expr::Path(self.location()?));
        };
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
            Token::Variable(name) => Expr::Variable(Variable::Parameter(name)),
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

    pub(super) fn predicates(&mut self) -> Result<Vec<Predicate>, String> {
        let mut predicates = Vec::new();
        while self.take("[") {
            let expr = self.or()?;
            self.expect("]")?;
            predicates.push(Predicate::of(expr));
        }
        Ok(predicates)
    }
}
