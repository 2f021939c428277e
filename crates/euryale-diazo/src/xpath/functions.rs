//! The functions of XPath 1.0 §4 that ask about nodes and strings.

use std::borrow::Cow;

use super::Expr;
use super::eval::{Exhausted, Scope};
use super::value::Value;

macro_rules! functions {
    ($($variant:ident = $name:literal $least:literal..=$most:literal),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Function { $($variant),* }

        /// Name, and how many arguments.
        const FUNCTIONS: &[(&str, Function, usize, usize)] =
            &[$(($name, Function::$variant, $least, $most)),*];
    };
}

functions! {
    Boolean = "boolean" 1..=1, Ceiling = "ceiling" 1..=1, Concat = "concat" 2..=64,
    Contains = "contains" 2..=2, Count = "count" 1..=1, False = "false" 0..=0,
    Floor = "floor" 1..=1, Last = "last" 0..=0, LocalName = "local-name" 0..=1,
    Name = "name" 0..=1, NormalizeSpace = "normalize-space" 0..=1, Not = "not" 1..=1,
    Number = "number" 0..=1, Position = "position" 0..=0, Round = "round" 1..=1,
    StartsWith = "starts-with" 2..=2, String = "string" 0..=1,
    StringLength = "string-length" 0..=1, Substring = "substring" 2..=3,
    SubstringAfter = "substring-after" 2..=2, SubstringBefore = "substring-before" 2..=2,
    Sum = "sum" 1..=1, Translate = "translate" 3..=3, True = "true" 0..=0,
}

impl Function {
    pub(super) fn named(name: &str, arguments: usize) -> Result<Self, String> {
        let Some((_, function, least, most)) = FUNCTIONS.iter().find(|known| known.0 == name)
        else {
            return Err(format!("no function {name}() here"));
        };
        if (*least..=*most).contains(&arguments) {
            return Ok(*function);
        }
        Err(format!("{name}() does not take {arguments} arguments"))
    }

    pub(super) fn gives_number(self) -> bool {
        matches!(
            self,
            Self::Ceiling
                | Self::Count
                | Self::Floor
                | Self::Last
                | Self::Number
                | Self::Position
                | Self::Round
                | Self::StringLength
                | Self::Sum
        )
    }

    pub(super) fn is_relative(self, without_arguments: bool) -> bool {
        let takes_context = matches!(
            self,
            Self::LocalName
                | Self::Name
                | Self::NormalizeSpace
                | Self::Number
                | Self::String
                | Self::StringLength
        );
        matches!(self, Self::Position | Self::Last) || (takes_context && without_arguments)
    }

    pub(super) fn call<'a>(
        self,
        scope: Scope<'a>,
        arguments: &'a [Expr],
    ) -> Result<Value<'a>, Exhausted> {
        let dom = scope.dom;
        let text = |index: usize| -> Result<Cow<'a, str>, Exhausted> {
            match arguments.get(index) {
                Some(expr) => scope.value(expr)?.into_text(scope),
                None => scope.text(scope.item),
            }
        };
        let number = |index: usize| -> Result<f64, Exhausted> {
            match arguments.get(index) {
                Some(expr) => scope.value(expr)?.into_number(scope),
                None => Value::Text(scope.text(scope.item)?).into_number(scope),
            }
        };
        let nodes = |index: usize| {
            arguments
                .get(index)
                .map_or(Ok(vec![scope.item]), |expr| scope.nodes(expr))
        };
        Ok(match self {
            Self::Boolean => Value::Truth(scope.value(&arguments[0])?.is_true()),
            Self::Not => Value::Truth(!scope.value(&arguments[0])?.is_true()),
            Self::True => Value::Truth(true),
            Self::False => Value::Truth(false),
            Self::Ceiling => Value::Number(number(0)?.ceil()),
            Self::Floor => Value::Number(number(0)?.floor()),
            Self::Round => Value::Number((number(0)? + 0.5).floor()),
            Self::Number => Value::Number(number(0)?),
            Self::Count => Value::Number(nodes(0)?.len() as f64),
            Self::Sum => {
                let numbers = nodes(0)?
                    .into_iter()
                    .map(|item| Value::Text(scope.text(item)?).into_number(scope));
                Value::Number(numbers.sum::<Result<f64, Exhausted>>()?)
            }
            Self::Last => Value::Number(scope.size as f64),
            Self::Position => Value::Number(scope.position as f64),
            Self::Name | Self::LocalName => {
                let name = match nodes(0)?.first() {
                    Some(item) => match item.as_attribute() {
                        Some(attribute) => dom.attribute_name(attribute),
                        None if dom.is_element(item.node) => dom.written_name(item.node),
                        None => "",
                    },
                    None => "",
                };
                Value::Text(Cow::Owned(name.to_ascii_lowercase()))
            }
            Self::String => Value::Text(text(0)?),
            Self::StringLength => Value::Number(text(0)?.chars().count() as f64),
            Self::NormalizeSpace => {
                let words: Vec<_> = text(0)?
                    .split_ascii_whitespace()
                    .map(str::to_owned)
                    .collect();
                Value::Text(Cow::Owned(words.join(" ")))
            }
            Self::Concat => {
                let mut all = String::new();
                for index in 0..arguments.len() {
                    all.push_str(&text(index)?);
                }
                Value::Text(Cow::Owned(all))
            }
            Self::Contains => Value::Truth(text(0)?.contains(&*text(1)?)),
            Self::StartsWith => Value::Truth(text(0)?.starts_with(&*text(1)?)),
            Self::SubstringBefore => {
                let whole = text(0)?;
                let mark = text(1)?;
                let before = whole.find(&*mark).map_or("", |at| &whole[..at]);
                Value::Text(Cow::Owned(before.to_owned()))
            }
            Self::SubstringAfter => {
                let whole = text(0)?;
                let mark = text(1)?;
                let after = whole
                    .find(&*mark)
                    .map_or("", |at| &whole[at + mark.len()..]);
                Value::Text(Cow::Owned(after.to_owned()))
            }
            Self::Substring => {
                let first = (number(1)? + 0.5).floor();
                let end = if arguments.len() == 3 {
                    first + (number(2)? + 0.5).floor()
                } else {
                    f64::INFINITY
                };
                let inside = |position: usize| position as f64 >= first && (position as f64) < end;
                let whole = text(0)?;
                let chars = whole
                    .chars()
                    .zip(1..)
                    .filter(|(_, position)| inside(*position));
                Value::Text(Cow::Owned(chars.map(|(c, _)| c).collect()))
            }
            Self::Translate => {
                let from = text(1)?;
                let to = text(2)?;
                let to: Vec<char> = to.chars().collect();
                let place = |c: char| from.chars().position(|other| other == c);
                let change = |c: char| place(c).map_or(Some(c), |at| to.get(at).copied());
                Value::Text(Cow::Owned(text(0)?.chars().filter_map(change).collect()))
            }
        })
    }
}
