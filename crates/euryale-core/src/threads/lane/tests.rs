mod cpu;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use euryale_test::{Gate, eventually};
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

use crate::error::{Error, LANE_FULL, NO_WORKER, PANICKED, WOULD_DEADLOCK};
use crate::ledger::{LaneMeter, Ledger};
use crate::threads::BlockingLane;

fn lane(threads: usize) -> (BlockingLane, Ledger, Arc<LaneMeter>) {
    let ledger = Ledger::new();
    let meter = ledger.lanes.of("test");
    (
        BlockingLane::new("test", threads).ledger(ledger.clone()),
        ledger,
        meter,
    )
}

async fn assert_quiet(ledger: &Ledger) {
    eventually("the lane is empty", || ledger.unsettled().is_empty()).await;
}

fn hold(lane: &BlockingLane, gate: &Gate) -> JoinHandle<Result<(), Error>> {
    let lane = lane.clone();
    let gate = gate.clone();
    tokio::spawn(async move { lane.run(move || gate.wait()).await })
}

#[tokio::test]
async fn work_beyond_the_running_and_waiting_limits_is_refused() {
    let (lane, ledger, meter) = lane(2);
    let lane = lane.max_waiting(1);
    let gate = Gate::new();
    let held = [hold(&lane, &gate), hold(&lane, &gate)];
    eventually("both run", || gate.waiting() == 2).await;
    assert_eq!(lane.try_enter().unwrap_err().code(), LANE_FULL);
    let waits = hold(&lane, &gate);
    eventually("one waits", || meter.waiting.get() == 1).await;
    assert_eq!(lane.run(|| ()).await.unwrap_err().code(), LANE_FULL);
    assert_eq!(ledger.unsettled(), ["lane test: 3"]);
    waits.abort();
    assert!(waits.await.unwrap_err().is_cancelled());
    assert_eq!(meter.waiting.get(), 0, "it has left");
    gate.open();
    for held in held {
        held.await.unwrap().unwrap();
    }
    assert_quiet(&ledger).await;
    assert_eq!(
        (gate.passed(), meter.running.peak(), meter.refused.get()),
        (2, 2, 2)
    );
    let text = ledger.exposition();
    for line in [
        r#"euryale_lane_running_peak{lane="test"} 2"#,
        r#"euryale_lane_refused_total{lane="test"} 2"#,
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}

#[tokio::test]
async fn the_turn_is_free_when_the_result_is_visible() {
    let (lane, _, meter) = lane(1);
    for n in 0..500 {
        assert_eq!(
            lane.try_enter()
                .unwrap()
                .start(move || n)
                .unwrap()
                .await
                .unwrap(),
            n
        );
        assert_eq!(meter.running.get(), 0);
    }
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_lane_goes_on() {
    let (lane, ledger, _) = lane(1);
    for _ in 0..3 {
        let panics = || std::panic::resume_unwind(Box::new("as scripted"));
        assert_eq!(lane.run::<()>(panics).await.unwrap_err().code(), PANICKED);
    }
    assert_eq!(lane.run(|| 7).await.unwrap(), 7);
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn handles_with_different_ledgers_share_their_turns() {
    let (lane, first, _) = lane(1);
    let second = Ledger::new();
    let other = lane.clone().ledger(second.clone());
    let turn = lane.try_enter().unwrap();
    assert_eq!(other.try_enter().unwrap_err().code(), LANE_FULL);
    assert_eq!((first.unsettled().len(), second.unsettled().len()), (1, 0));
    assert!(other.resized(1).try_enter().is_ok(), "that is another lane");
    drop(turn);
    assert_quiet(&first).await;
}

#[tokio::test]
async fn a_thread_of_a_lane_must_not_wait_for_it() {
    let (lane, ..) = lane(1);
    let same = lane.clone();
    let other = BlockingLane::new("other", 1);
    let runtime = Handle::current();
    #[expect(clippy::disallowed_methods, reason = "what must be refused")]
    let nested = lane.run(move || {
        let same = runtime.block_on(same.run(|| ())).unwrap_err().code();
        (same, runtime.block_on(other.run(|| 1)).unwrap())
    });
    assert_eq!(nested.await.unwrap(), (WOULD_DEADLOCK, 1));
    assert!(lane.run(|| ()).await.is_ok());
}

/// A thread becomes free only after the future was dropped, so the work does not run.
#[test]
fn work_without_a_waiter_is_never_started() {
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (lane, ledger, meter) = lane(2);
        let gate = Gate::new();
        let ran = Arc::new(AtomicBool::new(false));
        let busy = hold(&lane, &gate);
        eventually("the only thread is busy", || gate.waiting() == 1).await;
        let waiting = tokio::spawn({
            let lane = lane.clone();
            let ran = ran.clone();
            async move { lane.run(move || ran.store(true, SeqCst)).await }
        });
        eventually("it has its turn, and no thread", || {
            meter.running.get() == 2
        })
        .await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        gate.open();
        busy.await.unwrap().unwrap();
        assert_quiet(&ledger).await;
        assert!(!ran.load(SeqCst));
    });
}

/// No system can provide such a large stack.
#[test]
fn when_the_system_refuses_a_thread_the_turn_is_free_and_the_work_dropped() {
    let runtime = Builder::new_current_thread()
        .thread_stack_size(1 << 60)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (lane, ledger, _) = lane(1);
        let held = Arc::new(());
        for _ in 0..2 {
            let work = {
                let held = Arc::clone(&held);
                move || drop(held)
            };
            assert_eq!(lane.run(work).await.unwrap_err().code(), NO_WORKER);
            assert_eq!(Arc::strong_count(&held), 1);
        }
        assert_quiet(&ledger).await;
    });
}

#[test]
fn outside_a_runtime_it_is_an_error() {
    let (lane, ledger, _) = lane(1);
    assert_eq!(
        lane.try_enter().unwrap().start(|| ()).unwrap_err().code(),
        NO_WORKER
    );
    assert!(ledger.unsettled().is_empty());
}

#[tokio::test]
async fn work_that_has_a_place_is_never_refused() {
    let (lane, ledger, meter) = lane(1);
    let lane = lane.max_waiting(1);
    let first = lane.reserve().unwrap();
    assert_eq!((meter.running.get(), meter.waiting.get()), (1, 0));
    let second = lane.reserve().unwrap();
    assert_eq!((meter.running.get(), meter.waiting.get()), (1, 1));
    assert_eq!(lane.reserve().unwrap_err().code(), LANE_FULL);
    let second = second.try_enter().unwrap_err();
    let waits = tokio::spawn(second.run(|| 2));
    assert_eq!(first.run(|| 1).await.unwrap(), 1);
    assert_eq!(waits.await.unwrap().unwrap(), 2);
    drop((lane.reserve().unwrap(), lane.reserve().unwrap()));
    assert_quiet(&ledger).await;
    assert_eq!(meter.refused.get(), 1);
}

#[tokio::test]
async fn unrefusable_work_waits_beyond_the_limit() {
    let (lane, ledger, meter) = lane(1);
    let lane = lane.max_waiting(0);
    let turn = lane.try_enter().unwrap();
    let waits = [0, 1].map(|_| {
        let lane = lane.clone();
        tokio::spawn(async move { lane.enter_unrefused().await.map(drop) })
    });
    eventually("two wait", || meter.waiting.get() == 2).await;
    drop(turn);
    for waits in waits {
        waits.await.unwrap().unwrap();
    }
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_lane_grows_up_to_the_declared_maximum_and_its_handles_with_it() {
    let ledger = Ledger::new();
    let lane = BlockingLane::new("test", 1)
        .max_threads(3)
        .max_waiting(0)
        .ledger(ledger.clone());
    let same = lane.clone();
    assert_eq!(ledger.threads.all(), [("test", 3)]);
    let turns = || -> Vec<_> { std::iter::from_fn(|| same.try_enter().ok()).collect() };
    assert_eq!(turns().len(), 1);
    lane.resize(2);
    assert_eq!((turns().len(), same.threads()), (2, 2));
    lane.resize(4);
    assert_eq!((turns().len(), same.threads()), (3, 3));
    lane.resize(0);
    assert_eq!((turns().len(), same.threads()), (1, 1));
    assert_eq!(ledger.threads.sum(), 3, "it may grow again");
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn turns_beyond_a_smaller_lane_end_when_they_are_given_back() {
    let ledger = Ledger::new();
    let lane = BlockingLane::new("test", 3).ledger(ledger.clone());
    let first = lane.try_enter().unwrap();
    let second = lane.try_enter().unwrap();
    let third = lane.try_enter().unwrap();
    lane.resize(1);
    drop(first);
    assert!(lane.try_enter().is_err());
    // A turn that was about to be removed is kept when the lane grows.
    lane.resize(2);
    assert!(lane.try_enter().is_err());
    drop(second);
    let second = lane.try_enter().unwrap();
    assert!(lane.try_enter().is_err());
    drop((second, third));
    let turns: Vec<_> = std::iter::from_fn(|| lane.try_enter().ok()).collect();
    assert_eq!(turns.len(), 2);
    drop(turns);
    assert_quiet(&ledger).await;
}

#[test]
fn threads_are_declared_once_for_each_lane_and_as_long_as_it_lives() {
    let ledger = Ledger::new();
    let lane = BlockingLane::new("test", 2);
    assert_eq!(ledger.threads.sum(), 0);
    lane.declare(&ledger);
    assert_eq!(ledger.lanes.all().len(), 0, "declared, and not counted");
    let counted = lane.clone().ledger(ledger.clone());
    assert_eq!(ledger.threads.all(), [("test", 2)]);
    assert_eq!(ledger.lanes.all().len(), 1);
    drop(lane);
    let larger = counted.max_threads(8).resized(5);
    assert_eq!(ledger.threads.all(), [("test", 8)]);
    assert_eq!(larger.threads(), 5);
    drop(larger);
    assert_eq!(ledger.threads.all(), []);
}
