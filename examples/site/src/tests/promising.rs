//! `/@@promises`, `/@@feed` and the news on the home page.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use euryale::connection::PoolBook;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Site, header};
use crate::demo::feed::is_public;

#[tokio::test(flavor = "multi_thread")]
async fn three_promises_take_two_publications() {
    let site = Site::start(2).await;
    let began = Instant::now();
    let answer = site.get("/@@promises").await;
    let took = began.elapsed();
    let lines: Vec<String> = (1..=3)
        .map(|number| format!("answer 1.{number} took 300 ms\n"))
        .collect();
    assert_eq!(
        answer.text(),
        format!("{}published 2 times\n", lines.concat())
    );
    assert!(
        took >= Duration::from_millis(300) && took <= Duration::from_millis(450),
        "{took:?}"
    );
    assert_eq!(
        header(&answer, "server-timing")
            .matches("answer;dur=3")
            .count(),
        3
    );
    let held = site.ledger.of::<PoolBook>().publishers.seconds.sum();
    assert!(
        held < Duration::from_millis(20),
        "a worker was held for {held:?}"
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_and_failures() {
    let site = Site::start(1).await;
    let answer = site.get("/@@promises?n=2&ms=1&rounds=3&fail=1").await;
    let failed = "a promise failed: refused elsewhere";
    let rounds = (1..=3)
        .map(|round| format!("answer {round}.1 took 1 ms\nanswer {round}.2: {failed}\n"))
        .collect::<String>();
    assert_eq!(answer.text(), format!("{rounds}published 4 times\n"));
    assert_eq!(site.get("/@@promises?n=1&ms=0&rounds=7").await.status, 200);
    assert_eq!(
        site.get("/@@promises?n=1&ms=0&rounds=8").await.status,
        508,
        "nine passes"
    );
    assert_eq!(site.get("/@@promises?n=17&ms=0").await.status, 508);
    for query in [
        "n=0", "n=101", "ms=-1", "ms=60001", "rounds=0", "fail=2", "n=x", "n=1&n=2",
    ] {
        assert_eq!(
            site.get(&format!("/@@promises?{query}")).await.status,
            400,
            "{query}"
        );
    }
    assert_eq!(site.post("/@@promises").await.status, 405);
    site.end().await;
}

const FEED: &str = r#"<?xml version="1.0"?><rss version="2.0"><channel><title>Far &amp; away</title>
<item><title>One &lt;b&gt;</title><link>http://far.test/1</link>
<pubDate>Sat, 21 Nov 2026 10:00:00 GMT</pubDate></item>
<item><title>Two</title><link>javascript:alert(1)</link></item></channel></rss>"#;

/// Answers as its path says, on an address of this machine, and counts requests.
async fn upstream() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    tokio::spawn(async move {
        loop {
            let (mut peer, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let length = peer.read(&mut request).await?;
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let (status, location, body) = match request.split(' ').nth(1) {
                    Some("/feed") => ("200 OK", String::new(), FEED.to_owned()),
                    Some("/slow") => {
                        tokio::time::sleep(Duration::from_millis(300)).await;
                        ("200 OK", String::new(), FEED.to_owned())
                    }
                    Some("/garbage") => ("200 OK", String::new(), "\0 no feed".to_owned()),
                    Some("/large") => ("200 OK", String::new(), " ".repeat(3 << 20)),
                    Some("/elsewhere") => (
                        "302 Found",
                        "location: http://other.test/feed\r\n".to_owned(),
                        String::new(),
                    ),
                    Some(path) if path.starts_with("/to/") => {
                        let port = path.trim_start_matches("/to/").to_owned();
                        let location = format!("location: http://127.0.0.1:{port}/feed\r\n");
                        ("302 Found", location, String::new())
                    }
                    Some(path) if path.starts_with("/feed?") => {
                        ("200 OK", String::new(), FEED.to_owned())
                    }
                    Some("/moved") => {
                        ("302 Found", "location: /feed\r\n".to_owned(), String::new())
                    }
                    _ => ("404 Not Found", String::new(), String::new()),
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\n{location}content-length: {length}\r\n\
                        connection: close\r\n\r\n"
                );
                peer.write_all((head + &body).as_bytes()).await
            });
        }
    });
    (format!("http://{address}"), calls)
}

fn feed_of(url: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("url", url)
        .finish();
    format!("/@@feed?{query}")
}

/// The flag that lets feeds come from there.
fn from(upstream: &str) -> String {
    upstream.replace("http://", "--private-feed-host=")
}

#[tokio::test(flavor = "multi_thread")]
async fn feed_is_fetched_once_for_all_requests() {
    let (upstream, calls) = upstream().await;
    let site = Site::start_with(2, &[&from(&upstream)]).await;
    let path = feed_of(&format!("{upstream}/slow"));
    let mut requests = Vec::new();
    for _ in 0..50 {
        let mut peer = site.peer().await;
        let path = path.clone();
        requests.push(tokio::spawn(async move { peer.get(&path).await.unwrap() }));
    }
    for request in requests {
        let page = request.await.unwrap();
        assert_eq!(page.status, 200);
        let text = page.text();
        assert!(text.contains("<h1>Far &amp; away</h1>"), "{text}");
        assert!(
            text.contains(
                "<a href=\"http:&#x2f;&#x2f;far.test&#x2f;1\" rel=\"noopener nofollow\">\
                 One &lt;b&gt;</a>"
            ),
            "{text}"
        );
        assert!(
            text.contains("2026-11-21") && text.contains("Two") && !text.contains("javascript:"),
            "{text}"
        );
    }
    assert_eq!(calls.load(SeqCst), 1);
    let attempts = site.ledger.transactions.attempts.get();
    assert_eq!(site.get(&path).await.status, 200);
    assert_eq!(
        site.ledger.transactions.attempts.get(),
        attempts + 1,
        "there already: one pass"
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn feed_that_cannot_be_fetched_is_answered_502() {
    let (upstream, calls) = upstream().await;
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let hosts = format!("{},127.0.0.1,{gone}", from(&upstream));
    let site = Site::start_with(1, &[&hosts]).await;
    for (url, status) in [
        (format!("{upstream}/moved"), 200),
        (format!("{upstream}/missing"), 502),
        (format!("{upstream}/garbage"), 502),
        (format!("{upstream}/large"), 502),
        (format!("{upstream}/elsewhere"), 502),
        (format!("http://{gone}/feed"), 502),
    ] {
        assert_eq!(site.get(&feed_of(&url)).await.status, status, "{url}");
    }
    let called = calls.load(SeqCst);
    for (url, status) in [
        ("http://10.0.0.1/feed", 403),
        ("http://localhost/feed", 403),
        ("http://[::1]/feed", 403),
        ("http://127.1/feed", 502),
        ("https://example.org/feed", 403),
        ("file:///etc/passwd", 400),
        ("feed", 400),
        ("", 400),
    ] {
        assert_eq!(site.get(&feed_of(url)).await.status, status, "{url}");
    }
    assert_eq!(site.get("/@@feed").await.status, 400);
    assert_eq!(calls.load(SeqCst), called);
    site.end().await;
}

/// Otherwise a client that may request a feed could reach any other service on that host.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_ports_of_a_feed_host_are_contacted() {
    let (allowed, _) = upstream().await;
    let (other, calls) = upstream().await;
    let port = other.rsplit(':').next().unwrap();
    let without = Site::start_with(1, &["--private-feed-host=127.0.0.1"]).await;
    let url = feed_of(&format!("{other}/feed"));
    assert_eq!(without.get(&url).await.status, 403);
    without.end().await;
    let site = Site::start_with(1, &[&from(&allowed)]).await;
    assert_eq!(site.get(&url).await.status, 403);
    let redirected = feed_of(&format!("{allowed}/to/{port}"));
    assert_eq!(site.get(&redirected).await.status, 502);
    assert_eq!(calls.load(SeqCst), 0);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_make_a_bounded_number_of_fetches() {
    let (upstream, calls) = upstream().await;
    let site = Site::start_with(2, &[&from(&upstream)]).await;
    let mut refused = 0;
    for query in 0..40 {
        let answer = site
            .get(&feed_of(&format!("{upstream}/feed?{query}")))
            .await;
        match answer.status.as_u16() {
            200 => assert_eq!(refused, 0),
            503 => {
                assert_eq!(header(&answer, "retry-after"), "60");
                refused += 1;
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert_eq!((calls.load(SeqCst), refused), (16, 24));
    // Each admitted feed is still there, whatever follows its #.
    for query in 0..16 {
        let url = feed_of(&format!("{upstream}/feed?{query}#{query}"));
        assert_eq!(site.get(&url).await.status, 200);
    }
    assert_eq!(calls.load(SeqCst), 16);
    let long = feed_of(&format!("{upstream}/feed?{}", "x".repeat(2000)));
    assert_eq!(site.get(&long).await.status, 400);
    site.end().await;
}

/// A listed host may resolve to any address, so its address is checked after it was resolved.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_host_with_a_private_address() {
    let (upstream, calls) = upstream().await;
    let port = upstream.rsplit(':').next().unwrap();
    let hosts = format!("--feed-host=localhost:{port},127.0.0.1:{port}");
    let site = Site::start_with(1, &[&hosts]).await;
    assert_eq!(
        site.get(&feed_of(&format!("http://localhost:{port}/feed")))
            .await
            .status,
        502
    );
    assert_eq!(
        site.get(&feed_of(&format!("{upstream}/feed"))).await.status,
        403
    );
    assert_eq!(calls.load(SeqCst), 0);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn news_on_the_home_page() {
    let (upstream, calls) = upstream().await;
    let flags = |path: &str| [format!("--news={upstream}{path}"), from(&upstream)];
    let site = Site::start_with(2, &flags("/feed").each_ref().map(String::as_str)).await;
    for _ in 0..3 {
        let page = site.get("/").await.text();
        assert!(
            page.contains("<h2 id=\"news\">News</h2>") && page.contains("One &lt;b&gt;"),
            "{page}"
        );
    }
    assert!(!site.get("/guides").await.text().contains("id=\"news\""));
    assert_eq!(calls.load(SeqCst), 1);
    site.end().await;

    let site = Site::start_with(2, &flags("/missing").each_ref().map(String::as_str)).await;
    let page = site.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("There is no news right now."));
    site.end().await;
}

#[test]
fn addresses_of_the_public_internet() {
    for address in [
        "1.1.1.1",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "64:ff9b::101:101",
        "2002:101:101::1",
    ] {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
    for address in [
        "0.0.0.0",
        "10.1.2.3",
        "127.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:db8::1",
        "2001::1",
    ] {
        assert!(!is_public(address.parse().unwrap()), "{address}");
    }
}
