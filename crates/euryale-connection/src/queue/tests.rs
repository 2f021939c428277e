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
fn a_worker_is_started_for_each_job_up_to_the_cap() {
    let mut queue = Queue::new(2, 10, [usize::MAX]);
    let then: Vec<Then> = (0..4).map(|job| admit(&mut queue, job, 0, Rank::New).1).collect();
    assert_eq!(then, [Then::Start, Then::Start, Then::Wait, Then::Wait]);
    assert_eq!((queue.permits(), queue.waiting()), (2, 4));
}

#[test]
fn jobs_run_in_the_order_in_which_they_came() {
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
fn a_full_queue_refuses_new_jobs_and_no_others() {
    let mut queue = Queue::new(1, 2, [usize::MAX]);
    for job in 0..3 {
        // One for the worker that was started, two that wait.
        admit(&mut queue, job, 0, Rank::New);
    }
    assert!(queue.is_full());
    assert!(matches!(queue.admit(3, 0, Rank::New, Instant::now()), Err((3, Refused::Full))));
    admit(&mut queue, 4, 0, Rank::Again);
    queue.close();
    assert!(matches!(queue.admit(5, 0, Rank::Again, Instant::now()), Err((5, Refused::Closed))));
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
    assert_eq!(order[..16], [vec![true; 7], vec![false], vec![true; 7], vec![false]].concat());
}

#[test]
fn a_lane_never_takes_more_than_its_share() {
    let mut queue = Queue::new(3, 100, [usize::MAX, 1]);
    assert_eq!(admit(&mut queue, 0, 1, Rank::New).1, Then::Start);
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((0, 1)));
    assert_eq!(admit(&mut queue, 1, 1, Rank::New).1, Then::Wait, "the lane's share is taken");
    assert_eq!(admit(&mut queue, 2, 0, Rank::New).1, Then::Start, "others are served");
    queue.arrive();
    assert_eq!(run(&mut queue, None), Some((2, 0)));
    // When the lane's job ends, its next one runs; and for a job that found no permit free one more worker may start.
    queue.cap = 2;
    assert_eq!(admit(&mut queue, 3, 0, Rank::New).1, Then::Wait);
    queue.cap = 3;
    let Next::Run { job, start, .. } = queue.next(Some(1)) else { panic!("nothing to run") };
    assert_eq!((job, start), (1, true));
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
    assert_eq!(admit(&mut queue, 2, 0, Rank::New).1, Then::Start, "it was called once already");
    assert!(queue.stop_spinning());
    assert_eq!(run(&mut queue, None), Some((1, 0)));
}

#[test]
fn a_smaller_cap_holds_as_soon_as_workers_come_back() {
    let mut queue = Queue::new(2, 10, [usize::MAX]);
    for job in 0..4 {
        admit(&mut queue, job, 0, Rank::New);
    }
    queue.arrive();
    queue.arrive();
    assert!(run(&mut queue, None).is_some() && run(&mut queue, None).is_some());
    queue.cap = 1;
    assert_eq!(run(&mut queue, Some(0)), None, "one permit too many");
    queue.leave();
    assert_eq!(run(&mut queue, Some(0)), Some((2, 0)));
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

/// What may happen to a queue.
#[derive(Clone, Debug)]
enum Event {
    Admit {
        lane: u16,
        again: bool,
    },
    Cancel(usize),
    /// A started worker looks for the first time.
    Arrive,
    /// A running worker finishes its job.
    Finish(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..2_u16, any::<bool>()).prop_map(|(lane, again)| Event::Admit { lane, again }),
        1 => any::<usize>().prop_map(Event::Cancel),
        3 => Just(Event::Arrive),
        3 => any::<usize>().prop_map(Event::Finish),
    ]
}

proptest! {
    /// Against a model of plain lists: no job is lost or run twice, caps and shares hold, order is kept in each lane and
    /// rank, and a job that could run never waits while a permit is free and no worker is on its way.
    #[test]
    fn the_machine_agrees_with_a_simple_model(
        events in vec(event(), 1..200),
        cap in 1..4_usize,
        share in 1..3_usize,
        max_queue in 0..6_usize,
    ) {
        let mut queue = Queue::new(cap, max_queue, [usize::MAX, share]);
        let mut lists: [VecDeque<u32>; 4] = Default::default();
        let mut tickets = Vec::new();
        let mut coming = 0_usize;
        let mut running: Vec<(u32, u16)> = Vec::new();
        for (job, event) in (0_u32..).zip(events) {
            let looks = match event {
                Event::Admit { lane, again } => {
                    let rank = if again { Rank::Again } else { Rank::New };
                    if let Ok((ticket, then)) = queue.admit(job, lane, rank, Instant::now()) {
                        lists[usize::from(lane) * 2 + rank as usize].push_back(job);
                        tickets.push((ticket, job));
                        coming += usize::from(then == Then::Start);
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
                Event::Arrive if coming > 0 => {
                    coming -= 1;
                    queue.arrive();
                    Some(None)
                }
                Event::Finish(which) if !running.is_empty() => {
                    let (_, lane) = running.swap_remove(which % running.len());
                    Some(Some(lane))
                }
                Event::Cancel(_) | Event::Arrive | Event::Finish(_) => None,
            };
            if let Some(finished) = looks {
                match queue.next(finished) {
                    Next::Run { job, lane, start, .. } => {
                        let first = lists.iter_mut().find(|list| list.front() == Some(&job));
                        prop_assert!(first.is_some(), "not the first of its list: {job}");
                        first.unwrap().pop_front();
                        running.push((job, lane));
                        coming += usize::from(start);
                    }
                    Next::Idle => queue.leave(),
                }
            }
            let in_lane = running.iter().filter(|(_, lane)| *lane == 1).count();
            prop_assert!(in_lane <= share);
            prop_assert!(queue.permits() <= cap);
            prop_assert_eq!(queue.permits(), running.len() + coming);
            prop_assert_eq!(queue.waiting(), lists.iter().map(VecDeque::len).sum::<usize>());
            let could_run = lists[0].len() + lists[1].len() > 0
                || (in_lane < share && lists[2].len() + lists[3].len() > 0);
            prop_assert!(!could_run || queue.permits() == cap || coming > 0, "a job waits, and nobody comes for it");
        }
    }
}
