use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Next, Queue, Rank, Refused, Then, Ticket};

/// Admits a job that must be admitted.
fn admit(queue: &mut Queue<u32>, job: u32, lane: u16, rank: Rank) -> (Ticket, Then) {
    queue.admit(job, lane, rank, Instant::now()).unwrap()
}

fn run(queue: &mut Queue<u32>, finished: Option<u16>) -> Option<(u32, u16)> {
    match queue.next(finished) {
        Next::Run { job, lane, .. } => Some((job, lane)),
        Next::Idle => None,
    }
}

#[test]
fn workers_are_started_one_by_one_up_to_the_cap() {
    let mut queue = Queue::new(2, 10, [usize::MAX]);
    let then: Vec<Then> = (0..4)
        .map(|job| admit(&mut queue, job, 0, Rank::New).1)
        .collect();
    assert_eq!(then, [Then::Start, Then::Wait, Then::Wait, Then::Wait]);
    assert_eq!((queue.permits(), queue.waiting()), (1, 4));
    for (job, sends_for) in [(0, Then::Start), (1, Then::Wait)] {
        queue.arrive();
        let Next::Run {
            job: taken, then, ..
        } = queue.next(None)
        else {
            panic!("nothing to run")
        };
        assert_eq!((taken, then), (job, sends_for));
    }
    assert_eq!((queue.permits(), queue.waiting()), (2, 2));
}

#[test]
fn jobs_run_in_order_of_arrival() {
    let mut queue = Queue::new(1, 10, [usize::MAX]);
    for job in 0..3 {
        admit(&mut queue, job, 0, Rank::New);
    }
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((0, 0)));
    assert_eq!(run(&mut queue, Some(0)), Some((1, 0)));
    assert_eq!(run(&mut queue, Some(0)), Some((2, 0)));
    assert_eq!(run(&mut queue, Some(0)), None);
}

#[test]
fn a_full_queue_refuses_only_new_jobs() {
    let mut queue = Queue::new(2, 2, [usize::MAX]);
    for job in 0..4 {
        // Two jobs for the two permits, and two that wait.
        assert!(!queue.is_full());
        admit(&mut queue, job, 0, Rank::New);
    }
    assert!(queue.is_full());
    assert!(matches!(
        queue.admit(4, 0, Rank::New, Instant::now()),
        Err((4, Refused::Full))
    ));
    admit(&mut queue, 5, 0, Rank::Again);
    queue.close();
    assert!(matches!(
        queue.admit(6, 0, Rank::Again, Instant::now()),
        Err((6, Refused::Closed))
    ));
}

#[test]
fn without_a_queue_there_is_room_for_as_many_jobs_as_permits() {
    let mut queue = Queue::new(2, 0, [usize::MAX]);
    admit(&mut queue, 0, 0, Rank::New);
    admit(&mut queue, 1, 0, Rank::New);
    assert!(queue.admit(2, 0, Rank::New, Instant::now()).is_err());
    let mut boundless = Queue::new(1, usize::MAX, [usize::MAX]);
    for job in 0..100 {
        admit(&mut boundless, job, 0, Rank::New);
    }
}

#[test]
fn seven_of_eight_starts_at_most_go_to_jobs_that_were_admitted_before() {
    let mut queue = Queue::new(1, 100, [usize::MAX]);
    for job in 0..20 {
        admit(&mut queue, job, 0, Rank::New);
        admit(&mut queue, 100 + job, 0, Rank::Again);
    }
    queue.arrive();
    let mut finished = None;
    let order: Vec<bool> = std::iter::from_fn(|| {
        let (job, lane) = run(&mut queue, finished)?;
        finished = Some(lane);
        Some(job >= 100)
    })
    .collect();
    assert_eq!(order.len(), 40);
    assert_eq!(
        order[..16],
        [vec![true; 7], vec![false], vec![true; 7], vec![false]].concat()
    );
}

#[test]
fn a_lane_never_takes_more_than_its_share() {
    let mut queue = Queue::new(3, 100, [usize::MAX, 1]);
    assert_eq!(admit(&mut queue, 0, 1, Rank::New).1, Then::Start);
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((0, 1)));
    assert_eq!(
        admit(&mut queue, 1, 1, Rank::New).1,
        Then::Wait,
        "the lane's share is taken"
    );
    assert_eq!(
        admit(&mut queue, 2, 0, Rank::New).1,
        Then::Start,
        "others are served"
    );
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((2, 0)));
    // The worker of the default lane takes the job of the lane whose share became free, and no
    // other worker is needed.
    let Next::Run {
        job, lane, then, ..
    } = queue.next(Some(1))
    else {
        panic!("nothing to run")
    };
    assert_eq!((job, lane, then), (1, 1, Then::Wait));
}

#[test]
fn a_lane_whose_share_becomes_free_gets_a_worker() {
    let mut queue = Queue::new(3, 100, [usize::MAX, 1]);
    admit(&mut queue, 0, 1, Rank::New);
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((0, 1)));
    assert_eq!(admit(&mut queue, 1, 1, Rank::New).1, Then::Wait);
    assert_eq!(admit(&mut queue, 2, 0, Rank::Again).1, Then::Start);
    // The lane's job ends before that worker arrives. Its own worker takes the older job of the
    // other lane, which goes first.
    let Next::Run { job, then, .. } = queue.next(Some(1)) else {
        panic!("nothing to run")
    };
    assert_eq!((job, then), (2, Then::Wait), "one is on its way already");
    queue.arrive();
    assert_eq!(
        run(&mut queue, None),
        Some((1, 1)),
        "and finds the lane's job"
    );
}

#[test]
fn a_spinning_worker_is_called_instead_of_starting_one() {
    let mut queue = Queue::new(2, 10, [usize::MAX]);
    admit(&mut queue, 0, 0, Rank::New);
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((0, 0)));
    assert_eq!(run(&mut queue, Some(0)), None);
    assert!(queue.spin());
    assert!(!queue.spin(), "at most one spins");
    assert_eq!(admit(&mut queue, 1, 0, Rank::New).1, Then::Call);
    assert_eq!(
        admit(&mut queue, 2, 0, Rank::New).1,
        Then::Wait,
        "it is on its way, and sends for another"
    );
    assert!(queue.stop_spinning());
    let Next::Run { job, then, .. } = queue.next(None) else {
        panic!("nothing to run")
    };
    assert_eq!((job, then), (1, Then::Start));
}

#[test]
fn a_new_cap_holds_as_soon_as_workers_return() {
    let mut queue = Queue::new(1, 10, [usize::MAX]);
    for job in 0..4 {
        admit(&mut queue, job, 0, Rank::New);
    }
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((0, 0)));
    assert_eq!(queue.resize(2), Then::Start);
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((1, 0)));
    assert_eq!(queue.resize(1), Then::Wait);
    assert_eq!(run(&mut queue, Some(0)), None, "one permit too many");
    queue.leave();
    assert_eq!(run(&mut queue, Some(0)), Some((2, 0)));
}

#[test]
fn a_worker_that_breaks_down_is_replaced() {
    let mut queue = Queue::new(1, 10, [usize::MAX]);
    admit(&mut queue, 0, 0, Rank::New);
    admit(&mut queue, 1, 0, Rank::New);
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((0, 0)));
    assert_eq!(queue.break_down(Some(0)), Then::Start, "a job waits");
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((1, 0)));
    assert_eq!(queue.break_down(Some(0)), Then::Wait, "nobody waits");
    assert_eq!(queue.permits(), 0);
}

#[test]
fn a_worker_without_a_job_is_requested_only_if_none_is_coming() {
    let mut queue = Queue::new(2, 10, [usize::MAX]);
    assert_eq!(queue.send_for_one(), Then::Start);
    assert_eq!(queue.send_for_one(), Then::Wait, "one is on its way");
    assert_eq!(
        admit(&mut queue, 0, 0, Rank::New).1,
        Then::Wait,
        "and will take a job that comes"
    );
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((0, 0)));
    assert_eq!(queue.send_for_one(), Then::Start, "the first is busy");
    queue.arrive();
    assert_eq!(run(&mut queue, None), None);
    assert!(queue.spin());
    assert_eq!(queue.send_for_one(), Then::Wait, "one is on the lookout");
    assert!(!queue.stop_spinning());
    queue.leave();
    assert_eq!(queue.send_for_one(), Then::Start);
    assert_eq!(queue.send_for_one(), Then::Wait, "no permit is free");
}

#[test]
fn a_thousand_requeued_jobs_are_served() {
    let mut queue = Queue::new(1, 10, [usize::MAX]);
    let mut finished = None;
    for job in 0..1000 {
        if admit(&mut queue, job, 0, Rank::Again).1 == Then::Start {
            queue.arrive();
        }
        assert_eq!(run(&mut queue, finished), Some((job, 0)));
        finished = Some(0);
    }
}

#[test]
fn a_stale_ticket_cancels_nothing() {
    let mut queue = Queue::new(1, 10, [usize::MAX]);
    let (first, _) = admit(&mut queue, 0, 0, Rank::New);
    assert_eq!(queue.cancel(first), Some(0));
    let (second, _) = admit(&mut queue, 1, 0, Rank::New);
    assert_eq!(queue.cancel(first), None, "the slot has another job now");
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((1, 0)));
    assert_eq!(queue.cancel(second), None, "taken");
}

#[test]
fn the_oldest_wait_is_known() {
    let mut queue = Queue::new(1, 10, [usize::MAX, 1]);
    let early = Instant::now();
    let late = early + Duration::from_secs(5);
    queue.admit(0, 1, Rank::New, late).unwrap();
    queue.admit(1, 0, Rank::Again, early).unwrap();
    assert_eq!(queue.oldest(), Some(early));
    queue.arrive();
    run(&mut queue, None);
    assert_eq!(queue.oldest(), Some(late));
}

/// The events of a queue.
#[derive(Clone, Debug)]
enum Event {
    Admit {
        lane: u16,
        again: bool,
    },
    Cancel(usize),
    /// A started worker checks the queue for the first time.
    Arrive,
    /// A running worker finishes its job. If there is no other job, it may spin.
    Finish(usize),
    /// The spinning worker gives up, or finds that it was called.
    StopSpinning,
    Resize(usize),
    /// A worker is requested for something other than a job.
    SendForOne,
    /// A started worker never arrives.
    GiveUp,
    /// A running worker breaks down in the middle of its job.
    BreakDown(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..2_u16, any::<bool>()).prop_map(|(lane, again)| Event::Admit { lane, again }),
        1 => any::<usize>().prop_map(Event::Cancel),
        3 => Just(Event::Arrive),
        3 => any::<usize>().prop_map(Event::Finish),
        2 => Just(Event::StopSpinning),
        1 => (1..4_usize).prop_map(Event::Resize),
        1 => Just(Event::SendForOne),
        1 => Just(Event::GiveUp),
        1 => any::<usize>().prop_map(Event::BreakDown),
    ]
}

proptest! {
    /// Compares the queue with a model of plain lists: no job is lost or run twice, caps and shares
    /// hold, the order is kept in each lane and rank, and a job that could run never waits while a
    /// permit is free and no worker is on its way.
    #[test]
    fn the_machine_agrees_with_a_simple_model(
        events in vec(event(), 1..200),
        cap in 1..4_usize,
        share in 1..3_usize,
        max_queue in 0..6_usize,
    ) {
        let mut queue = Queue::new(cap, max_queue, [usize::MAX, share]);
        let mut cap = cap;
        let mut lists: [VecDeque<u32>; 4] = Default::default();
        let mut tickets = Vec::new();
        // The workers that were started, the spinning worker, whether it was called, and the
        // workers that run a job.
        let mut started = 0_usize;
        let mut spinning = false;
        let mut called = false;
        let mut running: Vec<(u32, u16)> = Vec::new();
        // After a worker has given up, the running workers take its jobs.
        let mut given_up = false;
        for (job, event) in (0_u32..).zip(events) {
            // The worker that looks for a job, and whether it may spin if the queue is empty.
            let looks = match event {
                Event::Admit { lane, again } => {
                    let rank = if again { Rank::Again } else { Rank::New };
                    if let Ok((ticket, then)) = queue.admit(job, lane, rank, Instant::now()) {
                        lists[usize::from(lane) * 2 + rank as usize].push_back(job);
                        tickets.push((ticket, job));
                        started += usize::from(then == Then::Start);
                        called |= then == Then::Call;
                    } else {
                        prop_assert!(rank == Rank::New, "only new jobs are refused");
                    }
                    None
                }
                Event::Cancel(which) if !tickets.is_empty() => {
                    let (ticket, job) = tickets.swap_remove(which % tickets.len());
                    let waits = lists.iter_mut().any(|list| {
                        let before = list.len();
                        list.retain(|waiting| *waiting != job);
                        list.len() < before
                    });
                    prop_assert_eq!(queue.cancel(ticket), waits.then_some(job));
                    None
                }
                Event::Arrive if started > 0 => {
                    started -= 1;
                    queue.arrive();
                    Some((None, true))
                }
                Event::Finish(which) if !running.is_empty() => {
                    let (_, lane) = running.swap_remove(which % running.len());
                    Some((Some(lane), true))
                }
                Event::StopSpinning if spinning => {
                    spinning = false;
                    prop_assert_eq!(queue.stop_spinning(), called);
                    Some((None, std::mem::take(&mut called)))
                }
                Event::Resize(to) => {
                    cap = to;
                    let then = queue.resize(to);
                    started += usize::from(then == Then::Start);
                    called |= then == Then::Call;
                    None
                }
                Event::SendForOne => {
                    let before = queue.permits();
                    let then = queue.send_for_one();
                    started += usize::from(then == Then::Start);
                    prop_assert!(then != Then::Call);
                    prop_assert!(then == Then::Wait || before < cap, "over the cap");
                    None
                }
                Event::GiveUp if started > 0 => {
                    started -= 1;
                    queue.give_up();
                    given_up = true;
                    if queue.permits() == 0 {
                        // No worker would come, so the pool refuses all jobs.
                        let waiting: usize = lists.iter().map(VecDeque::len).sum();
                        prop_assert_eq!(queue.drain().len(), waiting);
                        lists.iter_mut().for_each(VecDeque::clear);
                    }
                    None
                }
                Event::BreakDown(which) if !running.is_empty() => {
                    let (_, lane) = running.swap_remove(which % running.len());
                    let then = queue.break_down(Some(lane));
                    started += usize::from(then == Then::Start);
                    called |= then == Then::Call;
                    None
                }
                Event::Cancel(_)
                | Event::Arrive
                | Event::Finish(_)
                | Event::StopSpinning
                | Event::GiveUp
                | Event::BreakDown(_) => None,
            };
            if let Some((finished, may_spin)) = looks {
                given_up = false;
                match queue.next(finished) {
                    Next::Run { job, lane, then, .. } => {
                        let first = lists.iter_mut().find(|list| list.front() == Some(&job));
                        prop_assert!(first.is_some(), "not the first of its list: {job}");
                        first.unwrap().pop_front();
                        running.push((job, lane));
                        prop_assert!(running.len() <= cap, "over the cap");
                        started += usize::from(then == Then::Start);
                        called |= then == Then::Call;
                    }
                    Next::Idle if may_spin && queue.spin() => spinning = true,
                    Next::Idle => {
                        let then = queue.leave();
                        started += usize::from(then == Then::Start);
                        called |= then == Then::Call;
                    }
                }
            }
            let in_lane = running.iter().filter(|(_, lane)| *lane == 1).count();
            prop_assert!(in_lane <= share);
            prop_assert_eq!(queue.permits(), running.len() + started + usize::from(spinning));
            prop_assert_eq!(queue.waiting(), lists.iter().map(VecDeque::len).sum::<usize>());
            let could_run = lists[0].len() + lists[1].len() > 0
                || (in_lane < share && lists[2].len() + lists[3].len() > 0);
            prop_assert!(spinning || !called);
            let all_are_busy = queue.permits() >= cap && !spinning;
            let is_left_to_others = given_up && queue.permits() > 0;
            let comes = started > 0 || called || all_are_busy || is_left_to_others;
            prop_assert!(!could_run || comes, "a job waits, and nobody comes for it");
        }
    }
}
