//! Measures how much of the stack a page uses.

/// The address of the stack when a page began.
#[derive(Debug)]
pub(super) struct Stack(usize);

impl Stack {
    pub(super) fn begin() -> Self {
        Self(top())
    }

    /// Returns the number of bytes used since then.
    pub(super) fn used(&self) -> usize {
        self.0.abs_diff(top())
    }
}

/// Returns the address of a local variable, which is only compared.
#[inline(never)]
fn top() -> usize {
    let here = 0_u8;
    std::hint::black_box(&raw const here).addr()
}
