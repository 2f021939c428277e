//! Slow downloads: they hold no worker, and their bytes are those of the file that was opened.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use euryale::connection::PoolBook;
use euryale_sendfile::SendfileBook;
use euryale_server::ServerBook;
use euryale_test::{H2Client, RawClient, assert_quiet, eventually};
use euryale_tests::Site;
use http::HeaderMap;

use super::{LEN, Peer, Sent, content, folder_of, shelf, usual};

/// More than the kernel takes from the server and keeps for a peer that does not read (4 and 6 MiB
/// by Linux's defaults).
const LARGE: usize = 24 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_alive_and_pipelined() {
    let bytes = content(1, LEN);
    let folder = folder_of(&bytes);
    for around in [None, Some(usual as fn(_) -> _)] {
        let site = shelf(folder.path(), around).await;
        let mut peer = Peer::connect(site.address).await;
        for _ in 0..3 {
            peer.ask("").await;
            let (head, body) = peer.answer().await;
            assert_eq!(
                (head.status.as_u16(), head.field("etag")),
                (200, Some("\"file\""))
            );
            assert!(body == bytes);
        }
        // Files, parts of files, and other bodies, all requested at once.
        for _ in 0..8 {
            peer.ask("").await;
            peer.ask("range: bytes=-7\r\n").await;
            peer.ask_for("ping", "").await;
        }
        for _ in 0..8 {
            assert!(peer.answer().await.1 == bytes);
            assert_eq!(peer.answer().await.1, bytes[LEN - 7..]);
            assert_eq!(peer.answer().await.1, b"pong");
        }
        Sent::is(&site, (11 + 8, 11 * LEN + 8 * 7), (0, 0)).await;
        drop(peer);
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2_they_are_read() {
    let bytes = content(1, LEN);
    let folder = folder_of(&bytes);
    for around in [None, Some(usual as fn(_) -> _)] {
        let site = shelf(folder.path(), around).await;
        let mut client = H2Client::connect(site.address).await.unwrap();
        let mut streams = Vec::new();
        for _ in 0..3 {
            let (response, _) = client.open("/file").await.unwrap();
            // All are read at once: they share a window, and one that is not read would keep it
            // from the others.
            streams.push(tokio::spawn(async move {
                let mut stream = response.await.unwrap().into_body();
                let mut body = Vec::new();
                while let Some(data) = stream.data().await {
                    let data = data.unwrap();
                    stream.flow_control().release_capacity(data.len()).unwrap();
                    body.extend_from_slice(&data);
                }
                body
            }));
        }
        for stream in streams {
            assert!(stream.await.unwrap() == bytes);
        }
        Sent::is(&site, (0, 0), (3, 3 * LEN)).await;
        drop(client);
        site.end().await;
    }
}

/// Several parts of a file hold it open as the whole does, and a buffer with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_files_are_counted_as_files_over_http2() {
    let bytes = content(1, LEN);
    let folder = folder_of(&bytes);
    let site = shelf(folder.path(), None).await;
    let mut client = H2Client::connect(site.address).await.unwrap();
    let mut range = HeaderMap::new();
    range.insert("range", "bytes=0-99999,1000000-1099999".parse().unwrap());
    let heads = Arc::new(AtomicUsize::new(0));
    let mut streams = Vec::new();
    for _ in 0..40 {
        let (response, _) = client.open_with("/file", &range).await.unwrap();
        let heads = Arc::clone(&heads);
        streams.push(tokio::spawn(async move {
            let response = response.await.unwrap();
            heads.fetch_add(1, SeqCst);
            response
        }));
    }
    eventually("all are answered", || {
        site.ledger().of::<PoolBook>().publishers.seconds.count() == 40
    })
    .await;
    eventually("32 heads have come", || heads.load(SeqCst) >= 32).await;
    // Other bodies are sent after all the bytes that could be sent.
    let (page, _) = client.open("/ping").await.unwrap();
    assert_eq!(page.await.unwrap().status(), 200);
    assert_eq!(heads.load(SeqCst), 32);
    assert_eq!(
        site.ledger().blobs.open.get(),
        40,
        "those that wait are open, and nothing of them is read"
    );
    for stream in streams {
        assert_eq!(stream.await.unwrap().status(), 206);
    }
    drop(client);
    site.end().await;
}

/// The worker and the connection are returned before anything is read.
async fn holds_no_worker(site: &Site) {
    eventually("the worker is free", || {
        site.ledger().of::<PoolBook>().publishers.running.get() == 0
            && site.ledger().of::<PoolBook>().connections.in_use.get() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_unlinked_or_replaced_during_a_download_is_sent_whole() {
    let bytes = content(1, LARGE);
    let other = content(2, LEN);
    for around in [None, Some(usual as fn(_) -> _)] {
        let folder = folder_of(&bytes);
        let path = folder.path().join("file");
        let site = shelf(folder.path(), around).await;
        let mut first = Peer::connect(site.address).await;
        let mut second = Peer::connect(site.address).await;
        first.ask("").await;
        second.ask("range: bytes=1-\r\n").await;
        assert_eq!(
            (
                first.head().await.status.as_u16(),
                second.head().await.status.as_u16()
            ),
            (200, 206)
        );
        assert_eq!(site.ledger().blobs.open.get(), 2);
        holds_no_worker(&site).await;

        // As the store does it.
        fs::write(folder.path().join("new"), &other).unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        let mut third = Peer::connect(site.address).await;
        third.ask("").await;
        assert!(third.answer().await.1 == other);
        fs::remove_file(&path).unwrap();
        third.ask("").await;
        assert_eq!(third.answer().await.0.status.as_u16(), 404);

        let sent = site.ledger().of::<SendfileBook>().bytes.get();
        assert!(sent < 2 * LARGE as u64, "both are still on their way");
        assert!(first.bytes(LARGE).await == bytes);
        assert!(second.bytes(LARGE - 1).await == bytes[1..]);
        Sent::is(&site, (3, 2 * LARGE - 1 + LEN), (0, 0)).await;
        drop((first, second, third));
        site.end().await;
    }
}

/// Truncating a file that was declared stable breaks its downloads off, so that no client mistakes
/// a part for the whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_cut_while_it_is_sent() {
    let bytes = content(1, LARGE);
    for around in [None, Some(usual as fn(_) -> _)] {
        let folder = folder_of(&bytes);
        let site = shelf(folder.path(), around).await;
        let mut peer = Peer::connect(site.address).await;
        peer.ask("").await;
        assert_eq!(
            peer.head().await.field("content-length"),
            Some(&*LARGE.to_string())
        );
        let sent = stalled(&site).await;
        assert!(
            0 < sent && sent < LARGE as u64,
            "on its way, by sendfile: {sent}"
        );
        // Truncated within the bytes that were sent already.
        let left = 64 << 10;
        fs::File::options()
            .write(true)
            .open(folder.path().join("file"))
            .unwrap()
            .set_len(left)
            .unwrap();
        let got = peer.0.read_rest().await;
        assert!(got.len() < LARGE, "{}", got.len());
        assert!(got[..left as usize] == bytes[..left as usize]);
        eventually("its socket is closed", || {
            site.ledger().of::<ServerBook>().sockets.open.get() == 0
        })
        .await;
        assert_eq!(
            site.ledger().of::<ServerBook>().sockets.failed.get(),
            1,
            "and not as if all had been said"
        );
        site.end().await;
    }
}

/// Waits until no more is sent, because the kernel's buffers are full.
async fn stalled(site: &Site) -> u64 {
    let mut before = 0;
    let mut looks = 0;
    eventually("the peer stalls", || {
        let sent = site.ledger().of::<SendfileBook>().bytes.get();
        looks = if sent == before { looks + 1 } else { 0 };
        before = sent;
        looks == 50
    })
    .await;
    before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stalls_and_goes_on() {
    let bytes = content(1, LARGE);
    let folder = folder_of(&bytes);
    for around in [None, Some(usual as fn(_) -> _)] {
        let site = shelf(folder.path(), around).await;
        let mut slow = Peer::connect(site.address).await;
        slow.ask("").await;
        assert_eq!(slow.head().await.status.as_u16(), 200);
        let mut got = Vec::new();
        // Some bytes, and then none as long as the server has to wait.
        for len in [1, 70_000, 1 << 20, 4 << 20] {
            let sent = stalled(&site).await;
            assert!(sent < LARGE as u64, "{sent}");
            holds_no_worker(&site).await;
            assert_eq!(site.ledger().blobs.open.get(), 1);
            got.extend(slow.bytes(len).await);
        }
        let mut ping = RawClient::connect(site.address).await.unwrap();
        assert_eq!(ping.get("/ping").await.unwrap().text(), "pong");
        got.extend(slow.bytes(LARGE - got.len()).await);
        assert!(got == bytes);
        // And on the same socket the next.
        slow.ask("range: bytes=5-8\r\n").await;
        assert_eq!(slow.answer().await.1, bytes[5..9]);
        Sent::is(&site, (2, LARGE + 4), (0, 0)).await;
        drop((slow, ping));
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stall_and_leave_release_their_files() {
    let bytes = content(1, LARGE);
    let folder = folder_of(&bytes);
    for around in [None, Some(usual as fn(_) -> _)] {
        let site = shelf(folder.path(), around).await;
        let mut peers = Vec::new();
        for _ in 0..8 {
            let mut peer = Peer::connect(site.address).await;
            peer.ask("").await;
            assert_eq!(peer.head().await.status.as_u16(), 200);
            peers.push(peer);
        }
        holds_no_worker(&site).await;
        assert_eq!(site.ledger().blobs.open.get(), 8);
        drop(peers);
        assert_quiet(site.ledger()).await;
        eventually("their sockets are closed", || {
            site.ledger().of::<ServerBook>().sockets.open.get() == 0
        })
        .await;
        assert_eq!(site.ledger().of::<ServerBook>().sockets.failed.get(), 8);
        site.end().await;
    }
}
