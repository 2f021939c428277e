//! Tests of refusals, which even clients that are still sending can read.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;

use super::*;
use crate::ServerBook;

fn app() -> Router {
    let length = |body: String| async move { body.len().to_string() };
    Router::new()
        .route("/", post(length))
        .layer(DefaultBodyLimit::max(1 << 20))
}

/// The client sends 8 MiB with a limit of 1 MiB, which is as much as it may send before it reads.
#[tokio::test]
async fn a_peer_whose_upload_is_refused_can_read_the_reason() {
    let site = Site::start(Server::new(), app()).await;
    let length = 8 << 20;
    for _ in 0..20 {
        let mut peer = site.peer().await;
        peer.send(format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
        peer.send(vec![b'x'; length]).await;
        let (head, _) = peer.response().await;
        assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
        let rest = within(peer.client.read_to_end()).await;
        assert_eq!(rest.unwrap(), b"", "an end, not a reset");
    }
    site.all_closed().await;
    assert_eq!(site.closed(), "finished 20");
    site.end().await;
}

#[tokio::test]
async fn a_refused_peer_that_never_stops_sending_is_closed() {
    let site = Site::start(Server::new(), app()).await;
    let mut peer = site.peer().await;
    peer.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let chunk = [b"10000\r\n", vec![b'x'; 1 << 16].as_slice(), b"\r\n"].concat();
    let mut sent = 0;
    while within(peer.stream().write_all(&chunk)).await.is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 128 << 20, "{sent}");
    site.all_closed().await;
    site.end().await;
}

#[tokio::test]
async fn ambiguous_heads_are_answered_400_and_closed() {
    let site = Site::start(Server::new(), app()).await;
    let heads = [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx_forwarded_for: 192.0.2.1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\
            transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET * HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n",
        // hyper refuses this request.
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GE(T / HTTP/1.1\r\nhost: a\r\n\r\n",
    ];
    for head in heads {
        let mut peer = site.peer().await;
        // The following bytes are not read as a request.
        peer.send(format!("{head}GET / HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        let answer = String::from_utf8(peer.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answer}");
    }
    site.all_closed().await;
    assert_eq!(site.closed(), format!("malformed {}", heads.len()));
    assert_eq!(
        site.ledger.of::<ServerBook>().requests_refused.get(),
        heads.len() as u64
    );
    site.end().await;
}

#[tokio::test]
async fn unknown_transfer_coding_is_answered_501_and_closed() {
    let site = Site::start(Server::new(), app()).await;
    for codings in [
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked",
    ] {
        let mut peer = site.peer().await;
        peer.send(format!(
            "POST / HTTP/1.1\r\nhost: a\r\n{codings}\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\
                \r\n"
        ))
        .await;
        let answer = String::from_utf8(peer.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 501 "), "{codings}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{codings}: {answer}"
        );
    }
    site.all_closed().await;
    assert_eq!(site.closed(), "malformed 2");
    site.end().await;
}

/// The longer targets fill the whole buffer, so hyper never sees the end of their line.
#[tokio::test]
async fn target_that_is_too_long_is_answered_414() {
    let site = Site::start(Server::new(), app()).await;
    let mut targets = 0;
    for length in [(32 << 10) + 1, 65_000, 70_000, 200_000] {
        let target = "x".repeat(length - 1);
        for before in ["", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
            targets += 1;
            let mut peer = site.peer().await;
            if !before.is_empty() {
                peer.send(before).await;
                assert!(peer.head().await.starts_with("HTTP/1.1 405 "));
            }
            // The server may answer before it has read the whole request.
            let head = format!("GET /{target} HTTP/1.1\r\nhost: a\r\n\r\n");
            let _ = within(peer.stream().write_all(head.as_bytes())).await;
            let answer = String::from_utf8(peer.rest().await).unwrap();
            assert!(answer.starts_with("HTTP/1.1 414 "), "{length}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{length}: {answer}");
        }
    }
    site.all_closed().await;
    assert_eq!(site.closed(), format!("head_too_large {targets}"));
    assert_eq!(
        site.ledger.of::<ServerBook>().requests_refused.get(),
        targets
    );
    site.end().await;
}

/// These bytes have no line ends, just like a long target.
#[tokio::test]
async fn rest_of_a_refused_body_is_not_mistaken_for_a_long_target() {
    let site = Site::start(Server::new(), app()).await;
    let mut peer = site.peer().await;
    let length = 4 << 20;
    let half = vec![b'x'; length / 2];
    peer.send(format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"
    ))
    .await;
    peer.send(&half).await;
    let (head, _) = peer.response().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    let _ = within(peer.stream().write_all(&half)).await;
    let rest = String::from_utf8(peer.rest().await).unwrap();
    assert!(!rest.contains("HTTP/1.1 "), "{rest}");
    site.all_closed().await;
    assert_eq!(site.closed(), "finished 1");
    site.end().await;
}

/// hyper uses the coding and ignores the length, in whatever order they are sent.
#[tokio::test]
async fn length_beside_a_coding_is_forgotten_and_the_socket_closed() {
    let site = Site::start(Server::new(), app()).await;
    for fields in [
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 3",
    ] {
        let mut peer = site.peer().await;
        peer.send(format!(
            "POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ))
        .await;
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let answer = String::from_utf8(peer.rest().await).unwrap();
        assert!(
            answer.ends_with("\r\n\r\n5") && answer.matches("HTTP/1.1 ").count() == 1,
            "{answer}"
        );
    }
    site.end().await;
}
