//! Rolls while clients send requests and repeat none: no request fails, and no connection is
//! refused.

mod programs;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::deploy::LOGIN;
use super::peer::{Answer, Peer};
use super::{Running, eventually};

/// Rolls in each test, and in the tests that are run by command.
pub(super) const FEW: usize = 2;
pub(super) const MANY: usize = 20;

/// Requests that are answered before each roll.
const BETWEEN: usize = 100;

const CLIENTS: usize = 8;

/// Whether a client uses a socket for one request or for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sockets {
    Kept,
    New,
}

/// Clients in threads, which ask as fast as they can, half of them on kept sockets. Each fourth
/// request changes something, so nobody may send it twice. They ask until `work` has ended, which
/// gets the number of answers so far. Returns what failed.
fn under_clients(address: SocketAddr, work: impl FnOnce(&dyn Fn() -> usize)) -> Vec<io::Error> {
    let is_over = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let sockets = [Sockets::Kept, Sockets::New][client % 2];
                let is_over = &is_over;
                let answered = &answered;
                scope.spawn(move || ask(address, sockets, is_over, answered))
            })
            .collect();
        work(&|| answered.load(Ordering::Relaxed));
        is_over.store(true, Ordering::Relaxed);
        let ended = clients.into_iter().map(|client| client.join().unwrap());
        ended.flatten().collect()
    })
}

pub(super) fn roll_under_clients(site: &Running, address: SocketAddr, times: usize) {
    let mut count = 0;
    let failed = under_clients(address, |answered| {
        roll(site, times, answered);
        count = answered();
    });
    assert!(failed.is_empty(), "{failed:?}");
    println!("{times} rolls: {count} answers, 0 failed");
}

fn ask(
    address: SocketAddr,
    sockets: Sockets,
    is_over: &AtomicBool,
    answered: &AtomicUsize,
) -> Vec<io::Error> {
    let mut kept = None;
    let mut failed = Vec::new();
    for count in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let mut exchange = || -> io::Result<Answer> {
            let peer = match &mut kept {
                Some(peer) => peer,
                none => none.insert(Peer::connect(address)?),
            };
            peer.send(request(count))?;
            peer.answer()
        };
        let is_last = match exchange() {
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{}{}", answer.head, answer.text());
                answered.fetch_add(1, Ordering::Relaxed);
                answer.head.contains("\r\nconnection: close\r\n")
            }
            Err(error) => {
                failed.push(error);
                true
            }
        };
        if is_last || sockets == Sockets::New {
            kept = None;
        }
    }
    failed
}

fn request(count: usize) -> String {
    if count % 4 == 3 {
        format!("POST /@@counter HTTP/1.1\r\nhost: localhost\r\n{LOGIN}content-length: 0\r\n\r\n")
    } else {
        "GET /guides HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()
    }
}

/// Replaces all children several times. Before each roll, some requests are `answered`.
fn roll(site: &Running, times: usize, answered: impl Fn() -> usize) {
    for _ in 0..times {
        let old = site.children();
        let before = answered();
        eventually("clients are answered", || answered() > before + BETWEEN);
        site.roll();
        assert!(site.children().is_disjoint(&old));
    }
    let before = answered();
    eventually("clients are answered", || answered() > before + BETWEEN);
}

fn roll_under_threads(times: usize) {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--processes=2", "--lame-duck=10s"]);
    roll_under_clients(&site, site.public[0], times);
    site.end_well();
}

#[test]
fn rolls_lose_no_request_of_clients_that_repeat_nothing() {
    roll_under_threads(FEW);
}

#[test]
#[ignore = "slow: cargo test -p site --test process twenty_rolls -- --ignored --nocapture"]
fn twenty_rolls_lose_no_request() {
    roll_under_threads(MANY);
}

#[test]
fn child_that_is_killed_under_load_loses_at_most_its_own_requests() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--processes=2"]);
    let failed = under_clients(site.public[0], |answered| {
        let before = answered();
        eventually("clients are answered", || answered() > before + BETWEEN);
        println!("back under load after {:?}", site.kill_child());
        let before = answered();
        eventually("clients are answered", || answered() > before + BETWEEN);
    });
    println!("{} requests failed", failed.len());
    // No client has more than one request at a time.
    assert!(failed.len() <= CLIENTS, "{failed:?}");
    site.end_well();
}
