//! Translates CSS selectors to XPath in the same way as cssselect.

use super::{Axis, Expr, Matching, Nth, Path, Predicate, Step, Test};
use crate::dom::Name;

/// The maximum number of selectors in one group, and of nested `:not()`.
const MAX_GROUP: usize = 500;
const MAX_NESTED: usize = 20;

/// The start of selectors.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    /// The whole document.
    Document,
    /// The context node, which may itself be selected.
    Here,
    /// A path that is written before each selector, as in `css:prefix`.
    At(&'a Expr),
}

/// Compiles a group of selectors into paths. The error says what is wrong, without the place.
pub(crate) fn parse(text: &str, start: Start<'_>) -> Result<Expr, String> {
    let mut reader = Reader {
        rest: text.trim(),
        nested: 0,
    };
    let mut all = None;
    for number in 0.. {
        if number == MAX_GROUP {
            return Err(format!("more than {MAX_GROUP} selectors"));
        }
        let mut steps = reader.complex()?;
        let path = match start {
            Start::Document => Expr::Path(Path {
                absolute: true,
                steps,
            }),
            Start::Here => {
                steps[0].axis = Axis::DescendantOrSelf;
                Expr::Path(Path {
                    absolute: false,
                    steps,
                })
            }
            Start::At(prefix) => after(prefix, steps)?,
        };
        all = Some(match all {
            None => path,
            Some(before) => Expr::Union(Box::new(before), Box::new(path)),
        });
        reader.space();
        if !reader.take(',') {
            break;
        }
        reader.space();
    }
    match (reader.rest, all) {
        ("", Some(all)) => Ok(all),
        (rest, _) => Err(format!(
            "unexpected {:?}",
            rest.chars().next().unwrap_or(' ')
        )),
    }
}

/// Appends steps to a prefix, which was read with a `*` at its end. The first step gets the axis of
/// that `*`.
fn after(prefix: &Expr, mut steps: Vec<Step>) -> Result<Expr, String> {
    let mut prefix = prefix.clone();
    let last = match &mut prefix {
        Expr::Path(path) => &mut path.steps,
        Expr::Filter(_, _, steps) => steps,
        _ => return Err("the prefix is no path".to_owned()),
    };
    let Some(first) = last.pop() else {
        return Err("the prefix is no path".to_owned());
    };
    steps[0].axis = first.axis;
    last.append(&mut steps);
    Ok(prefix)
}

struct Reader<'a> {
    rest: &'a str,
    /// The number of enclosing `:not()`.
    nested: usize,
}

impl<'a> Reader<'a> {
    fn space(&mut self) -> bool {
        let before = self.rest.len();
        self.rest = self.rest.trim_start();
        before != self.rest.len()
    }

    fn take(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        if self.take(c) {
            Ok(())
        } else {
            Err(format!("`{c}` expected"))
        }
    }

    /// Reads an identifier. A backslash escapes the next character.
    fn identifier(&mut self) -> Result<String, String> {
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        let end = loop {
            match chars.next() {
                Some((_, c)) if c.is_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii() => {
                    name.push(c);
                }
                Some((_, '\\')) => name.extend(chars.next().map(|(_, c)| c)),
                Some((at, _)) => break at,
                None => break self.rest.len(),
            }
        };
        self.rest = &self.rest[end..];
        if name.is_empty() {
            return Err(match self.rest.chars().next() {
                Some(c) => format!("a name expected before {c:?}"),
                None => "a name expected at the end".to_owned(),
            });
        }
        Ok(name)
    }

    fn complex(&mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        let mut axis = Axis::Descendant;
        let mut adjacent = false;
        loop {
            let (test, mut predicates) = self.compound()?;
            if adjacent {
                // The next sibling, if it matches.
                steps.push(Step {
                    axis,
                    test: Test::Any,
                    predicates: vec![Predicate::Position(1)],
                });
                axis = Axis::Self_;
            }
            predicates.sort_by_key(|predicate| !matches!(predicate, Predicate::Id(_)));
            steps.push(Step {
                axis,
                test,
                predicates,
            });
            adjacent = false;
            let spaced = self.space();
            if self.take('>') {
                axis = Axis::Child;
            } else if self.take('~') {
                axis = Axis::FollowingSibling;
            } else if self.take('+') {
                (axis, adjacent) = (Axis::FollowingSibling, true);
            } else if spaced && !self.rest.is_empty() && !self.rest.starts_with(',') {
                axis = Axis::Descendant;
            } else {
                return Ok(steps);
            }
            self.space();
        }
    }

    fn compound(&mut self) -> Result<(Test, Vec<Predicate>), String> {
        let mut predicates = Vec::new();
        let test = match self.rest.chars().next() {
            Some('*') => {
                self.take('*');
                Test::Any
            }
            Some('#' | '.' | '[' | ':') => Test::Any,
            _ => {
                let name = self.identifier()?;
                Test::Named(Name::of(name.as_bytes()), name)
            }
        };
        if self.rest.starts_with('|') {
            return Err("namespaces have no meaning in HTML".to_owned());
        }
        loop {
            if self.take('#') {
                predicates.push(Predicate::Id(self.identifier()?));
            } else if self.take('.') {
                predicates.push(Predicate::Class(self.identifier()?));
            } else if self.take('[') {
                predicates.push(self.attribute()?);
            } else if self.take(':') {
                predicates.push(self.pseudo_class()?);
            } else {
                return Ok((test, predicates));
            }
        }
    }

    fn attribute(&mut self) -> Result<Predicate, String> {
        self.space();
        let name = self.identifier()?;
        self.space();
        if self.take(']') {
            return Ok(Predicate::HasAttribute(name));
        }
        let signs = [
            ('~', Matching::Word),
            ('|', Matching::Dash),
            ('^', Matching::Prefix),
            ('$', Matching::Suffix),
            ('*', Matching::Substring),
        ];
        let unequal = self.take('!');
        let how = signs
            .into_iter()
            .find(|(sign, _)| self.take(*sign))
            .map(|(_, how)| how);
        self.expect('=')?;
        self.space();
        let value = self.string()?;
        self.space();
        self.expect(']')?;
        Ok(match how {
            None if unequal => {
                Predicate::Not(vec![(Test::Any, vec![Predicate::AttributeIs(name, value)])])
            }
            None => Predicate::AttributeIs(name, value),
            Some(how) => Predicate::AttributeMatches(name, how, value),
        })
    }

    fn string(&mut self) -> Result<String, String> {
        let Some(quote @ ('"' | '\'')) = self.rest.chars().next() else {
            return self.identifier();
        };
        let Some(end) = self.rest[1..].find(quote) else {
            return Err("a quote is not closed".to_owned());
        };
        let text = self.rest[1..=end].to_owned();
        self.rest = &self.rest[end + 2..];
        Ok(text)
    }

    fn pseudo_class(&mut self) -> Result<Predicate, String> {
        let name = self.identifier()?.to_ascii_lowercase();
        let nth = |a, b, of_type, from_end| {
            Predicate::Nth(Nth {
                a,
                b,
                of_type,
                from_end,
            })
        };
        let both = |of_type| {
            // There is no sibling before or after it.
            let last = Predicate::Not(vec![(Test::Any, vec![nth(0, 1, of_type, true)])]);
            let first = Predicate::Not(vec![(Test::Any, vec![nth(0, 1, of_type, false)])]);
            Predicate::Not(vec![(Test::Any, vec![first]), (Test::Any, vec![last])])
        };
        Ok(match name.as_str() {
            "first-child" => nth(0, 1, false, false),
            "last-child" => nth(0, 1, false, true),
            "first-of-type" => nth(0, 1, true, false),
            "last-of-type" => nth(0, 1, true, true),
            "only-child" => both(false),
            "only-of-type" => both(true),
            "empty" => Predicate::Empty,
            "root" => Predicate::Top,
            "nth-child" | "nth-last-child" | "nth-of-type" | "nth-last-of-type" => {
                let (a, b) = self.argument(formula)?;
                nth(a, b, name.ends_with("of-type"), name.contains("last"))
            }
            "not" => {
                self.expect('(')?;
                self.nested += 1;
                if self.nested > MAX_NESTED {
                    return Err(format!("more than {MAX_NESTED} :not() in each other"));
                }
                self.space();
                let inner = self.compound()?;
                self.space();
                self.nested -= 1;
                self.expect(')')?;
                Predicate::Not(vec![inner])
            }
            "contains" => {
                self.expect('(')?;
                let text = self.string()?;
                self.expect(')')?;
                let here = Expr::Path(Path {
                    absolute: false,
                    steps: vec![Step {
                        axis: Axis::Self_,
                        test: Test::Node,
                        predicates: Vec::new(),
                    }],
                });
                let arguments = vec![here, Expr::Literal(text)];
                Predicate::computed(Expr::Call(super::Function::Contains, arguments))
            }
            other => return Err(format!("no pseudo-class :{other} here")),
        })
    }

    fn argument<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        self.expect('(')?;
        let Some((inside, rest)) = self.rest.split_once(')') else {
            return Err("`)` expected".to_owned());
        };
        self.rest = rest;
        read(inside).ok_or_else(|| format!("not understood: ({inside})"))
    }
}

/// Parses `odd`, `even`, `3`, `2n`, `-n+3`.
fn formula(text: &str) -> Option<(i64, i64)> {
    // A page has fewer nodes than an `i32` can count, and the arithmetic is on `i64`.
    let number = |text: &str| text.parse::<i32>().ok().map(i64::from);
    let text: String = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect::<String>()
        .to_ascii_lowercase();
    match text.as_str() {
        "odd" => return Some((2, 1)),
        "even" => return Some((2, 0)),
        _ => {}
    }
    let Some((a, b)) = text.split_once('n') else {
        return Some((0, number(&text)?));
    };
    let a = match a {
        "" | "+" => 1,
        "-" => -1,
        other => number(other)?,
    };
    let b = if b.is_empty() { 0 } else { number(b)? };
    Some((a, b))
}
