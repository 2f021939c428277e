//! Tests of shared promises.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use euryale_test::eventually;
use tokio::sync::Semaphore;

use super::{Site, say, word};
use crate::{Key, PromiseBook, PromisesExt, RepublishLayer};

const SECOND: Duration = Duration::from_secs(1);
const CALL: Key<u32> = Key::new("call");

/// A remote service that counts its calls, answers when its gate is open, and fails while it is
/// down.
#[derive(Clone)]
struct Upstream {
    calls: Arc<AtomicU32>,
    down: Arc<AtomicU32>,
    open: Arc<Semaphore>,
}

impl Upstream {
    fn new(answers: usize) -> Self {
        Self {
            calls: Arc::default(),
            down: Arc::default(),
            open: Arc::new(Semaphore::new(answers)),
        }
    }

    async fn call(self) -> Result<u32, String> {
        let call = self.calls.fetch_add(1, SeqCst) + 1;
        self.open.acquire().await.unwrap().forget();
        if self.down.load(SeqCst) > 0 {
            Err("down".to_owned())
        } else {
            Ok(call)
        }
    }

    fn calls(&self) -> u32 {
        self.calls.load(SeqCst)
    }
}

/// A site with the paths `/fresh/stale/key`: two times in seconds, and a parameter of the key.
fn site(layer: RepublishLayer, upstream: &Upstream) -> Site {
    let upstream = upstream.clone();
    Site::new(layer, move |request, _| {
        let mut parts = request.uri().path()[1..].split('/');
        let mut seconds = || parts.next().unwrap().parse().map(Duration::from_secs);
        let fresh = seconds()?;
        let stale = seconds()?;
        let promises = request
            .promises()
            .shared(fresh)
            .stale_while_revalidate(stale);
        let upstream = upstream.clone();
        let promised = promises.ask(CALL.with(parts.next().unwrap_or("")), || upstream.call());
        say(format!(
            "{} in pass {}",
            word(promised.ready()?),
            promises.pass()
        ))
    })
}

const MANY: usize = 1_000_000;

#[tokio::test]
async fn a_hundred_requests_share_one_call() {
    let upstream = Upstream::new(0);
    let site = site(RepublishLayer::new(), &upstream);
    let requests: Vec<_> = (0..100)
        .map(|_| {
            let site = site.clone();
            tokio::spawn(async move { site.text("/60/0").await })
        })
        .collect();
    eventually("all wait", || {
        site.ledger().of::<PromiseBook>().suspended.get() == 100
    })
    .await;
    eventually("one calls", || upstream.calls() == 1).await;
    assert_eq!(site.ledger().of::<PromiseBook>().running.get(), 1);
    upstream.open.add_permits(MANY);
    for request in requests {
        assert_eq!(request.await.unwrap(), "1 in pass 2");
    }
    assert_eq!(
        site.text("/60/0").await,
        "1 in pass 1",
        "there already: no second pass"
    );
    assert_eq!(upstream.calls(), 1);
    let promises = &site.ledger().of::<PromiseBook>();
    assert_eq!((promises.ok.get(), promises.shared.get()), (1, 100));
    site.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_value_expires_after_its_time() {
    let upstream = Upstream::new(MANY);
    let site = site(RepublishLayer::new(), &upstream);
    assert_eq!(site.text("/60/0").await, "1 in pass 2");
    tokio::time::advance(59 * SECOND).await;
    assert_eq!(site.text("/60/0").await, "1 in pass 1");
    assert_eq!(site.text("/60/0/other").await, "2 in pass 2", "another key");
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(site.text("/60/0").await, "3 in pass 2");
    // If the time is zero, only the flight is shared.
    assert_eq!(site.text("/0/0/none").await, "4 in pass 2");
    assert_eq!(site.text("/0/0/none").await, "5 in pass 2");
    site.quiet().await;
}

#[tokio::test]
async fn an_error_is_shared_by_waiting_requests_and_not_kept() {
    let upstream = Upstream::new(0);
    upstream.down.store(1, SeqCst);
    let site = site(RepublishLayer::new(), &upstream);
    let requests: Vec<_> = (0..10)
        .map(|_| {
            let site = site.clone();
            tokio::spawn(async move { site.text("/60/0").await })
        })
        .collect();
    eventually("all wait", || {
        site.ledger().of::<PromiseBook>().suspended.get() == 10
    })
    .await;
    upstream.open.add_permits(MANY);
    for request in requests {
        assert_eq!(request.await.unwrap(), "a promise failed: down in pass 2");
    }
    assert_eq!(upstream.calls(), 1);
    assert_eq!(site.text("/60/0").await, "a promise failed: down in pass 2");
    assert_eq!(upstream.calls(), 2, "it is tried again");
    upstream.down.store(0, SeqCst);
    assert_eq!(site.text("/60/0").await, "3 in pass 2");
    site.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_error_is_kept_for_a_shorter_time() {
    let upstream = Upstream::new(MANY);
    upstream.down.store(1, SeqCst);
    let site = site(RepublishLayer::new().error_ttl(2 * SECOND), &upstream);
    assert_eq!(site.text("/60/0").await, "a promise failed: down in pass 2");
    tokio::time::advance(SECOND).await;
    assert_eq!(site.text("/60/0").await, "a promise failed: down in pass 1");
    assert_eq!(upstream.calls(), 1);
    tokio::time::advance(2 * SECOND).await;
    upstream.down.store(0, SeqCst);
    assert_eq!(site.text("/60/0").await, "2 in pass 2");
    site.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_served_while_one_promise_refreshes_it() {
    let upstream = Upstream::new(1);
    let site = site(
        RepublishLayer::new().promise_deadline(1000 * SECOND),
        &upstream,
    );
    assert_eq!(site.text("/10/60").await, "1 in pass 2");
    tokio::time::advance(11 * SECOND).await;
    for _ in 0..3 {
        assert_eq!(site.text("/10/60").await, "1 in pass 1");
    }
    eventually("one refreshes", || upstream.calls() == 2).await;
    upstream.open.add_permits(1);
    site.quiet().await;
    assert_eq!(site.text("/10/60").await, "2 in pass 1");
    // While the service is down, the old value stays, and the next refresh is tried after the time
    // of an error.
    upstream.open.add_permits(MANY);
    upstream.down.store(1, SeqCst);
    tokio::time::advance(11 * SECOND).await;
    for _ in 0..3 {
        assert_eq!(site.text("/10/60").await, "2 in pass 1");
        eventually("it failed", || upstream.calls() == 3).await;
        site.quiet().await;
    }
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(site.text("/10/60").await, "2 in pass 1");
    eventually("tried again", || upstream.calls() == 4).await;
    site.quiet().await;
    tokio::time::advance(60 * SECOND).await;
    assert_eq!(
        site.text("/10/60").await,
        "a promise failed: down in pass 2",
        "too old by now"
    );
    site.quiet().await;
}

#[tokio::test]
async fn the_first_request_may_leave_and_the_last_one_cancels_the_promise() {
    let upstream = Upstream::new(0);
    let site = site(RepublishLayer::new(), &upstream);
    let ask = || {
        let site = site.clone();
        tokio::spawn(async move { site.text("/60/0").await })
    };
    let first = ask();
    eventually("it calls", || upstream.calls() == 1).await;
    let second = ask();
    eventually("two wait", || {
        site.ledger().of::<PromiseBook>().suspended.get() == 2
    })
    .await;
    first.abort();
    eventually("one waits", || {
        site.ledger().of::<PromiseBook>().suspended.get() == 1
    })
    .await;
    assert_eq!(
        site.ledger().of::<PromiseBook>().running.get(),
        1,
        "somebody still waits"
    );
    upstream.open.add_permits(1);
    assert_eq!(second.await.unwrap(), "1 in pass 2");
    let third = {
        let site = site.clone();
        tokio::spawn(async move { site.text("/60/0/another").await })
    };
    eventually("it calls", || upstream.calls() == 2).await;
    third.abort();
    site.quiet().await;
    assert_eq!(
        site.ledger().of::<PromiseBook>().cancelled.get(),
        1,
        "nobody waits any more"
    );
}

#[tokio::test]
async fn the_number_of_values_is_bounded() {
    let upstream = Upstream::new(MANY);
    let site = site(RepublishLayer::new().shared_values(8), &upstream);
    assert_eq!(site.text("/60/0/kept").await, "1 in pass 2");
    for number in 0..20 {
        assert_eq!(
            site.text(&format!("/60/0/{number}")).await,
            format!("{} in pass 2", number + 2)
        );
        assert_eq!(
            site.text("/60/0/kept").await,
            "1 in pass 1",
            "used all the time"
        );
    }
    assert_eq!(site.text("/60/0/19").await, "21 in pass 1");
    assert_eq!(
        site.text("/60/0/0").await,
        "22 in pass 2",
        "not used for long"
    );
    site.quiet().await;
}

/// The path has the size of a value in bytes; a hundred bytes may be kept.
#[tokio::test]
async fn the_weight_of_values_is_bounded() {
    const TEXT: Key<String> = Key::new("text").weighed(|text| match text.as_str() {
        "0" => std::panic::resume_unwind(Box::new("as scripted")),
        text => text.parse().unwrap(),
    });
    let site = Site::new(RepublishLayer::new().shared_weight(100), |request, _| {
        let weight = request.uri().path()[1..].to_owned();
        let promises = request.promises().shared(60 * SECOND);
        let promised = promises.ask(TEXT.with(&weight), || async { Ok::<_, Infallible>(weight) });
        say(format!(
            "{} in pass {}",
            promised.ready()??,
            promises.pass()
        ))
    });
    let in_pass = async |weight: u32, pass: u32| {
        assert_eq!(
            site.text(&format!("/{weight}")).await,
            format!("{weight} in pass {pass}")
        );
    };
    for weight in [40, 30, 29] {
        in_pass(weight, 2).await;
    }
    in_pass(40, 1).await;
    in_pass(20, 2).await;
    in_pass(40, 1).await;
    in_pass(29, 1).await;
    in_pass(30, 2).await;
    in_pass(20, 2).await;
    for weight in [101, 0] {
        in_pass(weight, 2).await;
        in_pass(weight, 2).await;
    }
    in_pass(20, 1).await;
    site.quiet().await;
}

/// A promise that is shared only while it runs is cancelled with its requests.
#[tokio::test]
async fn a_value_that_cannot_be_found_any_more_is_not_kept() {
    let made = Arc::new(());
    let alive = Arc::downgrade(&made);
    let site = Site::new(RepublishLayer::new(), {
        let made = std::sync::Mutex::new(Some(made));
        move |request, _| {
            let promises = request.promises().shared(Duration::ZERO);
            let made = made.lock().unwrap().take();
            let promised = promises.ask("made", || async { Ok::<_, Infallible>(made) });
            say(format!(
                "{} in pass {}",
                promised.ready()??.is_some(),
                promises.pass()
            ))
        }
    });
    assert_eq!(site.text("/").await, "true in pass 2");
    assert_eq!(alive.strong_count(), 0);
    site.quiet().await;
}

/// All passes of a request see the same value, however short its time is.
#[tokio::test(start_paused = true)]
async fn a_request_sees_one_value_in_all_passes() {
    let calls = Arc::new(AtomicU32::new(0));
    let site = Site::new(RepublishLayer::new(), {
        let calls = Arc::clone(&calls);
        move |request, _| {
            let promises = request.promises();
            let calls = Arc::clone(&calls);
            let call = move || async move { Ok::<_, Infallible>(calls.fetch_add(1, SeqCst)) };
            let shared = promises.shared(SECOND).ask(CALL, call);
            let promises = request.promises();
            let slow = promises.ask("slow", || async {
                tokio::time::sleep(5 * SECOND).await;
                Ok::<_, Infallible>(())
            });
            slow.ready()??;
            say(format!("{} in pass {}", shared.ready()??, promises.pass()))
        }
    });
    assert_eq!(site.text("/").await, "0 in pass 2");
    assert_eq!(site.text("/").await, "1 in pass 2");
    site.quiet().await;
}
