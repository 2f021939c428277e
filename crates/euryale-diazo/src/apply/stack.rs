//! How much of the stack a page takes.

/// Where the stack was when a page began.
#[derive(Debug)]
pub(super) struct Stack(usize);

impl Stack {
    pub(super) fn begin() -> Self {
        Self(top())
    }

    /// Bytes since then.
    pub(super) fn used(&self) -> usize {
        self.0.abs_diff(top())
    }
}

/// The address of something on the stack, which is only compared.
#[inline(never)]
fn top() -> usize {
    let here = 0_u8;
    std::hint::black_box(&raw const here).addr()
}
