//! Several members in this process, each with its own runtime task, at one socket.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use euryale_core::Ledger;
use euryale_core::bus::{Bus, Delivery, Subscription};
use tokio::runtime::Runtime;
use tokio::time::{Duration, timeout};

use crate::{BusBook, HostBus};

const PATIENCE: Duration = Duration::from_secs(30);

async fn next(subscription: &mut Subscription) -> Delivery {
    let next = timeout(PATIENCE, subscription.next()).await;
    next.expect("within 30 s").expect("the bus has not ended")
}

/// Waits for a message, past gaps, and returns whether there was a gap.
async fn arrives(subscription: &mut Subscription, wanted: &str) -> bool {
    let mut has_gap = false;
    loop {
        match next(subscription).await {
            Delivery::Gap => has_gap = true,
            Delivery::Message(message) if message == wanted => return has_gap,
            Delivery::Message(_) => {}
        }
    }
}

/// A member whose process can be killed: with its runtime, all of its tasks end at once.
struct Process {
    runtime: Option<Runtime>,
    bus: HostBus,
    ledger: Ledger,
}

impl Process {
    fn start(socket: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let ledger = Ledger::new();
        let entered = runtime.enter();
        let bus = HostBus::join(socket, &ledger);
        drop(entered);
        Self {
            runtime: Some(runtime),
            bus,
            ledger,
        }
    }

    /// Waits until it has joined: the hub has said so with a gap.
    async fn joined(&self) {
        let book = self.ledger.of::<BusBook>();
        euryale_test::eventually("it joins", || book.gaps.get() > 0).await;
    }

    fn is_hub(&self) -> bool {
        self.ledger.of::<BusBook>().taken_over.get() > 0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[tokio::test]
async fn message_reaches_all_processes_once() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("bus");
    let processes: Vec<Process> = (0..3).map(|_| Process::start(&socket)).collect();
    for process in &processes {
        process.joined().await;
    }
    assert_eq!(
        processes.iter().filter(|process| process.is_hub()).count(),
        1
    );
    let mut subscribed: Vec<Subscription> = processes
        .iter()
        .map(|process| process.bus.subscribe("numbers"))
        .collect();
    for number in 0..300_usize {
        let process = &processes[number % 3];
        process
            .bus
            .publish("numbers", number.to_string().into())
            .unwrap();
        process.bus.publish("other", "x".into()).unwrap();
    }
    for subscription in &mut subscribed {
        let mut numbers = BTreeSet::new();
        let mut last = [None; 3];
        while numbers.len() < 300 {
            let Delivery::Message(message) = next(subscription).await else {
                panic!("a gap, although nothing was lost");
            };
            let number: usize = std::str::from_utf8(&message).unwrap().parse().unwrap();
            assert!(numbers.insert(number), "{number} came twice");
            assert!(last[number % 3] < Some(number), "{number} came too late");
            last[number % 3] = Some(number);
        }
    }
}

#[tokio::test]
async fn another_process_becomes_the_hub_and_all_others_get_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("bus");
    let hub = Process::start(&socket);
    hub.joined().await;
    let others = [Process::start(&socket), Process::start(&socket)];
    for process in &others {
        process.joined().await;
    }
    let mut subscribed = others
        .each_ref()
        .map(|process| process.bus.subscribe("channel"));
    assert!(hub.is_hub());
    drop(hub);
    for subscription in &mut subscribed {
        assert_eq!(next(subscription).await, Delivery::Gap);
    }
    // Messages that are sent while there is no hub arrive, or there is another gap.
    others[0].bus.publish("channel", "here".into()).unwrap();
    loop {
        match next(&mut subscribed[1]).await {
            Delivery::Message(message) if message == "here" => break,
            Delivery::Message(_) | Delivery::Gap => {}
        }
        others[0].bus.publish("channel", "here".into()).unwrap();
    }
    assert_eq!(others.iter().filter(|process| process.is_hub()).count(), 1);
}

#[tokio::test]
async fn killed_process_leaves_a_gap_and_one_that_leaves_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("bus");
    let hub = Process::start(&socket);
    hub.joined().await;
    let watching = Process::start(&socket);
    watching.joined().await;
    let mut subscribed = watching.bus.subscribe("channel");

    let leaving = HostBus::join(&socket, &Ledger::new());
    leaving.publish("channel", "last".into()).unwrap();
    drop(leaving);
    assert!(!arrives(&mut subscribed, "last").await);
    hub.bus.publish("channel", "after".into()).unwrap();
    assert!(
        !arrives(&mut subscribed, "after").await,
        "it said that it leaves"
    );

    let killed = Process::start(&socket);
    killed.joined().await;
    drop(killed);
    assert_eq!(next(&mut subscribed).await, Delivery::Gap);
}

/// Three processes publish numbered messages, and one after the other is killed and started again,
/// whether it is the hub or not. A number that does not arrive has a gap before the next one of the
/// same process.
#[tokio::test(flavor = "multi_thread")]
async fn every_lost_message_has_a_gap() {
    const KILLS: usize = 20;
    const BETWEEN: usize = 50;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("bus");
    let mut next_name = 0;
    let mut start = |socket: &Path| {
        next_name += 1;
        (next_name, 0, Process::start(socket))
    };
    let mut processes: Vec<(usize, usize, Process)> = (0..3).map(|_| start(&socket)).collect();
    for (_, _, process) in &processes {
        process.joined().await;
    }
    let watching = Process::start(&socket);
    watching.joined().await;
    let mut subscribed = watching.bus.subscribe("numbers");
    let seen = tokio::spawn(async move {
        let mut last = BTreeMap::<usize, usize>::new();
        let mut has_gap = BTreeSet::new();
        let mut gaps = 0;
        let mut messages = 0;
        loop {
            match next(&mut subscribed).await {
                Delivery::Gap => {
                    gaps += 1;
                    has_gap.extend(last.keys().copied());
                }
                Delivery::Message(message) if message == "end" => return (messages, gaps),
                Delivery::Message(message) => {
                    let message = std::str::from_utf8(&message).unwrap();
                    let (process, number) = message.split_once(' ').unwrap();
                    let process: usize = process.parse().unwrap();
                    let number: usize = number.parse().unwrap();
                    let had_gap = has_gap.remove(&process);
                    let before = last.insert(process, number);
                    let is_next = before.is_none_or(|before| number == before + 1);
                    assert!(
                        is_next || had_gap,
                        "{before:?} and {number} of process {process}"
                    );
                    messages += 1;
                }
            }
        }
    });
    for kill in 0..KILLS {
        for _ in 0..BETWEEN {
            for (name, number, process) in &mut processes {
                let message = format!("{name} {number}");
                process.bus.publish("numbers", message.into()).unwrap();
                *number += 1;
            }
            tokio::task::yield_now().await;
        }
        // It joins late, while the others publish.
        processes[kill % 3] = start(&socket);
    }
    for (_, _, process) in &processes {
        process.joined().await;
    }
    watching.bus.publish("numbers", "end".into()).unwrap();
    let (messages, gaps) = seen.await.unwrap();
    assert!(messages > 0);
    assert!(gaps >= 1, "{gaps} gaps for {KILLS} kills");
}
