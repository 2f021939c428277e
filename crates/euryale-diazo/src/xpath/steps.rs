//! Follows the steps of a path (XPath 1.0 §2).
//!
//! Most paths can be walked depth first: the nodes of each step are then in document order, and no
//! node is found twice. Such a walk needs no list of nodes, and ends at the first node if no more
//! are needed.

use super::axis::{attributes, children, filter, take};
use super::item::Item;
use super::scope::Scope;
use super::{Axis, Predicate, Step};
use crate::dom::Dom;
use crate::error::PageError;

/// The reason why a walk ends before its last node.
#[derive(Debug)]
pub(super) enum Stop {
    /// The caller needs no more nodes.
    Enough,
    Exceeded(PageError),
}

impl From<PageError> for Stop {
    fn from(error: PageError) -> Self {
        Self::Exceeded(error)
    }
}

/// The function that is called with each node.
pub(super) type Found<'f> = dyn FnMut(Item) -> Result<(), Stop> + 'f;

/// The maximum number of steps that are walked at once, which is a recursion.
const MAX_WALKED: usize = 16;

/// The number of nodes of a step after which those that were found twice are removed.
const MANY: usize = 4096;

/// The set of nodes to which steps from one node have led.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spread {
    One,
    /// No node is inside another.
    Apart,
    Nested,
}

impl Spread {
    /// Returns the set of nodes after a further step, if they are in document order without
    /// sorting.
    fn after(self, axis: Axis) -> Option<Self> {
        match (self, axis) {
            (spread, Axis::Self_) => Some(spread),
            (_, Axis::Attribute) => Some(Self::Nested),
            (Self::One, Axis::Parent) => Some(Self::One),
            (Self::One | Self::Apart, Axis::Child) => Some(Self::Apart),
            (Self::One | Self::Apart, Axis::Descendant | Axis::DescendantOrSelf) => {
                Some(Self::Nested)
            }
            (Self::One, Axis::FollowingSibling | Axis::PrecedingSibling) => Some(Self::Apart),
            (Self::One, _) => Some(Self::Nested),
            _ => None,
        }
    }
}

/// Returns the number of steps that can be walked from one node; at least one if there are steps.
fn in_order(steps: &[Step]) -> usize {
    let mut spread = Spread::One;
    let mut count = 0;
    for step in steps.iter().take(MAX_WALKED) {
        match spread.after(step.axis) {
            Some(after) => spread = after,
            None => break,
        }
        count += 1;
    }
    count
}

/// Calls `found` with each node that the steps select, in document order and each once.
pub(super) fn walk<'a>(
    scope: &Scope<'a>,
    from: Item,
    steps: &'a [Step],
    found: &mut Found<'_>,
) -> Result<(), Stop> {
    if from.as_attribute().is_none() && steps.len() <= MAX_WALKED && is_straight(steps) {
        return straight(scope, scope.dom_of(from), from, steps, found);
    }
    let count = in_order(steps);
    if count == steps.len() {
        return descend(scope, from, steps, found);
    }
    let (first, then) = steps.split_at(count);
    let mut nodes = Vec::new();
    descend(scope, from, first, &mut |item| {
        nodes.push(item);
        Ok(())
    })?;
    follow(scope, nodes, then)?.into_iter().try_for_each(found)
}

/// Returns whether all steps are to children, and the last one perhaps to an attribute, without
/// predicates. These are the most frequent paths.
fn is_straight(steps: &[Step]) -> bool {
    let Some((last, before)) = steps.split_last() else {
        return false;
    };
    let is_plain = |step: &Step| step.predicates.is_empty() && step.axis == Axis::Child;
    let is_attribute = last.axis == Axis::Attribute && last.predicates.is_empty();
    (is_attribute || is_plain(last)) && before.iter().all(is_plain)
}

/// Walks such steps, with no more calls than there are steps.
fn straight(
    scope: &Scope<'_>,
    dom: &Dom<'_>,
    from: Item,
    steps: &[Step],
    found: &mut Found<'_>,
) -> Result<(), Stop> {
    match steps {
        [] => found(from),
        [step] if step.axis == Axis::Attribute => attributes(scope, from, &step.test, found),
        [step] => children(scope, dom, from, &step.test, found),
        [step, then @ ..] => children(scope, dom, from, &step.test, |item| {
            straight(scope, dom, item, then, found)
        }),
    }
}

fn descend<'a>(
    scope: &Scope<'a>,
    from: Item,
    steps: &'a [Step],
    found: &mut Found<'_>,
) -> Result<(), Stop> {
    match steps {
        [] => found(from),
        [step] => take(scope, from, step, found),
        [step, then @ ..] => take(scope, from, step, &mut |item| {
            descend(scope, item, then, found)
        }),
    }
}

/// Returns the nodes to which the steps lead from several nodes, in document order and each once.
fn follow<'a>(
    scope: &Scope<'a>,
    mut nodes: Vec<Item>,
    mut steps: &'a [Step],
) -> Result<Vec<Item>, Stop> {
    while !steps.is_empty() && !nodes.is_empty() {
        let is_one = nodes.len() == 1;
        let count = if is_one { in_order(steps) } else { 1 };
        let (first, then) = steps.split_at(count);
        let mut next = Vec::new();
        let mut limit = MANY;
        for item in nodes {
            descend(scope, item, first, &mut |item| {
                next.push(item);
                Ok(())
            })?;
            // The same nodes may be found from each of thousands of nodes.
            if next.len() >= limit && !is_one {
                merge(scope, &mut next)?;
                limit = MANY.max(2 * next.len());
            }
        }
        if !is_one {
            merge(scope, &mut next)?;
        }
        (nodes, steps) = (next, then);
    }
    Ok(nodes)
}

/// Brings nodes into document order, each once.
fn merge(scope: &Scope<'_>, nodes: &mut Vec<Item>) -> Result<(), PageError> {
    scope.budget.spend(nodes.len())?;
    nodes.sort_unstable();
    nodes.dedup();
    Ok(())
}

/// Narrows nodes by predicates, and follows steps from the rest.
pub(super) fn narrow<'a>(
    scope: &Scope<'a>,
    nodes: Vec<Item>,
    predicates: &'a [Predicate],
    steps: &'a [Step],
) -> Result<Vec<Item>, PageError> {
    let nodes = filter(scope, nodes, predicates)?;
    match follow(scope, nodes, steps) {
        Ok(nodes) => Ok(nodes),
        // No caller above ends the walk early.
        Err(Stop::Enough) => Ok(Vec::new()),
        Err(Stop::Exceeded(error)) => Err(error),
    }
}
