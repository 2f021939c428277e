//! The record of the instructions that ran, for explanations.

use std::collections::HashMap;

use crate::compile::Step;
use crate::rules::Place;

/// The number of times that instructions ran, and the bytes that they wrote.
#[derive(Debug, Default)]
pub(super) struct Trace(HashMap<usize, Ran>);

/// An instruction that ran.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) times: usize,
    pub(super) bytes: usize,
}

impl Trace {
    pub(super) fn add(&mut self, step: &Step, bytes: usize) {
        let key = std::ptr::from_ref(step).addr();
        let ran = self.0.entry(key).or_insert_with(|| Ran {
            place: (*step.place).clone(),
            name: step.instruction.name().to_owned(),
            times: 0,
            bytes: 0,
        });
        ran.times += 1;
        ran.bytes += bytes;
    }

    /// Each instruction that ran, in no order.
    pub(super) fn into_ran(self) -> impl Iterator<Item = Ran> {
        self.0.into_values()
    }
}
