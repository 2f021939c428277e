//! Evaluates tests and predicates for one node.

use super::item::Item;
use super::scope::Scope;
use super::{Matching, Nth, Predicate, Test};
use crate::dom::{Dom, Id, Kind, NONE, ROOT, decode, has_word};
use crate::error::PageError;

pub(super) fn accepts(dom: &Dom<'_>, id: Id, test: &Test) -> bool {
    let node = dom.node(id);
    match test {
        // Nodes other than elements have no name.
        Test::Named(name, _) => node.name == *name,
        Test::Any => node.kind == Kind::Element,
        Test::Node => node.kind != Kind::Doctype,
        Test::Text => node.kind == Kind::Text,
        Test::Comment => node.kind == Kind::Comment,
        Test::Nothing => false,
    }
}

pub(super) fn holds<'a>(
    scope: &Scope<'a>,
    item: Item,
    predicate: &'a Predicate,
) -> Result<bool, PageError> {
    let dom = scope.dom_of(item);
    let id = item.node;
    if item.as_attribute().is_some() && predicate.is_of_elements() {
        return Ok(false);
    }
    Ok(match predicate {
        Predicate::Id(wanted) => match dom.node(id).id {
            NONE => false,
            at => {
                let id = dom.attribute_value(at);
                scope.budget.spend(id.len() / 16)?;
                is(id, wanted)
            }
        },
        Predicate::Class(wanted) => match dom.node(id).class {
            NONE => false,
            at => {
                let all = dom.attribute_value(at);
                // Each byte may be the first one of the word.
                scope.budget.spend(all.len() / 2)?;
                has_word(all, wanted)
            }
        },
        Predicate::HasAttribute(name) => {
            scope.budget.spend(dom.search_cost(id, name))?;
            dom.attribute(id, name).is_some()
        }
        Predicate::AttributeIs(name, wanted) => {
            let value = read(scope, dom, id, name)?;
            value.is_some_and(|value| is(value, wanted))
        }
        Predicate::AttributeMatches(name, how, wanted) => {
            let value = read(scope, dom, id, name)?;
            value.is_some_and(|value| how.fits(&decode(value), wanted))
        }
        Predicate::Nth(nth) => is_nth(scope, dom, id, *nth)?,
        Predicate::Empty => {
            for child in dom.children(id) {
                scope.budget.spend(1)?;
                if dom.node(child).kind != Kind::Comment {
                    return Ok(false);
                }
            }
            true
        }
        Predicate::Top => dom.node(id).parent == ROOT,
        Predicate::Not(compound) => {
            for (test, predicates) in compound {
                if is_all(scope, item, test, predicates)? {
                    return Ok(false);
                }
            }
            true
        }
        // Without a list, the position is 1 of 1.
        Predicate::Position(wanted) => *wanted == 1,
        Predicate::ByPosition(expr) => scope.at(item).is_at(expr)?,
        Predicate::Expr(expr) => scope.at(item).is_true(expr)?,
    })
}

/// Returns the value of an attribute as written, if it exists.
fn read<'s>(
    scope: &Scope<'_>,
    dom: &Dom<'s>,
    id: Id,
    name: &str,
) -> Result<Option<&'s str>, PageError> {
    let value = dom.attribute(id, name).map(|at| dom.attribute_value(at));
    let bytes = value.map_or(0, str::len);
    scope.budget.spend(dom.search_cost(id, name) + bytes / 16)?;
    Ok(value)
}

/// Returns whether a written value has this text. Most values differ so early that references need
/// not be resolved.
pub(super) fn is(written: &str, wanted: &str) -> bool {
    match (written.as_bytes().first(), wanted.as_bytes().first()) {
        (Some(a), Some(b)) if a == b || *a == b'&' => decode(written) == wanted,
        (Some(b'&'), None) => decode(written) == wanted,
        (None, None) => true,
        _ => false,
    }
}

impl Matching {
    fn fits(self, value: &str, wanted: &str) -> bool {
        match self {
            Self::Word => value.split_ascii_whitespace().any(|one| one == wanted),
            Self::Dash => value
                .strip_prefix(wanted)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
            Self::Prefix => !wanted.is_empty() && value.starts_with(wanted),
            Self::Suffix => !wanted.is_empty() && value.ends_with(wanted),
            Self::Substring => !wanted.is_empty() && value.contains(wanted),
        }
    }
}

fn is_all<'a>(
    scope: &Scope<'a>,
    item: Item,
    test: &Test,
    predicates: &'a [Predicate],
) -> Result<bool, PageError> {
    if !accepts(scope.dom_of(item), item.node, test) {
        return Ok(false);
    }
    for predicate in predicates {
        if !holds(scope, item, predicate)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_nth(scope: &Scope<'_>, dom: &Dom<'_>, id: Id, nth: Nth) -> Result<bool, PageError> {
    let name = dom.node(id).name;
    let counts =
        |other: Id| dom.is_element(other) && (!nth.of_type || dom.node(other).name == name);
    let before = match nth.from_end {
        true => count(scope, dom.siblings_after(id), counts)?,
        false => count(scope, dom.siblings_before(id), counts)?,
    };
    let distance = before as i64 + 1 - nth.b;
    Ok(match nth.a {
        0 => distance == 0,
        a => distance % a == 0 && distance / a >= 0,
    })
}

/// Returns how many of these nodes match. Each examined node counts as work.
fn count(
    scope: &Scope<'_>,
    mut nodes: impl Iterator<Item = Id>,
    is_such: impl Fn(Id) -> bool,
) -> Result<usize, PageError> {
    nodes.try_fold(0, |count, id| {
        scope.budget.spend(1)?;
        Ok(count + usize::from(is_such(id)))
    })
}
