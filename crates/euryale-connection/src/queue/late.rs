//! Jobs that wait for long.

use std::time::Instant;

use super::{LaneIndex, Queue};

/// A job that waits for long.
pub(crate) struct Late<'a, J> {
    pub(crate) job: &'a J,
    pub(crate) lane: LaneIndex,
    pub(crate) since: Instant,
}

impl<J> Queue<J> {
    /// Tells of each job, once, that has waited since `before` or longer; of each list, the oldest
    /// first. When the oldest came that is not told of.
    pub(crate) fn tell_late(
        &mut self,
        before: Instant,
        mut tell: impl FnMut(&Late<'_, J>),
    ) -> Option<Instant> {
        let Self { lanes, slots, .. } = self;
        let mut next: Option<Instant> = None;
        for list in lanes.iter().flat_map(|lane| lane.lists) {
            let mut at = list.head;
            // A list is in the order in which its jobs came.
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
