//! The functions of XPath 1.0 §4 for nodes and strings.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::Expr;
use super::function::Function;
use super::item::Item;
use super::scope::Scope;
use super::value::Value;
use crate::dom::{ROOT, decode, escape_text};
use crate::error::PageError;

impl Function {
    pub(super) fn call<'a>(
        self,
        scope: &Scope<'a>,
        arguments: &'a [Expr],
    ) -> Result<Value<'a>, PageError> {
        let text = |index: usize| -> Result<Cow<'a, str>, PageError> {
            match arguments.get(index) {
                Some(expr) => scope.read(scope.string(expr)?),
                None => scope.text(scope.item),
            }
        };
        // Each byte of this argument is examined, which takes ten times as long as a copy.
        let read = |index: usize| -> Result<Cow<'a, str>, PageError> {
            let text = text(index)?;
            scope.budget.spend(text.len() / 2)?;
            Ok(text)
        };
        let number = |index: usize| -> Result<f64, PageError> {
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
            Self::Boolean => Value::Truth(scope.is_true(&arguments[0])?),
            Self::Not => Value::Truth(!scope.is_true(&arguments[0])?),
            Self::True => Value::Truth(true),
            Self::False => Value::Truth(false),
            Self::Ceiling => Value::Number(number(0)?.ceil()),
            Self::Floor => Value::Number(number(0)?.floor()),
            Self::Round => Value::Number((number(0)? + 0.5).floor()),
            Self::Number => Value::Number(number(0)?),
            Self::Count => Value::Number(match arguments.first() {
                Some(Expr::Path(path)) => {
                    let mut count = 0_u32;
                    scope.each(path, &mut |_| {
                        count += 1;
                        Ok(())
                    })?;
                    f64::from(count)
                }
                _ => nodes(0)?.len() as f64,
            }),
            Self::Sum => {
                let numbers = nodes(0)?
                    .into_iter()
                    .map(|item| Value::Text(scope.text(item)?).into_number(scope));
                // Rust's sum of nothing is -0.
                Value::Number(0.0 + numbers.sum::<Result<f64, PageError>>()?)
            }
            Self::Last => Value::Number(scope.size as f64),
            Self::Position => Value::Number(scope.position as f64),
            Self::Name | Self::LocalName => {
                let name = nodes(0)?
                    .first()
                    .map_or("", |item| item.name(scope.dom_of(*item)));
                Value::Text(Cow::Owned(name.to_ascii_lowercase()))
            }
            Self::String => Value::Text(text(0)?),
            Self::StringLength => Value::Number(text(0)?.chars().count() as f64),
            Self::NormalizeSpace => {
                let whole = read(0)?;
                let mut words = String::with_capacity(whole.len());
                for word in whole.split_ascii_whitespace() {
                    if !words.is_empty() {
                        words.push(' ');
                    }
                    words.push_str(word);
                }
                Value::Text(Cow::Owned(words))
            }
            Self::Concat => {
                let mut all = String::new();
                for index in 0..arguments.len() {
                    let part = text(index)?;
                    scope.budget.spend(part.len() / 4)?;
                    all.push_str(&part);
                }
                Value::Text(Cow::Owned(all))
            }
            Self::Contains => Value::Truth(read(0)?.contains(&*text(1)?)),
            Self::StartsWith => Value::Truth(text(0)?.starts_with(&*text(1)?)),
            Self::SubstringBefore => {
                let whole = read(0)?;
                let mark = text(1)?;
                let before = whole.find(&*mark).map_or("", |at| &whole[..at]);
                Value::Text(Cow::Owned(before.to_owned()))
            }
            Self::SubstringAfter => {
                let whole = read(0)?;
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
                let whole = read(0)?;
                let chars = whole
                    .chars()
                    .zip(1..)
                    .filter(|(_, position)| inside(*position));
                Value::Text(Cow::Owned(chars.map(|(c, _)| c).collect()))
            }
            Self::Current => Value::Nodes(vec![scope.current]),
            Self::GenerateId => Value::Text(match nodes(0)?.first() {
                Some(item) => Cow::Owned(format!(
                    "id{}n{}a{}",
                    item.document,
                    item.node,
                    item.as_attribute().map_or(0, |at| at + 1)
                )),
                None => Cow::Borrowed(""),
            }),
            // Calls with a literal address were replaced before, and others are errors when rules
            // are loaded.
            Self::Document => Value::Nodes(Vec::new()),
            Self::Id => Value::Nodes(by_id(scope, scope.value(&arguments[0])?)?),
            Self::Lang => Value::Truth(is_lang(scope, &text(0)?)?),
            Self::NodeSet => match scope.value(&arguments[0])? {
                Value::Fragment(html) => {
                    // The HTML is parsed, and its tree is kept until the page is done.
                    scope.budget.spend(html.len().saturating_mul(6))?;
                    Value::Nodes(vec![Item::new(scope.world.parse(&html)?, ROOT)])
                }
                nodes @ Value::Nodes(_) => nodes,
                other => {
                    let mut html = String::new();
                    escape_text(&mut html, &other.into_text(scope)?, false);
                    let document = scope.world.parse(&html)?;
                    let first = scope.world.dom(document).first_child(ROOT);
                    let first = first.map(|id| Item::new(document, id));
                    Value::Nodes(first.into_iter().collect())
                }
            },
            Self::Replace => {
                let whole = read(0)?;
                let search = text(1)?;
                let by = text(2)?;
                if search.is_empty() {
                    return Ok(Value::Text(whole));
                }
                let count = whole.matches(&*search).count();
                scope
                    .budget
                    .spend(count.saturating_mul(2 + by.len() / 16))?;
                Value::Text(Cow::Owned(whole.replace(&*search, &by)))
            }
            Self::Tokenize => {
                let whole = text(0)?;
                let by = match arguments.get(1) {
                    Some(_) => text(1)?,
                    None => Cow::Borrowed("\t\r\n "),
                };
                let html = tokens(scope, &whole, &by)?;
                let document = scope.world.parse(&html)?;
                let tokens = scope.world.dom(document).children(ROOT);
                Value::Nodes(tokens.map(|id| Item::new(document, id)).collect())
            }
            Self::Translate => Value::Text(Cow::Owned(translated(
                scope,
                &text(0)?,
                &text(1)?,
                &text(2)?,
            )?)),
        })
    }
}

/// Returns the elements whose ids are the words of a text, or of each node's text.
fn by_id<'a>(scope: &Scope<'a>, value: Value<'a>) -> Result<Vec<Item>, PageError> {
    let mut words = Vec::new();
    let mut add = |text: &str| words.extend(text.split_ascii_whitespace().map(str::to_owned));
    match value {
        Value::Nodes(nodes) => {
            for item in nodes {
                add(&scope.text(item)?);
            }
        }
        other => add(&other.into_text(scope)?),
    }
    scope
        .budget
        .spend(scope.dom.ids.len().saturating_mul(words.len()))?;
    let has = |id: &&u32| {
        let value = scope
            .dom
            .attribute(**id, "id")
            .map(|at| scope.dom.attribute_value(at));
        value.is_some_and(|value| words.iter().any(|word| *word == decode(value)))
    };
    let found = scope.dom.ids.iter().filter(has);
    Ok(found.map(|id| scope.item.beside(*id)).collect())
}

/// Returns the tokens of a text as elements (EXSLT `str:tokenize`). Without separators, each
/// character is a token.
fn tokens(scope: &Scope<'_>, whole: &str, by: &str) -> Result<String, PageError> {
    scope.budget.spend(2 * (whole.len() + by.len()))?;
    let ends: HashSet<char> = by.chars().collect();
    let mut html = String::new();
    let mut add = |token: &str| -> Result<(), PageError> {
        // The token is written and parsed again.
        scope.budget.spend(20)?;
        html.push_str("<token>");
        escape_text(&mut html, token, false);
        html.push_str("</token>");
        Ok(())
    };
    if ends.is_empty() {
        whole.split_inclusive(|_| true).try_for_each(&mut add)?;
    } else {
        let mut all = whole.split(|c| ends.contains(&c));
        all.try_for_each(|token| if token.is_empty() { Ok(()) } else { add(token) })?;
    }
    Ok(html)
}

/// Implements `translate` (XPath 1.0 §4.2). If a character is repeated in `from`, the first one
/// counts.
fn translated(scope: &Scope<'_>, whole: &str, from: &str, to: &str) -> Result<String, PageError> {
    scope.budget.spend(2 * (whole.len() + from.len()))?;
    let mut to = to.chars();
    let mut changes: HashMap<char, Option<char>> = HashMap::new();
    for c in from.chars() {
        let by = to.next();
        changes.entry(c).or_insert(by);
    }
    let change = |c: char| changes.get(&c).copied().unwrap_or(Some(c));
    Ok(whole.chars().filter_map(change).collect())
}

/// Implements `lang` (XPath 1.0 §4.3) by the attribute `lang`.
fn is_lang(scope: &Scope<'_>, wanted: &str) -> Result<bool, PageError> {
    let dom = scope.dom;
    let mut lang = None;
    for id in std::iter::once(scope.item.node).chain(dom.ancestors(scope.item.node)) {
        scope.budget.spend(1 + dom.search_cost(id, "lang"))?;
        lang = dom.attribute(id, "lang").map(|at| dom.attribute_value(at));
        if lang.is_some() {
            break;
        }
    }
    Ok(lang.is_some_and(|lang| {
        let rest = lang.get(wanted.len()..);
        let fits = lang
            .get(..wanted.len())
            .is_some_and(|own| own.eq_ignore_ascii_case(wanted));
        fits && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }))
}
