use euryale_test::Log;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn record(slowest: &Slowest, seconds: u32, now: Instant) -> bool {
    let mut was_asked = false;
    slowest.record(seconds * SECOND, now, || {
        was_asked = true;
        SlowRequest {
            method: Method::GET,
            route: None,
            status: None,
            took: seconds * SECOND,
            sending: Duration::ZERO,
            stages: [SECOND; Stage::ALL.len()],
            publications: 1,
            at: now,
        }
    });
    was_asked
}

fn seconds(slowest: &Slowest, now: Instant) -> Vec<u64> {
    slowest
        .list_at(now)
        .iter()
        .map(|ended| ended.took.as_secs())
        .collect()
}

#[test]
fn the_ten_slowest_are_kept_and_others_cost_nothing() {
    let slowest = Slowest::new();
    let now = Instant::now();
    assert!((1..=20).all(|took| record(&slowest, took, now)));
    assert_eq!(seconds(&slowest, now), (11..=20).rev().collect::<Vec<_>>());
    assert!(
        !record(&slowest, 10, now) && !record(&slowest, 11, now),
        "not even the lock"
    );
    assert!(record(&slowest, 12, now));
    assert_eq!(seconds(&slowest, now)[8..], [12, 12]);
}

#[test]
fn newer_requests_are_listed_once_a_very_slow_one_expires() {
    let slowest = Slowest::new();
    let begin = Instant::now();
    (0..10).for_each(|_| assert!(record(&slowest, 100, begin)));
    let at = |minutes: u32| begin + minutes * 60 * SECOND;
    // As long as these are listed, others are kept but not listed.
    for minute in 1..5 {
        assert!(record(&slowest, minute, at(minute)));
        assert_eq!(seconds(&slowest, at(minute)), [100; 10]);
    }
    assert_eq!(seconds(&slowest, at(5)), [4, 3, 2, 1]);
    assert!(record(&slowest, 1, at(8)));
    assert_eq!(seconds(&slowest, at(8)), [4, 1]);
    for minute in 9..100 {
        record(&slowest, 1, at(minute));
    }
    assert!(slowest.0.steps.lock().unwrap().len() <= 6);
    assert_eq!(seconds(&slowest, at(200)), [0; 0]);
}

#[test]
fn time_outside_all_stages_is_listed_as_elsewhere() {
    let slowest = Slowest::new();
    let now = Instant::now();
    record(&slowest, 9, now);
    record(&slowest, 2, now);
    assert_eq!(slowest.list_at(now)[0].elsewhere(), 5 * SECOND);
    assert_eq!(slowest.list_at(now)[1].elsewhere(), Duration::ZERO);
}

fn end(slowest: &Slowest, route: Option<&str>, now: Instant) {
    slowest.record(SECOND, now, || SlowRequest {
        method: Method::GET,
        route: route.map(Route::new),
        status: Some(StatusCode::OK),
        took: SECOND,
        sending: Duration::ZERO,
        stages: [SECOND / 10; Stage::ALL.len()],
        publications: 1,
        at: now,
    });
}

#[test]
fn a_trace_logs_the_requests_of_its_route_until_its_time_is_over() {
    let (log, _listening) = Log::of_thread();
    let slowest = Slowest::new();
    let now = Instant::now();
    end(&slowest, Some("/a"), now);
    assert_eq!(log.count("request ended"), 0);
    slowest.0.trace.begin(now, 30 * SECOND, Some("/a"));
    end(&slowest, Some("/a"), now + 29 * SECOND);
    end(&slowest, Some("/b"), now + 29 * SECOND);
    end(&slowest, None, now + 29 * SECOND);
    let line = log.text();
    let parts = "route=\"/a\" status=200 took=1s sending=0ns publications=1 stages=reading=100.0ms \
        queued=100.0ms working=100.0ms suspended=100.0ms elsewhere=600.0ms";
    assert!(line.contains(parts), "{line}");
    assert_eq!(log.count("request ended"), 1);
    end(&slowest, Some("/a"), now + 30 * SECOND);
    end(&slowest, Some("/a"), now + 31 * SECOND);
    assert_eq!(log.count("request ended"), 1);
    assert_eq!(log.count("the trace has ended written=1 left_out=0"), 1);
}

#[test]
fn a_trace_under_load_does_not_fill_the_log() {
    let (log, _listening) = Log::of_thread();
    let slowest = Slowest::new();
    let now = Instant::now();
    slowest.0.trace.begin(now, SECOND, None);
    for _ in 0..trace::LINES + 5 {
        end(&slowest, None, now);
    }
    end(&slowest, None, now + SECOND);
    assert_eq!(log.count("request ended"), 1000);
    assert_eq!(log.count("the trace has ended written=1000 left_out=5"), 1);
}
