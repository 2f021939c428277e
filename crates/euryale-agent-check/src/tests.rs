use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use euryale_core::pool::PoolControl;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::{AgentCheck, Answer, Load, Resume, Standing};

const FREE: Load = Load {
    standing: Standing::Ready,
    workers: 4,
    busy: 0,
    stuck: 0,
    last_taken: Duration::ZERO,
    queued: 0,
    oldest_wait: Duration::ZERO,
    capacity: 300,
};
const PATIENCE: Duration = Duration::from_secs(2);

#[test]
fn loads_are_added_up_and_a_missing_process_lowers_the_weight() {
    let loaded = |busy, wait| {
        let load = Load {
            busy,
            queued: 1,
            oldest_wait: Duration::from_millis(wait),
            ..FREE
        };
        load.report()
    };
    let both = Load::of_processes([loaded(1, 0), loaded(3, 30)], 2);
    assert_eq!((both.workers, both.busy, both.capacity), (8, 4, 600));
    assert_eq!(both.oldest_wait, Duration::from_millis(30));
    let half = Load::of_processes([FREE.report()], 2);
    let answer = Answer::of(&half, PATIENCE);
    assert_eq!(answer.to_string(), "up ready 50% maxconn:300");
    let draining = Load {
        standing: Standing::Draining,
        ..FREE
    };
    for reports in [vec![draining.report()], vec!["{".to_owned()], Vec::new()] {
        assert_eq!(Load::of_processes(reports, 2).standing, Standing::Down);
    }
    assert_eq!(Load::of_processes([FREE.report()], 1), FREE);
}

#[test]
fn the_weight_follows_from_the_load() {
    let waited = |ms| Duration::from_millis(ms);
    let busy = Load { busy: 4, ..FREE };
    for (load, expected) in [
        (FREE, "up ready 100% maxconn:300"),
        (Load { busy: 1, ..FREE }, "up ready 87% maxconn:300"),
        // Busy with short requests: at every moment one of them is about to end.
        (busy, "up ready 50% maxconn:300"),
        (
            Load {
                last_taken: waited(99),
                queued: 2,
                oldest_wait: waited(0),
                ..busy
            },
            "up ready 50% maxconn:300",
        ),
        // Full: no worker has become free for a while, or the oldest request has waited for as
        // long.
        (
            Load {
                last_taken: waited(100),
                ..busy
            },
            "up ready 1% maxconn:300",
        ),
        (
            Load {
                queued: 2,
                oldest_wait: waited(100),
                ..busy
            },
            "up ready 1% maxconn:300",
        ),
        // A lane is full, but there are free workers for other requests.
        (
            Load {
                busy: 2,
                last_taken: waited(9000),
                queued: 2,
                oldest_wait: waited(1000),
                ..FREE
            },
            "up ready 47% maxconn:300",
        ),
        (
            Load {
                busy: 2,
                queued: 90,
                oldest_wait: waited(60_000),
                ..FREE
            },
            "up ready 18% maxconn:300",
        ),
        (
            Load {
                busy: 2,
                stuck: 2,
                ..FREE
            },
            "up ready 50% maxconn:300",
        ),
        (
            Load {
                busy: 4,
                stuck: 3,
                ..FREE
            },
            "up ready 12% maxconn:300",
        ),
        (
            Load {
                busy: 4,
                stuck: 4,
                ..FREE
            },
            "down #every worker is stuck",
        ),
        (
            Load {
                standing: Standing::Down,
                ..FREE
            },
            "down #not ready",
        ),
        (
            Load {
                standing: Standing::Draining,
                busy: 4,
                stuck: 4,
                ..FREE
            },
            "drain",
        ),
        (
            Load {
                standing: Standing::Maintenance,
                ..FREE
            },
            "maint",
        ),
        // No request is waiting, so the reported wait does not count.
        (
            Load {
                oldest_wait: waited(9000),
                ..FREE
            },
            "up ready 100% maxconn:300",
        ),
    ] {
        assert_eq!(
            Answer::of(&load, PATIENCE).to_string(),
            expected,
            "{load:?}"
        );
    }
}

proptest! {
    /// The weight never rises when anything about the load gets worse.
    #[test]
    fn a_worse_load_never_has_a_greater_weight(
        workers in 1..200_usize, busy in 0..200_usize, stuck in 0..200_usize,
        queued in 0..5000_usize, ms in 0..10_000_u64, taken in 0..200_u64,
    ) {
        let (busy, stuck) = (busy.min(workers), stuck.min(busy.min(workers)));
        let load = Load {
            standing: Standing::Ready,
            workers,
            busy,
            stuck,
            last_taken: Duration::from_millis(taken),
            queued,
            oldest_wait: Duration::from_millis(ms),
            capacity: 300,
        };
        let worth = |load: &Load| match Answer::of(load, PATIENCE) {
            Answer::Up { weight, maxconn } => {
                assert!((1..=100).contains(&weight) && maxconn == 300);
                (weight, maxconn)
            }
            _ => (0, 0),
        };
        let here = worth(&load);
        for worse in [
            Load { busy: (busy + 1).min(workers), ..load },
            Load { busy: (busy + 1).min(workers), stuck: (stuck + 1).min(workers), ..load },
            Load { queued: queued + 1, ..load },
            Load { last_taken: load.last_taken * 2, ..load },
            Load { oldest_wait: load.oldest_wait * 2, ..load },
        ] {
            let there = worth(&worse);
            prop_assert!(there.0 <= here.0 && there.1 <= here.1, "{load:?} {here:?} {worse:?} \
                {there:?}");
        }
    }
}

async fn check(address: std::net::SocketAddr) -> String {
    let mut line = String::new();
    TcpStream::connect(address)
        .await
        .unwrap()
        .read_to_string(&mut line)
        .await
        .unwrap();
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_is_answered_with_one_line() {
    let busy = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&busy);
    let agent = AgentCheck::asking(move || Load {
        busy: now.load(Ordering::Relaxed),
        ..FREE
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(agent.serve(listener));
    assert_eq!(check(address).await, "up ready 100% maxconn:300\n");
    busy.store(4, Ordering::Relaxed);
    assert_eq!(check(address).await, "up ready 50% maxconn:300\n");
    // Peers that read nothing do not delay others, even if there are more of them than the limit.
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let asked = Instant::now();
    while check(address).await.is_empty() {
        assert!(asked.elapsed() < Duration::from_secs(10));
    }
    serving.abort();
}

/// Checks a load at the interval of a balancer, every 250 ms.
#[tokio::test(start_paused = true)]
async fn a_full_node_does_not_flap() {
    let now = Arc::new(Mutex::new(FREE));
    let load = Arc::clone(&now);
    let agent = AgentCheck::asking(move || *load.lock().unwrap());
    let clone = agent.clone();
    let told = async |load| {
        *now.lock().unwrap() = load;
        tokio::time::advance(Duration::from_millis(250)).await;
        // Clones share the state, for example the clone that makes the report for other balancers.
        assert_eq!(agent.answer(), clone.answer());
        let Answer::Up { weight, maxconn } = agent.answer() else {
            panic!("it is up");
        };
        assert_eq!(maxconn, 300);
        weight
    };
    let busy = Load { busy: 4, ..FREE };
    let full = Load {
        last_taken: Duration::from_secs(1),
        ..busy
    };
    let one_free = Load { busy: 3, ..FREE };
    // Short requests: every worker happens to be busy, and none of them for long.
    for _ in 0..8 {
        assert_eq!(told(busy).await, 50);
        assert_eq!(told(FREE).await, 100);
    }
    assert_eq!(told(full).await, 1);
    // Long requests end one after the other, and waiting ones take their workers at once.
    for _ in 0..8 {
        assert_eq!(told(busy).await, 1);
        assert_eq!(told(one_free).await, 1);
    }
    // A worker has been free at every check for half a second.
    assert_eq!(told(busy).await, 1);
    assert_eq!(told(one_free).await, 1);
    assert_eq!(told(one_free).await, 62);
    assert_eq!(told(busy).await, 50);
    assert_eq!(told(FREE).await, 100);
}

#[tokio::test(start_paused = true)]
async fn earlier_requests_decay_in_a_resume() {
    let resume = Resume::new().half_life(Duration::from_secs(10));
    assert_eq!(resume.classes_json(), "{}");
    for _ in 0..4 {
        resume.record("read", Duration::from_millis(250));
    }
    resume.record("\"w\\\n", Duration::from_secs(2));
    let read = |json: String| serde_json::from_str::<Value>(&json).unwrap();
    let fresh = json!({
        "\"w\\\n": {"per_second": 0.069, "skill": 0.5, "weight": 1.0},
        "read": {"per_second": 0.277, "skill": 4.0, "weight": 4.0},
    });
    assert_eq!(read(resume.classes_json()), fresh);
    tokio::time::advance(Duration::from_secs(10)).await;
    // The skill of earlier requests does not change; it only counts less against new requests.
    let faded = json!({"per_second": 0.139, "skill": 4.0, "weight": 2.0});
    assert_eq!(read(resume.classes_json())["read"], faded);
    resume.record("read", Duration::from_millis(1500));
    let slower = json!({"per_second": 0.208, "skill": 1.5, "weight": 3.0});
    assert_eq!(read(resume.classes_json())["read"], slower);
    let whole = read(resume.json(Standing::Ready, Answer::of(&FREE, PATIENCE)));
    let expected = json!({
        "standing": "ready", "weight": 100, "maxconn": 300,
        "classes": read(resume.classes_json()),
    });
    assert_eq!(whole, expected);
    for n in 0..1000 {
        resume.record(&n.to_string(), Duration::from_secs(1));
    }
    assert_eq!(
        resume.classes_json().matches("skill").count(),
        65,
        "and the others"
    );
}

#[tokio::test]
async fn the_agent_of_a_pool_reports_its_workers() {
    let pool = euryale_connection::Pool::new((), 2);
    let agent = AgentCheck::new(&pool, 300);
    assert_eq!(agent.answer().to_string(), "up ready 100% maxconn:300");
    let gate = euryale_test::Gate::new();
    let held = gate.clone();
    let job = tokio::spawn(pool.run(move |()| held.wait()));
    euryale_test::eventually("it runs", || gate.waiting() == 1).await;
    assert_eq!(agent.answer().to_string(), "up ready 75% maxconn:300");
    let load = Load::of(&pool.status(), Duration::ZERO);
    assert_eq!((load.busy, load.stuck), (1, 1), "at once, for this bound");
    gate.open();
    job.await.unwrap().unwrap();
    pool.close(Duration::from_secs(5)).await.unwrap();
    assert_eq!(agent.answer(), Answer::Drain);
    let down = agent.standing(|| Standing::Down);
    assert_eq!(down.answer(), Answer::Down("not ready"));
    euryale_test::assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn the_agent_accepts_a_pool_that_is_chosen_at_run_time() {
    for (has_database, workers) in [(false, 2), (true, 4)] {
        let pool: Arc<dyn PoolControl> = if has_database {
            let database = euryale_test::CountingDatabase::new();
            Arc::new(euryale_connection::Pool::new(database, workers))
        } else {
            Arc::new(euryale_connection::Pool::new((), workers))
        };
        let agent = AgentCheck::new(&pool, 300);
        assert_eq!(Load::of(&pool.status(), PATIENCE).workers, workers);
        assert_eq!(agent.answer().to_string(), "up ready 100% maxconn:300");
        pool.close(Duration::from_secs(5)).await.unwrap();
        assert_eq!(agent.answer(), Answer::Drain);
        euryale_test::assert_quiet(pool.ledger()).await;
    }
}
