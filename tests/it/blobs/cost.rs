//! The cost of a file: bytes that are read for it, the time to its first byte, in the worker, and
//! of other requests.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::{Duration, Instant};

use euryale::connection::PoolBook;
use euryale_server::ServerBook;
use euryale_test::RawClient;
use euryale_tests::Site;
use rustix::fs::{Advice, fadvise};

use super::{Peer, Sent, content, shelf, usual};

const GIBIBYTE: u64 = 1 << 30;

/// Measured in a separate process, which reads nothing else.
#[test]
fn a_hundred_bytes_of_a_gibibyte_are_a_hundred_bytes() {
    let output = Command::new(env!("CARGO_BIN_EXE_part")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let read: Vec<u64> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(read.len(), 2, "{text}");
    assert!(
        read.iter().all(|read| (100..=64 << 10).contains(read)),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_byte_of_a_gibibyte_comes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = File::create_new(folder.path().join("file")).unwrap();
    file.set_len(GIBIBYTE).unwrap();
    // The page cache has more of the file than is read at a time.
    file.write_all_at(&content(1, 4 << 20), 0).unwrap();
    for around in [None, Some(usual as fn(_) -> _)] {
        let site = shelf(folder.path(), around).await;
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let mut peer = Peer::connect(site.address).await;
            let began = Instant::now();
            peer.ask("").await;
            let head = peer.head().await;
            assert_eq!(peer.bytes(1).await, content(1, 1));
            fastest = fastest.min(began.elapsed());
            assert_eq!(
                (head.status.as_u16(), head.field("content-length")),
                (200, Some("1073741824"))
            );
        }
        assert!(fastest < Duration::from_millis(50), "{fastest:?}");
        let seconds = &site.ledger().of::<PoolBook>().publishers.seconds;
        assert_eq!(seconds.count(), 5);
        assert!(
            seconds.sum() < Duration::from_millis(5 * 20),
            "in the worker: {:?}",
            seconds.sum()
        );
        site.end().await;
    }
}

/// The number of response heads that were written, and of those within `seconds`.
fn heads(site: &Site, seconds: f64) -> (u64, u64) {
    let histogram = &site.ledger().of::<ServerBook>().response_head_seconds;
    (
        histogram.count(),
        histogram
            .cumulative()
            .find(|(bound, _)| *bound >= seconds)
            .unwrap()
            .1,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cold_files_arrive_and_delay_no_other_download() {
    const FILES: u64 = 10;
    const LEN: usize = 4 << 20;
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..FILES {
        let path = folder.path().join(seed.to_string());
        fs::write(&path, content(seed, LEN)).unwrap();
        let file = File::open(path).unwrap();
        // Only pages that are on the disk can be evicted.
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }
    let site = shelf(folder.path(), None).await;
    let downloads: Vec<_> = (0..FILES)
        .map(|seed| {
            let address = site.address;
            tokio::spawn(async move {
                let mut peer = Peer::connect(address).await;
                peer.ask_for(&seed.to_string(), "").await;
                (seed, peer.answer().await.1)
            })
        })
        .collect();
    let mut ping = RawClient::connect(site.address).await.unwrap();
    while downloads.iter().any(|download| !download.is_finished()) {
        assert_eq!(ping.get("/ping").await.unwrap().text(), "pong");
    }
    for download in downloads {
        let (seed, body) = download.await.unwrap();
        assert!(body == content(seed, LEN), "file {seed}");
    }
    Sent::is(&site, (FILES, LEN * 10), (0, 0)).await;
    let (all, fast) = heads(&site, 1.0);
    assert!(
        all > FILES && fast == all,
        "{} of {all} took longer than a second",
        all - fast
    );
    drop(ping);
    site.end().await;
}
