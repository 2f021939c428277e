//! Returns freed memory to the system. One of the three files of the workspace that need `unsafe`.
//!
//! glibc keeps what is freed, unless it is at the end of its heap or was a mapping of its own. One
//! small allocation above a thousand large ones is enough: the process stays as large as it ever
//! was, although nothing is in use. `malloc_trim(3)` returns all free pages.
//!
//! What has to hold, and why it does: the call changes no memory that is in use, and every thread
//! may make it at any time (it is MT-Safe). A program with another allocator loses nothing by it.

#![expect(unsafe_code, reason = "one call without a precondition; see above")]

use std::fs;
use std::time::Duration;

use euryale_core::{BlockingLane, Ledger};
use tokio::time::{MissedTickBehavior, interval};

/// How often the size of the process is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// The growth since the last time that is worth a call, in bytes. Allocations of other threads wait
/// while a call returns pages.
const GROWTH: u64 = 8 << 20;

/// Returns what is free whenever the process has grown. Never ends where there is a proc(5).
pub(crate) async fn keep_small(ledger: Ledger) {
    let lane = BlockingLane::new("heap", 1).ledger(ledger);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut least = u64::MAX;
    loop {
        ticks.tick().await;
        // No disk is asked: this does not block.
        let Some(now) = resident() else { return };
        if now <= least.saturating_add(GROWTH) {
            least = least.min(now);
            continue;
        }
        // Without a thread it is tried again at the next tick.
        if lane.run(trim).await.is_ok() {
            least = resident().unwrap_or(now);
        }
    }
}

/// The resident memory of this process, in bytes.
fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn trim() {
    // SAFETY: the call has no precondition; see the top of this file.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::{resident, trim};

    #[test]
    fn freed_memory_below_a_live_allocation_is_returned() {
        const SIZE: usize = 16 << 10;
        const COUNT: usize = 8 << 10;
        let before = resident().unwrap();
        let blocks: Vec<Vec<u8>> = (0..COUNT).map(|_| vec![1; SIZE]).collect();
        // One block in 64 stays, so that no large range becomes free by itself.
        let kept: Vec<_> = blocks.into_iter().step_by(64).collect();
        let grown = resident().unwrap().saturating_sub(before);
        assert!(grown > 64 << 20, "glibc keeps {grown} bytes");
        trim();
        let left = resident().unwrap().saturating_sub(before);
        assert!(left < 32 << 20, "{left} bytes after the call");
        drop(kept);
    }
}
