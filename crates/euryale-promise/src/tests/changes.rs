//! Tests of values that depend on something that changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use euryale_core::bus::Fanout;
use euryale_test::eventually;
use tokio::sync::Semaphore;

use super::{Site, say, word};
use crate::{Changes, Key, PromisesExt, RepublishLayer};

const CALL: Key<u32> = Key::new("call");

/// A site whose values depend on `page:` with their path, except for that of `/free`, and the
/// number of calls. Each call needs a permit.
struct Calls {
    site: Site,
    changes: Changes,
    calls: Arc<AtomicU32>,
    open: Arc<Semaphore>,
}

fn calls(bus: &Fanout, permits: usize) -> Calls {
    let calls = Arc::new(AtomicU32::new(0));
    let open = Arc::new(Semaphore::new(permits));
    let layer = RepublishLayer::new();
    let changes = layer.changes(Arc::new(bus.clone()));
    let site = Site::new(layer, {
        let calls = Arc::clone(&calls);
        let open = Arc::clone(&open);
        move |request, _| {
            let path = request.uri().path();
            let key = CALL.with(path);
            let key = match path {
                "/free" => key,
                _ => key.depends_on(format_args!("page:{path}")),
            };
            let calls = Arc::clone(&calls);
            let open = Arc::clone(&open);
            let hourly = request.promises().shared(Duration::from_secs(3600));
            let promised = hourly.ask(key, || async move {
                let call = calls.fetch_add(1, SeqCst) + 1;
                open.acquire()
                    .await
                    .map(tokio::sync::SemaphorePermit::forget)?;
                Ok::<_, tokio::sync::AcquireError>(call)
            });
            say(word(promised.ready()?))
        }
    });
    Calls {
        site,
        changes,
        calls,
        open,
    }
}

/// Polls until the value of `/a` is this one.
async fn becomes(site: &Site, value: &str) {
    let mut last = String::new();
    for _ in 0..100_000 {
        last = site.text("/a").await;
        if last == value {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the value is {last}, not {value}");
}

#[tokio::test]
async fn value_is_dropped_when_what_it_depends_on_changes() {
    let Calls { site, changes, .. } = calls(&Fanout::new(), 100);
    for (path, value) in [("/a", "1"), ("/b", "2"), ("/free", "3"), ("/a", "1")] {
        assert_eq!(site.text(path).await, value);
    }
    changes.changed("page:/a");
    for (path, value) in [("/a", "4"), ("/b", "2"), ("/free", "3")] {
        assert_eq!(site.text(path).await, value);
    }
    site.quiet().await;
}

#[tokio::test]
async fn change_of_another_process_and_a_gap_drop_values() {
    let bus = Fanout::new();
    let here = calls(&bus, 100);
    let there = calls(&bus, 100);
    let following = tokio::spawn(here.changes.follow());
    assert_eq!(here.site.text("/a").await, "1");
    there.changes.changed("page:/a");
    becomes(&here.site, "2").await;
    assert_eq!(here.site.text("/free").await, "3");
    bus.gap();
    becomes(&here.site, "4").await;
    assert_eq!(here.site.text("/free").await, "3", "it depends on nothing");
    // A name that is too long for a message stands for everything.
    there.changes.changed("x".repeat(100_000));
    becomes(&here.site, "5").await;
    following.abort();
    here.site.quiet().await;
    there.site.quiet().await;
}

#[tokio::test]
async fn value_of_a_promise_that_ran_during_the_change_is_not_kept() {
    let Calls {
        site,
        changes,
        calls,
        open,
    } = calls(&Fanout::new(), 0);
    let ask = |site: &Site| {
        let site = site.clone();
        tokio::spawn(async move { site.text("/a").await })
    };
    let early = ask(&site);
    eventually("the first one calls", || calls.load(SeqCst) == 1).await;
    changes.changed("page:/a");
    let late = ask(&site);
    eventually("a later one calls again", || calls.load(SeqCst) == 2).await;
    open.add_permits(1);
    assert_eq!(early.await.unwrap(), "1");
    open.add_permits(1);
    assert_eq!(late.await.unwrap(), "2");
    assert_eq!(site.text("/a").await, "2", "the later value is kept");
    site.quiet().await;
}
