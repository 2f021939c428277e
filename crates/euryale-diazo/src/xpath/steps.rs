//! From nodes to nodes: axes, tests and predicates (XPath 1.0 §2).

use super::item::Item;
use super::scope::Scope;
use super::value::Value;
use super::{Axis, Matching, Nth, Predicate, Step, Test};
use crate::dom::{Dom, Id, Kind, NONE, ROOT, decode};
use crate::error::PageError;

/// Follows all steps. The result is in document order, with each node once.
pub(super) fn follow<'a>(
    scope: Scope<'a>,
    mut nodes: Vec<Item>,
    steps: &'a [Step],
) -> Result<Vec<Item>, PageError> {
    for step in steps {
        if nodes.is_empty() {
            break;
        }
        let mut next = Vec::new();
        let single = nodes.len() == 1;
        for item in &nodes {
            take(scope, *item, step, &mut next)?;
        }
        // The children of several nodes are in order only if none of the nodes contains another.
        if !single {
            next.sort_unstable();
            next.dedup();
        }
        nodes = next;
    }
    Ok(nodes)
}

/// Adds the nodes that one step selects from one node, in document order.
fn take<'a>(
    scope: Scope<'a>,
    from: Item,
    step: &'a Step,
    out: &mut Vec<Item>,
) -> Result<(), PageError> {
    let dom = scope.dom_of(from);
    if from.as_attribute().is_some()
        && !matches!(step.axis, Axis::Parent | Axis::Self_ | Axis::Ancestor)
    {
        return Ok(());
    }
    // `//*[@id='x']` is the most frequent form in rules, so there is an index of elements with an
    // id.
    if let (Axis::Descendant, Some(Predicate::Id(_))) = (step.axis, step.predicates.first())
        && from.node == ROOT
    {
        scope.budget.spend(dom.ids.len())?;
        let fits = dom
            .ids
            .iter()
            .filter(|id| accepts(dom, **id, &step.test))
            .map(|id| Ok(from.beside(*id)));
        return collect(scope, fits, step, out);
    }
    let node = from.node;
    let after = dom.node(node).after;
    let test = move |id: &Id| accepts(dom, *id, &step.test);
    // Each visited node counts as work, whether or not the test accepts it.
    let walked = move |id: Id| match scope.budget.spend(1) {
        Ok(()) => test(&id).then_some(Ok(from.beside(id))),
        Err(exhausted) => Some(Err(exhausted)),
    };
    // The budget was charged for the whole range before.
    let paid = move |id: Id| test(&id).then_some(Ok(from.beside(id)));
    match step.axis {
        Axis::Self_ => match from.as_attribute() {
            Some(_) => collect(scope, std::iter::once(Ok(from)), step, out),
            None => collect(scope, paid(node).into_iter(), step, out),
        },
        Axis::Child => collect(scope, dom.children(node).filter_map(walked), step, out),
        Axis::Descendant | Axis::DescendantOrSelf => {
            let first = if step.axis == Axis::Descendant {
                node + 1
            } else {
                node
            };
            scope.budget.spend((after - node) as usize)?;
            collect(scope, (first..after).filter_map(paid), step, out)
        }
        Axis::Attribute => {
            let attributes = dom.attributes_of(node).filter_map(|at| {
                let fits = match &step.test {
                    Test::Named(_, name) => dom.attribute_name(at).eq_ignore_ascii_case(name),
                    Test::Any | Test::Node => true,
                    _ => false,
                };
                fits.then_some(Ok(from.attribute(at)))
            });
            scope
                .budget
                .spend(dom.node(node).attribute_count as usize)?;
            collect(scope, attributes, step, out)
        }
        Axis::Parent => {
            let parent = if from.as_attribute().is_some() {
                node
            } else {
                dom.node(node).parent
            };
            let parent = Some(parent).filter(|id| *id != NONE).and_then(paid);
            collect(scope, parent.into_iter(), step, out)
        }
        Axis::Following => {
            scope.budget.spend(dom.nodes.len() - after as usize)?;
            collect(
                scope,
                (after..dom.nodes.len() as Id).filter_map(paid),
                step,
                out,
            )
        }
        Axis::FollowingSibling => collect(
            scope,
            dom.siblings_after(node).filter_map(walked),
            step,
            out,
        ),
        // Reverse axes count positions backwards.
        Axis::Ancestor | Axis::AncestorOrSelf => {
            // The element of an attribute is its parent.
            let itself = step.axis == Axis::AncestorOrSelf || from.as_attribute().is_some();
            let up = itself
                .then_some(node)
                .into_iter()
                .chain(dom.ancestors(node));
            backwards(scope, up.filter_map(walked), step, out)
        }
        Axis::PrecedingSibling => backwards(
            scope,
            dom.siblings_before(node).filter_map(walked),
            step,
            out,
        ),
        Axis::Preceding => {
            scope.budget.spend(node as usize)?;
            let before = (0..node)
                .rev()
                .filter(|id| dom.node(*id).after <= node)
                .filter_map(paid);
            backwards(scope, before, step, out)
        }
    }
}

fn accepts(dom: &Dom<'_>, id: Id, test: &Test) -> bool {
    let node = dom.node(id);
    match test {
        Test::Named(name, _) => node.name == *name && node.kind == Kind::Element,
        Test::Any => node.kind == Kind::Element,
        Test::Node => node.kind != Kind::Doctype,
        Test::Text => node.kind == Kind::Text,
        Test::Comment => node.kind == Kind::Comment,
        Test::Nothing => false,
    }
}

/// Adds the nodes for which all predicates hold.
fn collect<'a>(
    scope: Scope<'a>,
    mut candidates: impl Iterator<Item = Result<Item, PageError>>,
    step: &'a Step,
    out: &mut Vec<Item>,
) -> Result<(), PageError> {
    if step.predicates.iter().any(Predicate::is_positional) {
        let all = candidates.collect::<Result<Vec<Item>, PageError>>()?;
        scope.budget.spend(all.len())?;
        out.extend(filter(scope, all, &step.predicates)?);
        return Ok(());
    }
    candidates.try_for_each(|item| {
        let item = item?;
        scope.budget.spend(1)?;
        for predicate in &step.predicates {
            if !holds(scope, item, predicate)? {
                return Ok(());
            }
        }
        out.push(item);
        Ok(())
    })
}

fn backwards<'a>(
    scope: Scope<'a>,
    candidates: impl Iterator<Item = Result<Item, PageError>>,
    step: &'a Step,
    out: &mut Vec<Item>,
) -> Result<(), PageError> {
    let from = out.len();
    collect(scope, candidates, step, out)?;
    out[from..].reverse();
    Ok(())
}

/// Returns the nodes for which all predicates hold, with positions counted again after each.
pub(super) fn filter<'a>(
    scope: Scope<'a>,
    mut nodes: Vec<Item>,
    predicates: &'a [Predicate],
) -> Result<Vec<Item>, PageError> {
    for predicate in predicates {
        if let Predicate::Position(wanted) = predicate {
            nodes = nodes.get(wanted - 1).copied().into_iter().collect();
            continue;
        }
        let size = nodes.len();
        let mut left = Vec::new();
        for (index, item) in nodes.into_iter().enumerate() {
            scope.budget.spend(1)?;
            let mut inner = scope.at(item);
            (inner.position, inner.size) = (index + 1, size);
            let holds = match predicate {
                Predicate::Expr(expr) => match inner.value(expr)? {
                    Value::Number(number) => number == (index + 1) as f64,
                    value => value.is_true(),
                },
                other => holds(inner, item, other)?,
            };
            if holds {
                left.push(item);
            }
        }
        nodes = left;
    }
    Ok(nodes)
}

fn holds<'a>(scope: Scope<'a>, item: Item, predicate: &'a Predicate) -> Result<bool, PageError> {
    let dom = scope.dom_of(item);
    let id = item.node;
    let value = |name: &str| {
        dom.attribute(id, name)
            .map(|at| decode(dom.attribute_value(at)))
    };
    if let Predicate::HasAttribute(name)
    | Predicate::AttributeIs(name, _)
    | Predicate::AttributeMatches(name, ..) = predicate
    {
        scope.budget.spend(dom.search_cost(id, name))?;
    }
    if let Predicate::AttributeIs(name, _) | Predicate::AttributeMatches(name, ..) = predicate {
        let written = dom.attribute(id, name).map(|at| dom.attribute_value(at));
        scope
            .budget
            .spend(written.map_or(0, |written| written.len() / 16))?;
    }
    Ok(match predicate {
        Predicate::Id(wanted) => {
            dom.node(id).id != NONE && value("id").is_some_and(|id| id == *wanted)
        }
        Predicate::Class(wanted) => {
            dom.node(id).class != NONE
                && value("class")
                    .is_some_and(|all| all.split_ascii_whitespace().any(|one| one == wanted))
        }
        Predicate::HasAttribute(name) => dom.attribute(id, name).is_some(),
        Predicate::AttributeIs(name, wanted) => value(name).is_some_and(|value| value == *wanted),
        Predicate::AttributeMatches(name, how, wanted) => {
            value(name).is_some_and(|value| match how {
                Matching::Word => value.split_ascii_whitespace().any(|one| one == wanted),
                Matching::Dash => value
                    .strip_prefix(wanted.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
                Matching::Prefix => !wanted.is_empty() && value.starts_with(wanted.as_str()),
                Matching::Suffix => !wanted.is_empty() && value.ends_with(wanted.as_str()),
                Matching::Substring => !wanted.is_empty() && value.contains(wanted.as_str()),
            })
        }
        Predicate::Nth(nth) => is_nth(scope.at(item), id, *nth)?,
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
        // Without a list, its position is 1 of 1.
        Predicate::Position(wanted) => *wanted == 1,
        Predicate::Expr(expr) => scope.at(item).is_true(expr)?,
    })
}

fn is_all<'a>(
    scope: Scope<'a>,
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

fn is_nth(scope: Scope<'_>, id: Id, nth: Nth) -> Result<bool, PageError> {
    let dom = scope.dom;
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
    scope: Scope<'_>,
    mut nodes: impl Iterator<Item = Id>,
    is_such: impl Fn(Id) -> bool,
) -> Result<usize, PageError> {
    nodes.try_fold(0, |count, id| {
        scope.budget.spend(1)?;
        Ok(count + usize::from(is_such(id)))
    })
}
