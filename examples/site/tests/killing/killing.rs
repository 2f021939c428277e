//! SIGKILL at every point of an upload: uploads that were answered with 201 are stored, and nothing
//! else is.
//!
//! The test program starts itself as the program that is killed ([`held`]): the site, on a socket,
//! with an outer publisher that holds requests at a [`Point`]. After each kill the site is
//! restarted in the same folder, and rows and blobs are compared with the answers to clients
//! ([`ledger`]).
//!
//! Each point is tested 5 times, or 50 times if `CI` is set. `EURYALE_TEST_KILLS=200` sets another
//! number.

mod held;
mod ledger;
mod point;
mod process;
mod upload;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use self::ledger::{Sent, Unanswered, Uploads};
use self::point::Point;
use self::process::{FOLDER, Process, Sending};

fn kills() -> u32 {
    match std::env::var("EURYALE_TEST_KILLS") {
        Ok(number) => number.parse().unwrap(),
        Err(_) if std::env::var_os("CI").is_some() => 50,
        Err(_) => 5,
    }
}

#[test]
#[ignore = "no test: the tests beside it start it, to kill it"]
fn the_program_that_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        held::serve(folder.as_ref());
    }
}

/// Repeats a start that sweeps, an upload that is answered, and one that is killed at `point`.
fn killed_at(point: Point, unanswered: Unanswered) {
    let folder = tempfile::tempdir().unwrap();
    let mut uploads = Uploads::default();
    let mut random = random();
    for round in 0..kills() {
        let mut process = Process::start(folder.path());
        let address = process.address();
        let first = 2 * round;
        let second = 2 * round + 1;
        let began = Instant::now();
        let answered = Sending::start(address, first, None).unwrap().status();
        assert_eq!(answered, Some(201), "{point:?}");
        let took = began.elapsed();
        let held = Sending::start(address, second, Some(point)).unwrap();
        process.reached(point);
        if point == Point::Committing {
            process.kill_after(took.mul_f64(random.f64()));
        } else {
            process.kill();
        }
        let sent = [(first, answered), (second, held.status())];
        let sent = sent.map(|(number, status)| Sent {
            number,
            status,
            until: number + 1,
        });
        assert!(
            point == Point::Committing || sent[1].status.is_none(),
            "{point:?}: {sent:?}"
        );
        uploads.check(folder.path(), &sent, unanswered);
    }
}

#[test]
fn killed_before_the_votes_nothing_is_there() {
    for point in [Point::Spooling, Point::Begun, Point::Published, Point::Hook] {
        killed_at(point, Unanswered::Lost);
    }
}

#[test]
fn killed_between_the_votes_and_the_commit_nothing_is_there() {
    for point in [
        Point::FirstVote,
        Point::BetweenVotes,
        Point::LastVote,
        Point::Asked,
    ] {
        killed_at(point, Unanswered::Lost);
    }
}

#[test]
fn killed_while_it_commits_all_of_it_is_there_or_nothing() {
    killed_at(Point::Committing, Unanswered::Either);
}

#[test]
fn killed_between_the_commit_and_its_end_all_of_it_is_there() {
    for point in [
        Point::Written,
        Point::FirstFinish,
        Point::BetweenFinishes,
        Point::LastFinish,
    ] {
        killed_at(point, Unanswered::Kept);
    }
}

#[test]
fn killed_before_the_answer_all_of_it_is_there() {
    for point in [Point::After, Point::Answering] {
        killed_at(point, Unanswered::Kept);
    }
}

#[test]
fn answered_uploads_survive_a_kill_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let mut uploads = Uploads::default();
    let mut random = random();
    let next = AtomicU32::new(0);
    for _ in 0..kills() {
        let mut process = Process::start(folder.path());
        let address = process.address();
        let sent = Mutex::new(Vec::new());
        let (answers, answered) = channel();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let answers = answers.clone();
                let sent = &sent;
                let next = &next;
                // Waits until the process is gone.
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        let status = Sending::start(address, number, None)
                            .ok()
                            .and_then(Sending::status);
                        let until = next.load(Ordering::SeqCst);
                        sent.lock().unwrap().push(Sent {
                            number,
                            status,
                            until,
                        });
                        if status.is_none() || answers.send(()).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(answers);
            for _ in 0..random.u32(..12) {
                answered.recv().unwrap();
            }
            process.kill_after(Duration::from_micros(random.u64(..5_000)));
        });
        uploads.check(
            folder.path(),
            &sent.into_inner().unwrap(),
            Unanswered::Either,
        );
    }
}

#[test]
fn next_start_completes_a_first_start_that_was_killed() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    Process::start(folder.path()).address();
    let whole = u64::try_from(began.elapsed().as_micros()).unwrap();
    for _ in 0..kills() {
        let folder = tempfile::tempdir().unwrap();
        Process::start(folder.path()).kill_after(Duration::from_micros(random.u64(..whole)));
        Uploads::default().check(folder.path(), &[], Unanswered::Lost);
    }
}

#[test]
fn a_start_beside_another_process_leaves_its_uploads_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut uploads = Uploads::default();
    let points = [
        Point::Published,
        Point::BetweenVotes,
        Point::LastVote,
        Point::LastFinish,
    ];
    for (round, point) in (0..).zip(points) {
        let mut one = Process::start(folder.path());
        let held = Sending::start(one.address(), 2 * round, Some(point)).unwrap();
        one.reached(point);
        // The sweep has ended when it serves.
        let other = Process::start(folder.path());
        let address = other.address();
        one.go_on();
        let first = held.status();
        let second = Sending::start(address, 2 * round + 1, None)
            .unwrap()
            .status();
        assert_eq!([first, second], [Some(201); 2], "{point:?}");
        drop((one, other));
        let sent = [(2 * round, first), (2 * round + 1, second)];
        let sent = sent.map(|(number, status)| Sent {
            number,
            status,
            until: number + 1,
        });
        uploads.check(folder.path(), &sent, Unanswered::Lost);
    }
}

/// Shown in the output of a failed test.
fn random() -> fastrand::Rng {
    let seed = std::env::var("EURYALE_TEST_SEED")
        .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("EURYALE_TEST_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}
