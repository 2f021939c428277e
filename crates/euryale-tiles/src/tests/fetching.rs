//! Tests of the number of tiles that are fetched at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use tokio::time::{Instant, sleep};

use super::{Site, html, tiles};
use crate::Tiles;

/// Composes a page of five tiles that take 100 ms each, on the given number of connections. Returns
/// how long the page took, and how many tiles ran at a time.
async fn five(connections: Option<usize>, tiles: Tiles) -> (Duration, usize) {
    let page: String = (0..5)
        .map(|n| format!("<b data-tile=/t?{n}></b>"))
        .collect();
    let running = Arc::new(AtomicUsize::new(0));
    let peak = Arc::new(AtomicUsize::new(0));
    let view = {
        let running = running.clone();
        let peak = peak.clone();
        move |_| {
            let running = running.clone();
            let peak = peak.clone();
            async move {
                peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(100)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(html("t"))
            }
        }
    };
    let site = Site::new(&page).view("/t", view);
    let mut internal = site.internal();
    if let Some(connections) = connections {
        internal =
            internal.with_room(move || connections.saturating_sub(running.load(Ordering::SeqCst)));
    }
    let began = Instant::now();
    let text = site
        .send_through(tiles, internal, Request::get("/").body(()).unwrap())
        .await
        .1;
    assert_eq!(text, "ttttt");
    (began.elapsed(), peak.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn as_many_tiles_are_fetched_as_there_are_free_connections() {
    let took = |took: Duration, most: u64| {
        took >= Duration::from_millis(most) && took < Duration::from_millis(most + 50)
    };
    for (connections, tiles, most_ms, at_a_time) in [
        (Some(3), tiles(), 200, 3),
        (Some(1), tiles(), 500, 1),
        // No connection is free: one tile waits in the queue like any other request.
        (Some(0), tiles(), 500, 1),
        (Some(10), tiles(), 100, 5),
        (None, tiles(), 100, 5),
        (None, tiles().parallel(2), 300, 2),
        (Some(3), tiles().parallel(0), 500, 1),
    ] {
        let (time, peak) = five(connections, tiles).await;
        assert!(took(time, most_ms), "{connections:?}: {time:?}");
        assert_eq!(peak, at_a_time, "{connections:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn tiles_are_dropped_when_the_client_leaves() {
    let site = Site::new("<b data-tile=/t?1></b><b data-tile=/t?2></b>")
        .view("/t", |_| std::future::pending());
    let request = Request::get("/").body(()).unwrap();
    let sent = tokio::time::timeout(Duration::from_millis(10), site.send(tiles(), request)).await;
    assert!(sent.is_err() && site.asked().len() == 2);
    euryale_test::assert_quiet(&site.ledger).await;
}
