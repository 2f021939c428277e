//! Walks from one node along one axis (XPath 1.0 §2.2).

use super::item::Item;
use super::matches::{accepts, holds, is};
use super::scope::Scope;
use super::steps::{Found, Stop};
use super::{Axis, Predicate, Step, Test};
use crate::dom::{Dom, Id, NONE, Words};
use crate::error::PageError;

/// Calls `found` with the nodes that one step selects from one node, in document order.
pub(super) fn take<'a>(
    scope: &Scope<'a>,
    from: Item,
    step: &'a Step,
    found: &mut Found<'_>,
) -> Result<(), Stop> {
    let predicates = step.predicates.as_slice();
    let is_reverse = matches!(
        step.axis,
        Axis::Ancestor | Axis::AncestorOrSelf | Axis::Preceding | Axis::PrecedingSibling
    );
    if predicates.is_empty() && !is_reverse {
        return candidates(scope, from, step, found);
    }
    let mut positional = predicates.iter().filter(|one| one.is_positional());
    match (positional.next(), positional.next()) {
        (None, _) if !is_reverse => candidates(scope, from, step, &mut |item| {
            if all_hold(scope, item, predicates)? {
                found(item)?;
            }
            Ok(())
        }),
        (Some(Predicate::Position(wanted)), None) => {
            match at_position(scope, from, step, *wanted)? {
                Some(item) => found(item),
                None => Ok(()),
            }
        }
        _ => {
            let mut all = Vec::new();
            candidates(scope, from, step, &mut |item| {
                all.push(item);
                Ok(())
            })?;
            let mut left = filter(scope, all, predicates)?;
            if is_reverse {
                left.reverse();
            }
            left.into_iter().try_for_each(found)
        }
    }
}

/// Finds the node at a position, counted among those for which the predicates before it hold.
fn at_position<'a>(
    scope: &Scope<'a>,
    from: Item,
    step: &'a Step,
    wanted: usize,
) -> Result<Option<Item>, Stop> {
    let is_position = |predicate: &Predicate| matches!(predicate, Predicate::Position(_));
    let at = step.predicates.iter().position(is_position).unwrap_or(0);
    let (before, after) = step.predicates.split_at(at);
    let mut seen = 0;
    let mut hit = None;
    let walked = candidates(scope, from, step, &mut |item| {
        if !all_hold(scope, item, before)? {
            return Ok(());
        }
        seen += 1;
        if seen < wanted {
            return Ok(());
        }
        if all_hold(scope, item, &after[1..])? {
            hit = Some(item);
        }
        Err(Stop::Enough)
    });
    match walked {
        Ok(()) | Err(Stop::Enough) => Ok(hit),
        Err(exceeded) => Err(exceeded),
    }
}

fn all_hold<'a>(
    scope: &Scope<'a>,
    item: Item,
    predicates: &'a [Predicate],
) -> Result<bool, PageError> {
    scope.budget.spend(1)?;
    for predicate in predicates {
        if !holds(scope, item, predicate)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Calls `each` with the nodes on the axis that the test accepts, in the order of the axis. Each
/// visited node counts as work, whether or not the test accepts it.
fn candidates(
    scope: &Scope<'_>,
    from: Item,
    step: &Step,
    each: &mut Found<'_>,
) -> Result<(), Stop> {
    let dom = scope.dom_of(from);
    let node = from.node;
    if from.as_attribute().is_some() {
        return from_attribute(scope, from, step, each);
    }
    let mut visit = |id: Id| -> Result<(), Stop> {
        scope.budget.spend(1)?;
        if accepts(dom, id, &step.test) {
            each(from.beside(id))?;
        }
        Ok(())
    };
    match step.axis {
        Axis::Self_ => visit(node),
        Axis::Child => children(scope, dom, from, &step.test, each),
        Axis::Descendant => inside(scope, from, node + 1, step, each),
        Axis::DescendantOrSelf => inside(scope, from, node, step, each),
        Axis::Attribute => attributes(scope, from, &step.test, each),
        Axis::Parent => match dom.node(node).parent {
            NONE => Ok(()),
            parent => visit(parent),
        },
        Axis::Following => {
            let after = dom.node(node).after;
            (after..dom.nodes.len() as Id).try_for_each(visit)
        }
        Axis::FollowingSibling => dom.siblings_after(node).try_for_each(visit),
        Axis::Ancestor => dom.ancestors(node).try_for_each(visit),
        Axis::AncestorOrSelf => {
            visit(node)?;
            dom.ancestors(node).try_for_each(visit)
        }
        Axis::PrecedingSibling => dom.siblings_before(node).try_for_each(visit),
        Axis::Preceding => {
            scope.budget.spend(node as usize)?;
            let mut before = (0..node).rev();
            before.try_for_each(|id| match dom.node(id).after <= node {
                true => visit(id),
                false => Ok(()),
            })
        }
    }
}

pub(super) fn children(
    scope: &Scope<'_>,
    dom: &Dom<'_>,
    from: Item,
    test: &Test,
    mut each: impl FnMut(Item) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut visited = 0;
    let found = match test {
        // Names are the most frequent test, so their loop only compares names.
        Test::Named(name, _) => {
            let after = dom.node(from.node).after as usize;
            let nodes = &dom.nodes[..after];
            let mut id = from.node as usize + 1;
            loop {
                let Some(node) = nodes.get(id) else {
                    break Ok(());
                };
                visited += 1;
                if node.name == *name
                    && let Err(stop) = each(from.beside(id as Id))
                {
                    break Err(stop);
                }
                id = node.after as usize;
            }
        }
        _ => dom.children(from.node).try_for_each(|id| {
            visited += 1;
            match accepts(dom, id, test) {
                true => each(from.beside(id)),
                false => Ok(()),
            }
        }),
    };
    scope.budget.spend(visited)?;
    found
}

/// Walks from an attribute, which has a parent, but no children and no siblings.
fn from_attribute(
    scope: &Scope<'_>,
    from: Item,
    step: &Step,
    each: &mut Found<'_>,
) -> Result<(), Stop> {
    let dom = scope.dom_of(from);
    if matches!(step.axis, Axis::Self_ | Axis::AncestorOrSelf) {
        let is_accepted = match &step.test {
            Test::Node => true,
            // As in libxml2. In XPath, only elements have names on these axes.
            Test::Named(_, name) => from.name(dom).eq_ignore_ascii_case(name),
            _ => false,
        };
        if is_accepted {
            each(from)?;
        }
    }
    match step.axis {
        Axis::Parent | Axis::Ancestor | Axis::AncestorOrSelf => {
            let above = dom.ancestors(from.node);
            let above = above.take_while(|_| step.axis != Axis::Parent);
            std::iter::once(from.node).chain(above).try_for_each(|id| {
                scope.budget.spend(1)?;
                if accepts(dom, id, &step.test) {
                    each(from.beside(id))?;
                }
                Ok(())
            })
        }
        _ => Ok(()),
    }
}

/// Visits the nodes from `first` to the end of a node. Elements with an id, a class or a certain
/// name are found through the document's lists of them.
fn inside(
    scope: &Scope<'_>,
    from: Item,
    first: Id,
    step: &Step,
    each: &mut Found<'_>,
) -> Result<(), Stop> {
    let dom = scope.dom_of(from);
    let after = dom.node(from.node).after;
    if let Some(Predicate::Id(wanted)) = step.predicates.first() {
        let begin = dom.ids.partition_point(|id| *id < first);
        let end = dom.ids.partition_point(|id| *id < after);
        for id in &dom.ids[begin..end] {
            let value = dom.attribute_value(dom.node(*id).id);
            scope.budget.spend(1 + value.len() / 16)?;
            if is(value, wanted) && accepts(dom, *id, &step.test) {
                each(from.beside(*id))?;
            }
        }
        return Ok(());
    }
    if let Some(Predicate::Class(word)) = step.predicates.first() {
        let begin = dom.classes.partition_point(|id| *id < first);
        let end = dom.classes.partition_point(|id| *id < after);
        let wanted = Words::of(word);
        let words = dom.words_of_classes();
        for (id, words) in dom.classes[begin..end].iter().zip(&words[begin..end]) {
            scope.budget.spend(1)?;
            if words.may_have(wanted) && accepts(dom, *id, &step.test) {
                each(from.beside(*id))?;
            }
        }
        return Ok(());
    }
    if let Test::Named(name, _) = &step.test
        && is_most(dom, first, after)
    {
        for id in dom.list_of(*name).take_while(|id| *id < after) {
            scope.budget.spend(1)?;
            if id >= first && accepts(dom, id, &step.test) {
                each(from.beside(id))?;
            }
        }
        return Ok(());
    }
    scope.budget.spend((after - first) as usize)?;
    for id in first..after {
        if accepts(dom, id, &step.test) {
            each(from.beside(id))?;
        }
    }
    Ok(())
}

/// Returns whether the list of all elements with a name is likely to be shorter than these nodes.
fn is_most(dom: &Dom<'_>, first: Id, after: Id) -> bool {
    (after - first) as usize > dom.nodes.len() / 8
}

pub(super) fn attributes(
    scope: &Scope<'_>,
    from: Item,
    test: &Test,
    each: &mut Found<'_>,
) -> Result<(), Stop> {
    let dom = scope.dom_of(from);
    match test {
        Test::Named(_, name) => {
            scope.budget.spend(1 + dom.search_cost(from.node, name))?;
            match dom.attribute(from.node, name) {
                Some(at) => each(from.attribute(at)),
                None => Ok(()),
            }
        }
        Test::Any | Test::Node => {
            let mut all = dom.attributes_of(from.node);
            all.try_for_each(|at| {
                scope.budget.spend(1)?;
                each(from.attribute(at))
            })
        }
        Test::Text | Test::Comment | Test::Nothing => Ok(()),
    }
}

/// Returns the nodes for which all predicates hold, with positions counted again after each.
pub(super) fn filter<'a>(
    scope: &Scope<'a>,
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
                Predicate::ByPosition(expr) => inner.is_at(expr)?,
                other => holds(&inner, item, other)?,
            };
            if holds {
                left.push(item);
            }
        }
        nodes = left;
    }
    Ok(nodes)
}
