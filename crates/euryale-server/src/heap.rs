//! Returns freed memory to the system. It needs `unsafe`.
//!
//! glibc keeps freed memory, unless it is at the end of the heap or was a separate mapping. One
//! small allocation above a thousand large ones is enough to keep the process at its maximum size,
//! although nothing is in use. `malloc_trim(3)` returns all free pages.
//!
//! Both calls are sound, because neither changes memory that is in use, and every thread may make
//! both at any time. `malloc_trim(3)` is MT-Safe. `mallinfo(3)` is not while another thread calls
//! `mallopt(3)`, whose settings it reads; at worst a figure is wrong. In a program with another
//! allocator both calls find an empty heap.
//!
//! `mallopt(3)` sets the number of arenas. It is "MT-Unsafe init const:mallopt", so it is called
//! only while the process has one thread.

#![expect(
    unsafe_code,
    reason = "three calls whose preconditions hold; see above"
)]

use std::fs;
use std::io;
use std::time::Duration;

use euryale_core::Ledger;
use euryale_core::threads::BlockingLane;
use tokio::time::{MissedTickBehavior, interval};

/// The interval at which the heap is checked. A check takes a millisecond or less.
const EVERY: Duration = Duration::from_secs(5);

/// The unused memory, in bytes, that makes a call worthwhile. Allocations of other threads wait
/// while a call returns pages.
const WORTH: i64 = 4 << 20;

/// The thread that checks the heap.
pub(crate) fn lane() -> BlockingLane {
    BlockingLane::new("heap", 1)
}

/// Limits the *arenas* of glibc's heap: threads take turns at this many instead of eight for each
/// core (mallopt(3), `M_ARENA_MAX`). 0 leaves the number to glibc.
///
/// Memory that one thread has freed in its arena is of no use to a thread with another arena, so a
/// server that was flooded once keeps a multiple of what it needs. Threads rarely wait for each
/// other: small blocks come from a cache of the thread. With two arenas the site kept 29 MiB
/// instead of 41 after a minute of searches on two cores, and answered 1.7 times as many of them.
///
/// This applies to the whole process. Call it at the very beginning of `main`. With another C
/// library or another allocator it does nothing.
///
/// # Errors
/// The process already has more than one thread, or their number is unknown because there is no
/// proc(5), or glibc refuses the number.
pub fn limit_heap_arenas(arenas: usize) -> io::Result<()> {
    if arenas == 0 {
        return Ok(());
    }
    if fs::read_dir("/proc/self/task")?.count() > 1 {
        return Err(io::Error::other("threads are running already"));
    }
    let arenas = libc::c_int::try_from(arenas).map_err(io::Error::other)?;
    // SAFETY: no other thread is running; see the top of this file.
    let is_set = unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) } == 1;
    if is_set {
        Ok(())
    } else {
        Err(io::Error::other("glibc refuses the number"))
    }
}

/// Returns unused memory from time to time. Never ends if there is a proc(5).
pub(crate) async fn keep_small(lane: BlockingLane, ledger: Ledger) {
    let lane = lane.ledger(ledger);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The smallest amount seen. Part of it can never be returned, such as the stacks of threads.
    let mut least = i64::MAX;
    loop {
        ticks.tick().await;
        // If no thread is available, the next tick tries again.
        match lane.run(move || look(least)).await {
            Ok(Some(unused)) => least = least.min(unused),
            Ok(None) => return,
            Err(_) => {}
        }
    }
}

/// Trims the heap if clearly more than `least` is unused. Returns the unused amount.
fn look(least: i64) -> Option<i64> {
    let before = unused()?;
    if before <= least.saturating_add(WORTH) {
        return Some(before);
    }
    trim();
    unused()
}

/// Returns the memory of this process that is resident but not allocated, in bytes. It may be
/// negative, because memory can be allocated and never touched.
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
    use super::{limit_heap_arenas, look, unused};

    #[test]
    fn arenas_are_not_limited_while_other_threads_run() {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || ended.recv());
        limit_heap_arenas(0).unwrap();
        let error = limit_heap_arenas(2).unwrap_err();
        assert_eq!(error.to_string(), "threads are running already");
        drop(end);
        assert!(other.join().unwrap().is_err());
    }

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
