//! Tests of HTTP/2 peers that request many files and give their streams no window.

use std::collections::BTreeSet;

use super::deadlines::without_window;
use super::sendfile::{LEN, Shelf, content, stable};
use super::*;

/// The number of streams that are sent at a time, and the number of streams that wait behind them.
const AT_ONCE: usize = 32;
const STREAMS: usize = 100;

/// Returns the HEADERS of `GET /` for each stream.
fn requests(count: usize) -> Vec<u8> {
    let streams = (0..count).map(|number| u32::try_from(2 * number + 1).unwrap());
    let heads = streams.map(|stream| {
        let [a, b, c, d] = stream.to_be_bytes();
        [0, 0, 6, 1, 5, a, b, c, d, 0x82, 0x84, 0x86, 0x01, 1, b'a']
    });
    heads.flatten().collect()
}

/// Returns a WINDOW_UPDATE of `bytes` for `stream`.
fn window(stream: u32, bytes: u32) -> Vec<u8> {
    let mut frame = vec![0, 0, 4, 8, 0];
    frame.extend(stream.to_be_bytes());
    frame.extend(bytes.to_be_bytes());
    frame
}

/// Returns the type and the stream of the next frame.
async fn next(peer: &mut Peer) -> (u8, u32) {
    let mut head = [0; 9];
    within(peer.stream().read_exact(&mut head)).await.unwrap();
    let [_, _, _, kind, _, stream @ ..] = head;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    within(peer.stream().read_exact(&mut payload))
        .await
        .unwrap();
    (kind, u32::from_be_bytes(stream))
}

async fn shelf(server: Server) -> (Site, Shelf) {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf {
        blob: stable(folder.path(), &content(LEN)),
        ledger: Ledger::new(),
    };
    let site = Site::start(server, shelf.router()).await;
    (site, shelf)
}

#[tokio::test]
async fn files_that_wait_for_their_turn_end_with_those_that_stall() {
    const STALL: Duration = Duration::from_secs(2);
    let server = Server::new().write_timeout(STALL);
    let (site, shelf) = shelf(server).await;
    let open = || shelf.ledger.blobs.open.get();
    let mut peer = without_window(&site).await;
    peer.send(requests(STREAMS)).await;
    eventually(|| open() == i64::try_from(STREAMS).unwrap()).await;
    eventually(|| open() < i64::try_from(STREAMS).unwrap()).await;
    let first = std::time::Instant::now();
    eventually(|| open() == 0).await;
    assert!(first.elapsed() < STALL, "not one turn after the other");
    drop(peer);
    site.all_closed().await;
    site.end_quiet(&shelf).await;
}

#[tokio::test]
async fn a_file_waits_as_long_as_its_peer_reads_others() {
    const STALL: Duration = Duration::from_millis(600);
    let server = Server::new().write_timeout(STALL);
    let (site, shelf) = shelf(server).await;
    let mut peer = without_window(&site).await;
    peer.send(requests(AT_ONCE + 1)).await;
    let mut begun = BTreeSet::new();
    while begun.len() < AT_ONCE {
        let (kind, stream) = next(&mut peer).await;
        if kind == 1 {
            begun.insert(stream);
        }
    }
    let waits = (1..)
        .step_by(2)
        .find(|stream| !begun.contains(stream))
        .unwrap();
    let asked = std::time::Instant::now();
    let mut ticks = tokio::time::interval(STALL / 6);
    while asked.elapsed() < 3 * STALL {
        ticks.tick().await;
        let windows = begun.iter().flat_map(|stream| window(*stream, 16));
        peer.send(windows.collect::<Vec<u8>>()).await;
    }
    assert_eq!(
        shelf.ledger.blobs.open.get(),
        i64::try_from(AT_ONCE + 1).unwrap()
    );
    // One stream gives up its turn (RST_STREAM with CANCEL).
    let [a, b, c, d] = begun.first().unwrap().to_be_bytes();
    peer.send([0, 0, 4, 3, 0, a, b, c, d, 0, 0, 0, 8]).await;
    loop {
        let frame = next(&mut peer).await;
        assert_ne!(frame, (3, waits), "reset");
        if frame == (1, waits) {
            break;
        }
    }
    drop(peer);
    site.all_closed().await;
    site.end_quiet(&shelf).await;
}
