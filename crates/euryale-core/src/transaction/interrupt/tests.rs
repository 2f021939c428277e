use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};

use super::{Interrupt, Stopped, Switch};

/// Returns an interrupt that counts its calls.
fn counting() -> (Interrupt, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let interrupt = Interrupt::call(move || {
        counted.fetch_add(1, SeqCst);
    });
    (interrupt, calls)
}

#[test]
fn an_armed_switch_fires_once() {
    let switch = Switch::new(false);
    switch.arm();
    assert!(switch.fire(Stopped::Drain));
    assert!(!switch.fire(Stopped::Deadline), "the first reason stays");
    assert_eq!(switch.stopped(), Some(Stopped::Drain));
    assert_eq!(switch.disarm().unwrap_err().why, Stopped::Drain);
}

#[test]
fn a_disarmed_switch_does_not_fire() {
    let (interrupt, calls) = counting();
    let switch = Switch::new(true);
    switch.arm();
    switch.watch(&interrupt).unwrap();
    switch.disarm().unwrap();
    assert!(!switch.fire(Stopped::Deadline), "it commits");
    assert!(!switch.client_gone());
    assert_eq!(switch.stopped(), None);
    assert_eq!(calls.load(SeqCst), 0);
}

#[test]
fn a_stop_before_a_transaction_ends_it_at_its_beginning() {
    for why in Stopped::ALL {
        let switch = Switch::new(false);
        assert!(!switch.fire(why), "there is nothing to stop yet");
        assert_eq!(switch.stopped(), None);
        switch.arm();
        assert_eq!(switch.watch(&Interrupt::flag()), Err(why));
        assert_eq!(switch.disarm().unwrap_err().why, why);
    }
}

#[test]
fn a_flag_is_set_for_its_transaction_only() {
    let interrupt = Interrupt::flag();
    assert!(!interrupt.is_set(), "no transaction");
    let switch = Switch::new(false);
    switch.arm();
    switch.watch(&interrupt).unwrap();
    assert!(!interrupt.is_set());
    switch.fire(Stopped::Deadline);
    assert!(interrupt.is_set());
    let fired = switch.disarm().unwrap_err();
    assert!(!fired.may_be_late, "a flag never is");
    assert!(!interrupt.is_set(), "rolling back is not stopped");

    let next = Switch::new(false);
    next.arm();
    next.watch(&interrupt).unwrap();
    assert!(!interrupt.is_set(), "cleared");
}

/// The thread that fires has decided, but makes its call only when the next transaction is running.
#[test]
fn a_flag_set_late_is_not_that_of_the_next_transaction() {
    let interrupt = Interrupt::flag();
    let first = interrupt.begin();
    interrupt.end();
    let second = interrupt.begin();
    interrupt.stop(first);
    assert!(!interrupt.is_set());
    interrupt.stop(second);
    interrupt.stop(first);
    assert!(interrupt.is_set(), "a late call takes nothing away");
}

#[test]
fn a_call_may_be_late() {
    let (interrupt, calls) = counting();
    let switch = Switch::new(false);
    switch.arm();
    switch.watch(&interrupt).unwrap();
    switch.fire(Stopped::Deadline);
    assert_eq!(calls.load(SeqCst), 1);
    assert!(switch.disarm().unwrap_err().may_be_late);
    assert!(
        !switch.disarm().unwrap_err().may_be_late,
        "the next connection of the job is not that one"
    );
}

#[test]
fn an_interrupt_that_panics_still_stops_the_transaction() {
    let switch = Switch::new(false);
    switch.arm();
    let interrupt = Interrupt::call(|| std::panic::resume_unwind(Box::new("in the call")));
    switch.watch(&interrupt).unwrap();
    assert!(switch.fire(Stopped::Drain));
    assert_eq!(switch.stopped(), Some(Stopped::Drain));
}

#[test]
fn only_what_ends_with_its_client_is_stopped_by_it() {
    let switch = Switch::new(false);
    switch.arm();
    assert!(!switch.client_gone());
    let switch = Switch::new(true);
    switch.arm();
    switch.outlives_client();
    assert!(!switch.client_gone(), "it writes");
    let switch = Switch::new(true);
    switch.arm();
    assert!(switch.client_gone());
}

#[test]
fn a_switch_fired_without_a_connection_stops_the_first_connection() {
    for interrupt in [Interrupt::flag(), counting().0] {
        let switch = Switch::new(false);
        switch.arm();
        assert!(switch.fire(Stopped::Deadline));
        assert_eq!(switch.watch(&interrupt), Err(Stopped::Deadline));
        assert!(!interrupt.is_set(), "nothing of it runs there");
        let fired = switch.disarm().unwrap_err();
        assert_eq!(fired.why, Stopped::Deadline);
        assert!(!fired.may_be_late, "no call was made");
    }
}

/// The first of the two decides, and both sides see the same result.
#[test]
fn a_switch_is_never_both_fired_and_disarmed() {
    let mut fired_first = 0;
    let mut rounds = 0;
    // The order depends on the machine. Over all rounds, each side must have been first.
    while rounds < 2_000 || fired_first == 0 || fired_first == rounds {
        assert!(rounds < 1_000_000, "one is always first: {fired_first}");
        let switch = Switch::new(false);
        let interrupt = Interrupt::flag();
        switch.arm();
        switch.watch(&interrupt).unwrap();
        let start = Barrier::new(2);
        let (fired, disarmed) = std::thread::scope(|scope| {
            let firing = scope.spawn(|| {
                start.wait();
                switch.fire(Stopped::Deadline)
            });
            start.wait();
            let disarmed = switch.disarm().is_ok();
            (firing.join().unwrap(), disarmed)
        });
        assert_ne!(fired, disarmed);
        assert!(!interrupt.is_set());
        fired_first += usize::from(fired);
        rounds += 1;
    }
}
