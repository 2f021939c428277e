//! The counter: whatever the mode and however many at a time, the sum is exact.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use euryale::publisher::ConflictBook;
use euryale_test::RawClient;

use super::{Site, header};
use crate::demo::COUNTER;

const MODES: [(&str, &str); 6] = [
    ("POST", "/@@counter"),
    ("POST", "/@@counter?mode=wrapped"),
    ("POST", "/@@counter?mode=boxed"),
    ("GET", "/@@counter?mode=late"),
    ("GET", "/@@counter?mode=wrapped"),
    ("GET", "/@@counter?mode=boxed"),
];

async fn ask(peer: &mut RawClient, method: &str, path: &str) -> euryale_test::Answer {
    if method == "POST" {
        peer.post(path, b"").await.unwrap()
    } else {
        peer.get(path).await.unwrap()
    }
}

async fn number(site: &Site) -> usize {
    site.get("/@@counter").await.text().trim().parse().unwrap()
}

/// 32 tasks send 200 requests in all. Returns how many ended with each status.
async fn storm(site: &Site, method: &'static str, path: &'static str) -> HashMap<u16, usize> {
    let sent = Arc::new(AtomicUsize::new(0));
    let tasks = (0..32).map(|_| {
        let sent = Arc::clone(&sent);
        let address = site.address;
        tokio::spawn(async move {
            let mut peer = RawClient::connect(address).await.unwrap();
            let mut ended = Vec::new();
            while sent.fetch_add(1, Ordering::Relaxed) < 200 {
                let answer = ask(&mut peer, method, path).await;
                assert_eq!(
                    answer.status == 503,
                    !header(&answer, "retry-after").is_empty()
                );
                ended.push(answer.status.as_u16());
            }
            ended
        })
    });
    let mut count = HashMap::new();
    for task in tasks.collect::<Vec<_>>() {
        for status in task.await.unwrap() {
            *count.entry(status).or_default() += 1;
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn no_addition_is_lost_and_none_is_made_twice() {
    let site = Site::start(8).await;
    let mut before = 0;
    for (method, path) in MODES {
        let ended = storm(&site, method, path).await;
        let added = ended.get(&200).copied().unwrap_or(0);
        let refused = ended.get(&503).copied().unwrap_or(0);
        let after = number(&site).await;
        assert_eq!(added + refused, 200, "{method} {path}: {ended:?}");
        assert_eq!(after - before, added, "{method} {path}: {ended:?}");
        assert!(added > 0, "{method} {path}: {ended:?}");
        before = after;
    }
    // The late ones read first, eight at a time: some of their snapshots were stale.
    assert!(site.ledger.of::<ConflictBook>().resolved.get() > 0);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_found_in_every_wrapping() {
    let site = Site::start(2).await;
    let other = site.other_program();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (index, (method, path)) in (1..).zip(MODES) {
        let answer = ask(&mut site.peer().await, method, path).await;
        assert_eq!(
            (answer.status.as_u16(), header(&answer, "retry-after")),
            (503, "1"),
            "{method} {path}"
        );
        assert_eq!(site.ledger.of::<ConflictBook>().exhausted.get(), index);
    }
    let by_route = site.ledger.exposition();
    let line = "euryale_conflicts_total{outcome=\"exhausted\",route=\"/@@counter\"} 6\n";
    assert!(by_route.contains(line), "{by_route}");
    assert_eq!(number(&site).await, 0, "readers wait for nobody");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(site.post("/@@counter").await.text(), "1\n");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_gets_a_page_and_counts_with_its_button() {
    let site = Site::start(2).await;
    let page = site.browse("GET", COUNTER).await;
    assert_eq!(header(&page, "cache-control"), "no-store");
    assert_eq!(header(&page, "vary"), "accept");
    let page = page.text();
    for part in [
        "<title>Counter · Euryale</title>",
        "<nav aria-label=\"Sections\">",
        "<p class=\"number\">0</p>",
        "<form class=\"document\" action=\"/@@counter\" method=\"post\">",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let counted = site.browse("POST", COUNTER).await;
    assert_eq!(
        (counted.status.as_u16(), header(&counted, "location")),
        (303, COUNTER)
    );
    let page = site.browse("GET", COUNTER).await.text();
    assert!(page.contains("<p class=\"number\">1</p>"), "{page}");
    assert_eq!(number(&site).await, 1);
    site.end().await;
    let reading = Site::start_with(2, &["--allow-writes=false"]).await;
    let page = reading.browse("GET", COUNTER).await.text();
    assert!(
        page.contains("class=\"number\"") && !page.contains("method=\"post\""),
        "{page}"
    );
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_changes_nothing() {
    let site = Site::start(2).await;
    assert_eq!(number(&site).await, 0);
    assert_eq!(number(&site).await, 0);
    assert_eq!(site.post("/@@counter").await.text(), "1\n");
    assert_eq!(number(&site).await, 1);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn meaningless_values_are_refused() {
    let site = Site::start(2).await;
    let cases = [
        ("GET", "/@@counter?mode=later"),
        ("GET", "/@@counter?mode="),
        ("GET", "/@@counter?mode=late&mode=late"),
        ("POST", "/@@counter?mode=late"),
        ("POST", "/@@counter?mode=%ff"),
        ("GET", "/@@slow?ms="),
        ("GET", "/@@slow?ms=-1"),
        ("GET", "/@@slow?ms=1.5"),
        ("GET", "/@@slow?ms=60001"),
        ("GET", "/@@slow?ms=99999999999999999999"),
        ("GET", "/@@slow?ms=1&ms=1"),
    ];
    for (method, path) in cases {
        let answer = ask(&mut site.peer().await, method, path).await;
        assert_eq!(answer.status, 400, "{method} {path}");
        let problem: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
        assert!(
            problem["detail"].as_str().unwrap().ends_with('.'),
            "{problem}"
        );
    }
    let page = site.browse("GET", "/@@slow?ms=soon").await;
    assert!(
        page.text()
            .contains("<p>The parameter ms must be a whole number"),
        "{}",
        page.text()
    );
    assert_eq!(number(&site).await, 0);
    site.end().await;
}
