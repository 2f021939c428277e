use std::sync::mpsc;

use super::*;

#[test]
fn a_poll_is_listed_with_its_thread_and_route_until_it_ends() {
    let polls = Polls::new();
    let times = Times::new();
    times.belongs_to(&Route::new("/reports/{year}"));
    let (release, released) = mpsc::channel::<()>();
    let (began, has_begun) = mpsc::channel();
    let polling = thread::Builder::new().name("runtime".to_owned());
    let polling = polling.spawn({
        let polls = polls.clone();
        move || {
            let _polled = polls.begin(&Method::POST, Some(times));
            began.send(()).unwrap();
            let _ = released.recv();
        }
    });
    has_begun.recv().unwrap();
    let [polled] = &polls.list()[..] else {
        panic!("{:?}", polls.list());
    };
    assert_eq!(polled.thread, "runtime");
    assert_eq!(polled.method, Method::POST);
    assert_eq!(polled.route, Some(Route::new("/reports/{year}")));
    drop(release);
    polling.unwrap().join().unwrap();
    assert!(polls.list().is_empty());
    assert!(polls.slots().is_empty(), "the slot ends with its thread");
}

/// Requests of two servers may be polled by the same threads.
#[test]
fn each_list_has_its_own_polls() {
    let one = Polls::new();
    let other = Polls::new();
    let polled = one.begin(&Method::GET, None);
    drop(other.begin(&Method::GET, None));
    assert_eq!(one.list().len(), 1);
    assert!(other.list().is_empty());
    drop(polled);
    drop(one.begin(&Method::GET, None));
    assert_eq!(one.slots().len(), 1, "a thread has one slot in a list");
}
