//! Counts allocations of this process, in all its threads. A `dhat::Profiler` must run.

#[global_allocator]
static COUNTED: dhat::Alloc = dhat::Alloc;

const REQUESTS: u64 = 1000;

/// Allocations and bytes of one of many calls.
pub(crate) async fn counted<F: Future>(call: impl Fn() -> F) -> (f64, f64) {
    for _ in 0..REQUESTS {
        call().await;
    }
    let before = dhat::HeapStats::get();
    for _ in 0..REQUESTS {
        call().await;
    }
    let after = dhat::HeapStats::get();
    let each = |before: u64, after: u64| (after - before) as f64 / REQUESTS as f64;
    (
        each(before.total_blocks, after.total_blocks),
        each(before.total_bytes, after.total_bytes),
    )
}
