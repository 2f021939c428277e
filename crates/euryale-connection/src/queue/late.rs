//! Lists waiting jobs for operators.

use std::time::Instant;

use super::{LaneIndex, List, Queue};

/// A waiting job.
pub(crate) struct Late<'a, J> {
    pub(crate) job: &'a J,
    pub(crate) lane: LaneIndex,
    pub(crate) since: Instant,
}

impl<J> Queue<J> {
    /// Returns the `most` jobs that have waited longest, the oldest first.
    pub(crate) fn longest_waiting(&self, most: usize) -> Vec<Late<'_, J>> {
        let lists = self.lanes.iter().flat_map(|lane| lane.lists);
        // A list is in the order of arrival.
        let mut longest: Vec<_> = lists.flat_map(|list| self.list(list).take(most)).collect();
        longest.sort_by_key(|(sequence, late)| (late.since, *sequence));
        longest.truncate(most);
        longest.into_iter().map(|(_, late)| late).collect()
    }

    /// Returns the jobs of a list, with their numbers in the order of arrival.
    fn list(&self, list: List) -> impl Iterator<Item = (u64, Late<'_, J>)> {
        let mut at = list.head;
        std::iter::from_fn(move || {
            let slot = self.slots.get(at as usize)?;
            let waiting = slot.waiting.as_ref()?;
            at = slot.next;
            let late = Late {
                job: &waiting.job,
                lane: waiting.lane,
                since: waiting.since,
            };
            Some((waiting.sequence, late))
        })
    }

    /// Reports each job that has waited since `before` or longer, once, and the oldest of each list
    /// first. Returns the arrival time of the oldest job that is not reported yet.
    pub(crate) fn tell_late(
        &mut self,
        before: Instant,
        mut tell: impl FnMut(&Late<'_, J>),
    ) -> Option<Instant> {
        let Self { lanes, slots, .. } = self;
        let mut next: Option<Instant> = None;
        for list in lanes.iter().flat_map(|lane| lane.lists) {
            let mut at = list.head;
            // A list is in the order of arrival.
            while let Some(slot) = slots.get_mut(at as usize) {
                let Some(waiting) = &mut slot.waiting else {
                    break;
                };
                if waiting.since > before {
                    next = next.into_iter().chain([waiting.since]).min();
                    break;
                }
                if !std::mem::replace(&mut waiting.is_told, true) {
                    tell(&Late {
                        job: &waiting.job,
                        lane: waiting.lane,
                        since: waiting.since,
                    });
                }
                at = slot.next;
            }
        }
        next
    }
}
