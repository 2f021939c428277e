//! Returns freed memory to the system. It needs `unsafe`.
//!
//! glibc keeps what is freed, unless it is at the end of its heap or was a mapping of its own. One
//! small allocation above a thousand large ones is enough: the process stays as large as it ever
//! was, although nothing is in use. `malloc_trim(3)` returns all free pages.
//!
//! Why both calls are sound: neither changes memory that is in use, and every thread may make both
//! at any time. `malloc_trim(3)` is MT-Safe. `mallinfo(3)` is not while another thread calls
//! `mallopt(3)`, whose settings it reads; at worst a figure is wrong. In a program with another
//! allocator both calls find an empty heap.

#![expect(unsafe_code, reason = "two calls without a precondition; see above")]

use std::fs;
use std::time::Duration;

use euryale_core::{BlockingLane, Ledger};
use tokio::time::{MissedTickBehavior, interval};

/// How often the heap is checked. A check takes a millisecond or less.
const EVERY: Duration = Duration::from_secs(5);

/// The unused memory, in bytes, that makes a call worthwhile. Allocations of other threads wait
/// while a call returns pages.
const WORTH: i64 = 4 << 20;

/// The thread that looks.
pub(crate) fn lane() -> BlockingLane {
    BlockingLane::new("heap", 1)
}

/// Returns unused memory now and then. Never ends where there is a proc(5).
pub(crate) async fn keep_small(lane: BlockingLane, ledger: Ledger) {
    let lane = lane.ledger(ledger);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The smallest amount seen. Part of it can never be returned, such as the stacks of threads.
    let mut least = i64::MAX;
    loop {
        ticks.tick().await;
        // Without a thread it is tried again at the next tick.
        match lane.run(move || look(least)).await {
            Ok(Some(unused)) => least = least.min(unused),
            Ok(None) => return,
            Err(_) => {}
        }
    }
}

/// Trims the heap if clearly more than `least` is unused. Returns how much is unused now.
fn look(least: i64) -> Option<i64> {
    let before = unused()?;
    if before <= least.saturating_add(WORTH) {
        return Some(before);
    }
    trim();
    unused()
}

/// The memory of this process that is resident but not allocated, in bytes. It may be negative:
/// memory can be allocated and never touched.
fn unused() -> Option<i64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split(' ').skip(1).map(str::parse::<i64>);
    let resident = pages.next()?.ok()?;
    let shared = pages.next()?.ok()?;
    let page = i64::try_from(rustix::param::page_size()).ok()?;
    // SAFETY: the call has no precondition; see the top of this file.
    let heap = unsafe { libc::mallinfo() };
    // These wrap at 4 GiB, and so does the difference, which is far smaller.
    let allocated = heap.uordblks.wrapping_add(heap.hblkhd);
    let resident = (resident - shared) * page;
    #[expect(clippy::cast_possible_truncation, reason = "modulo 4 GiB on purpose")]
    let unused = (resident as i32).wrapping_sub(allocated);
    Some(i64::from(unused))
}

fn trim() {
    // SAFETY: the call has no precondition; see the top of this file.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::{look, unused};

    #[test]
    fn freed_memory_below_a_live_allocation_is_returned() {
        const SIZE: usize = 16 << 10;
        const COUNT: usize = 8 << 10;
        let before = unused().unwrap();
        let blocks: Vec<Vec<u8>> = (0..COUNT).map(|_| vec![1; SIZE]).collect();
        let full = unused().unwrap() - before;
        assert!(
            full < 32 << 20,
            "{full} bytes of live memory count as unused"
        );
        // One block in 64 stays, so that no large range becomes free by itself.
        let kept: Vec<_> = blocks.into_iter().step_by(64).collect();
        let freed = unused().unwrap() - before;
        assert!(freed > 64 << 20, "glibc keeps {freed} bytes");
        let left = look(before).unwrap() - before;
        assert!(left < 32 << 20, "{left} bytes after the call");
        drop(kept);
    }
}
