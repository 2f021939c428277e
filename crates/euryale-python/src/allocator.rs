//! The allocator of the Rust side.

use mimalloc::MiMalloc;

/// A request is read on one thread and answered on another, so most memory changes hands, which is
/// where the system's allocator is slow. Python's own objects are not allocated here.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;
