//! The order of nodes: `xsl:sort`.

use std::borrow::Cow;

use super::page::{Here, Page};
use crate::error::PageError;
use crate::rules::Sort;
use crate::xpath::{Item, number_of};

/// A key by which nodes are sorted.
enum Key<'a> {
    Number(f64),
    Text(Cow<'a, str>),
}

impl<'a> Page<'a> {
    /// Computes each key once, and keeps the order of equal nodes.
    pub(super) fn sorted(
        &'a self,
        items: Vec<Item>,
        sorts: &'a [Sort],
        here: Here,
    ) -> Result<Vec<Item>, PageError> {
        if sorts.is_empty() || items.len() < 2 {
            return Ok(items);
        }
        let mut orders = Vec::new();
        for sort in sorts {
            let is_number = self.pattern(&sort.is_number, here)? == "number";
            let descends = self.pattern(&sort.order, here)? == "descending";
            orders.push((is_number, descends));
        }
        let size = items.len();
        let mut bytes = 0;
        // The keys of all items, one after another.
        let mut keys: Vec<Key<'a>> = Vec::with_capacity(size * sorts.len());
        let mut keyed: Vec<(usize, Item)> = Vec::with_capacity(size);
        for (index, item) in items.into_iter().enumerate() {
            let at = Here {
                item,
                position: index + 1,
                size,
            };
            keyed.push((keys.len(), item));
            for (sort, (is_number, _)) in sorts.iter().zip(&orders) {
                self.budget.spend(1)?;
                let text = self.scope(at).string(&sort.select)?;
                bytes += text.len();
                keys.push(if *is_number {
                    Key::Number(number_of(&text))
                } else {
                    Key::Text(text)
                });
            }
        }
        // Comparisons also count as work.
        let rounds = size.ilog2() as usize + 1;
        self.budget.spend((size + bytes / 64) * rounds)?;
        keyed.sort_by(|a, b| {
            let mut pairs = keys[a.0..].iter().zip(&keys[b.0..]).zip(&orders);
            let unequal = pairs.find_map(|((a, b), (_, descends))| {
                let order = a.compare(b);
                let order = if *descends { order.reverse() } else { order };
                order.is_ne().then_some(order)
            });
            unequal.unwrap_or(std::cmp::Ordering::Equal)
        });
        Ok(keyed.into_iter().map(|(_, item)| item).collect())
    }
}

impl Key<'_> {
    /// Compares by code points or by numbers. Values that are not numbers come first.
    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => match a.partial_cmp(b) {
                Some(order) => order,
                None => b.is_nan().cmp(&a.is_nan()),
            },
            _ => std::cmp::Ordering::Equal,
        }
    }
}
