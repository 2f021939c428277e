//! Tests of the read path.

use std::future::poll_fn;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use euryale_core::body::BlobChunks;
use euryale_core::threads::BlockingLane;
use euryale_core::{Blob, Body, BoxError, Ledger, Response};
use euryale_test::{Gate, assert_quiet, eventually};
use http::{Request, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::{blob_of, content, file_of, layer, serving};
use crate::BlobBook;
use crate::chunks::{Chunks, Reader};

async fn next(body: &mut Body) -> Option<Result<Bytes, BoxError>> {
    let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(frame.map(|frame| frame.into_data().unwrap()))
}

async fn all(mut chunks: impl BlobChunks, len: u64) -> std::io::Result<Vec<u8>> {
    let mut read = Vec::new();
    while (read.len() as u64) < len {
        read.extend_from_slice(&poll_fn(|cx| chunks.poll_chunk(cx)).await?);
    }
    Ok(read)
}

/// Returns the number of turns of the lane that are held.
fn turns(ledger: &Ledger) -> i64 {
    ledger.lanes.of("readers").running.get()
}

fn readers(threads: usize) -> (BlockingLane, Ledger, [Reader; 4]) {
    let ledger = Ledger::new();
    let lane = BlockingLane::new("readers", threads).ledger(ledger.clone());
    let both = [Reader::ahead(&lane, &ledger), Reader::lazy(&lane, &ledger)];
    let [ahead, lazy] = both.clone().map(Reader::on_the_lane);
    let [hot_ahead, hot_lazy] = both;
    (lane, ledger, [ahead, lazy, hot_ahead, hot_lazy])
}

#[tokio::test]
async fn all_readers_return_the_same_bytes() {
    let (_, ledger, readers) = readers(4);
    for len in [
        1,
        16 << 10,
        (24 << 10) - 1,
        24 << 10,
        (24 << 10) + 1,
        (128 << 10) + 1,
        1_000_003,
    ] {
        let content = content(len);
        let blob = blob_of(&content);
        for reader in &readers {
            assert!(
                all(reader.chunks(blob.clone()), len as u64).await.unwrap() == content,
                "{len} {reader:?}"
            );
            let slice = blob.slice(len as u64 / 3, len as u64 / 2);
            let at = len / 3;
            assert!(
                all(reader.chunks(slice.clone()), slice.len())
                    .await
                    .unwrap()
                    == content[at..at + len / 2]
            );
        }
    }
    eventually("all turns are free", || turns(&ledger) == 0).await;
    assert_quiet(&ledger).await;
}

/// The buffers of kept chunks are not used for others: they return to the pool only when the chunks
/// are dropped.
#[tokio::test]
async fn a_buffer_returns_to_its_pool_when_its_bytes_are_dropped() {
    let (_, _, readers) = readers(2);
    let content = content(400_000);
    for reader in &readers {
        let mut chunks = reader.chunks(blob_of(&content));
        let mut kept = Vec::new();
        while kept.iter().map(Bytes::len).sum::<usize>() < content.len() {
            kept.push(poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap());
        }
        drop(chunks);
        assert!(kept.concat() == content);
        let free = reader.buffers().free();
        drop(kept);
        assert!(reader.buffers().free() > free && reader.buffers().free() <= 64);
    }
}

/// A consumer that sends everything gets large buffers. One that lets chunks pile up gets small
/// pieces, like hyper, which queues 16 of them: together a large buffer and a small one.
#[tokio::test]
async fn a_consumer_that_sends_everything_gets_large_buffers() {
    let (_, ledger, readers) = readers(2);
    for reader in [&readers[0], &readers[2]] {
        let mut chunks = reader.chunks(blob_of(&content(1_000_000)));
        let first = poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap();
        assert_eq!(first.len(), 128 << 10);
        let (rest, bytes) = queue(&mut chunks, 15).await;
        assert_eq!(bytes, 24 << 10);
        eventually("nothing is under way", || turns(&ledger) == 0).await;
        assert_eq!(chunks.buffers(), 2, "and nothing is read ahead for it");
        drop((first, rest));
    }
    let mut chunks = readers[2].chunks(blob_of(&content(1_000_000)));
    for _ in 0..7 {
        assert_eq!(
            poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap().len(),
            128 << 10
        );
    }
}

/// Sixteen peers hold the large buffers. All others that do not read hold two small ones each.
#[tokio::test]
async fn peers_that_do_not_read_hold_two_small_buffers() {
    let (_, ledger, readers) = readers(2);
    for reader in [&readers[0], &readers[2]] {
        let blob = blob_of(&content(1_000_000));
        let mut holders = Vec::new();
        for n in 0..16 {
            let mut chunks = reader.chunks(blob.clone());
            let (queued, bytes) = queue(&mut chunks, 16).await;
            assert_eq!(bytes, (128 + 24) << 10, "{n}");
            holders.push((chunks, queued));
        }
        let mut chunks = reader.chunks(blob.clone());
        let (queued, bytes) = queue(&mut chunks, 16).await;
        assert_eq!(bytes, 48 << 10);
        eventually("nothing is under way", || turns(&ledger) == 0).await;
        assert_eq!(chunks.buffers(), 2, "and nothing is read ahead for it");
        // When one of the sixteen leaves, another peer gets its buffer.
        drop((queued, holders.pop()));
        let mut chunks = reader.chunks(blob);
        assert_eq!(
            poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap().len(),
            128 << 10
        );
    }
}

/// Polls for `count` chunks and keeps them all. Returns them with their number of bytes.
async fn queue(chunks: &mut Chunks, count: usize) -> (Vec<Bytes>, usize) {
    let mut queued = Vec::new();
    for _ in 0..count {
        queued.push(poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap());
    }
    let bytes = queued.iter().map(Bytes::len).sum();
    (queued, bytes)
}

/// A stream of HTTP/2 begins with a small buffer. It gets a large one while its peer reads
/// everything, and a small one whenever a chunk has not been sent yet.
#[tokio::test]
async fn a_stream_of_http_2_gets_small_buffers_until_it_flows() {
    let (_, ledger, readers) = readers(2);
    for reader in [&readers[1], &readers[3]] {
        let mut chunks = reader.chunks(blob_of(&content(1_000_000)));
        let mut next = async || poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap();
        assert_eq!(next().await.len(), 8 << 10);
        for _ in 0..3 {
            assert_eq!(next().await.len(), 128 << 10);
        }
        let kept = next().await;
        assert_eq!(next().await.len(), 8 << 10);
        drop(kept);
        assert_eq!(next().await.len(), 128 << 10);
    }
    eventually("all turns are free", || turns(&ledger) == 0).await;
}

/// Sixteen streams hold large buffers, and each of the others holds a small one.
#[tokio::test]
async fn streams_of_http_2_that_stall_hold_a_small_buffer() {
    let (_, _, readers) = readers(2);
    let blob = blob_of(&content(1_000_000));
    let mut stalled = Vec::new();
    for n in 0..100 {
        let mut chunks = readers[3].chunks(blob.clone());
        drop(poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap());
        let held = poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap();
        assert_eq!(held.len(), if n < 16 { 128 << 10 } else { 8 << 10 }, "{n}");
        stalled.push((chunks, held));
    }
}

#[tokio::test]
async fn the_version_of_a_request_decides_how_its_blob_is_read() {
    let (layer, ledger) = layer();
    let file = file_of(&content(200_000));
    let service = serving(&layer, move || {
        Response::new(Body::from(Blob::new(file.try_clone().unwrap()).unwrap()))
    });
    for (version, size) in [
        (Version::HTTP_11, 128 << 10),
        (Version::HTTP_10, 128 << 10),
        (Version::HTTP_2, 8 << 10),
    ] {
        let mut request = Request::new(());
        *request.version_mut() = version;
        let mut body = service.clone().oneshot(request).await.unwrap().into_body();
        assert_eq!(
            next(&mut body).await.unwrap().unwrap().len(),
            size,
            "{version:?}"
        );
    }
    assert_eq!(ledger.of::<BlobBook>().read.get(), 3);
    assert_quiet(&ledger).await;
}

/// Returns the number of bytes that this thread has read from files.
fn bytes_read() -> u64 {
    let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    io.lines()
        .find_map(|line| line.strip_prefix("rchar: ")?.parse().ok())
        .unwrap()
}

/// The ledger and the system count the bytes. The file is sparse and has no blocks.
#[tokio::test]
async fn a_small_part_of_a_large_file_is_a_small_read() {
    let (layer, ledger) = layer();
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 30).unwrap();
    file.write_all_at(b"here", 700_000_000).unwrap();
    let service = serving(&layer, move || {
        Response::new(Body::from(Blob::new(file.try_clone().unwrap()).unwrap()))
    });
    let request = Request::get("/")
        .header("range", "bytes=700000000-700000099")
        .body(())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    let before = bytes_read();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    // Includes the bytes of reading the counter itself.
    let read = bytes_read() - before;
    assert!(read <= 4 << 10, "{read}");
    assert_eq!((&body[..4], body.len()), (&b"here"[..], 100));
    assert_eq!(ledger.of::<BlobBook>().read_bytes.get(), 100);
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_deleted_or_replaced_file_is_sent_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let other = folder.path().join("other");
    let content = content(500_000);
    for replace in [false, true] {
        let (layer, ledger) = layer();
        std::fs::write(&path, &content).unwrap();
        let blob = Blob::new(std::fs::File::open(&path).unwrap()).unwrap();
        let service = serving(&layer, move || Response::new(Body::from(blob.clone())));
        let mut body = service
            .clone()
            .oneshot(Request::new(()))
            .await
            .unwrap()
            .into_body();
        let mut got = next(&mut body).await.unwrap().unwrap().to_vec();
        if replace {
            std::fs::write(&other, vec![0; 500_000]).unwrap();
            std::fs::rename(&other, &path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
        while let Some(chunk) = next(&mut body).await {
            got.extend_from_slice(&chunk.unwrap());
        }
        assert!(got == content);
        drop((body, service));
        assert_quiet(&ledger).await;
    }
}

#[tokio::test]
async fn a_truncated_file_ends_in_an_error() {
    for range in [
        None,
        Some("bytes=10-400000"),
        Some("bytes=0-1,200000-400000"),
    ] {
        let (layer, ledger) = layer();
        let file = file_of(&content(500_000));
        let blob = Blob::new(file.try_clone().unwrap()).unwrap();
        let service = serving(&layer, move || Response::new(Body::from(blob.clone())));
        let mut request = Request::new(());
        if let Some(range) = range {
            request
                .headers_mut()
                .insert("range", range.parse().unwrap());
        }
        let mut body = service.clone().oneshot(request).await.unwrap().into_body();
        let promised = body.size_hint().exact().unwrap();
        let mut got = next(&mut body).await.unwrap().unwrap().len() as u64;
        file.set_len(100_000).unwrap();
        let error = loop {
            match next(&mut body).await.expect("never a clean end") {
                Ok(chunk) => got += chunk.len() as u64,
                Err(error) => break error,
            }
        };
        assert!(got < promised);
        let error = error.downcast::<std::io::Error>().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        assert!(next(&mut body).await.is_none());
        drop((body, service));
        assert_quiet(&ledger).await;
    }
}

/// If the file grows, exactly the announced bytes are sent.
#[tokio::test]
async fn a_growing_file_is_sent_with_its_announced_length() {
    let (layer, ledger) = layer();
    let file = file_of(&content(100_000));
    let blob = Blob::new(file.try_clone().unwrap()).unwrap();
    let service = serving(&layer, move || Response::new(Body::from(blob.clone())));
    let response = service.oneshot(Request::new(())).await.unwrap();
    file.set_len(200_000).unwrap();
    assert!(response.into_body().collect().await.unwrap().to_bytes() == content(100_000));
    assert_quiet(&ledger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_the_lane_holds() {
    let (lane, ledger, readers) = readers(3);
    let gate = Gate::new();
    let running = Arc::new(());
    let held: Vec<_> = (0..3)
        .map(|_| {
            let lane = lane.clone();
            let gate = gate.clone();
            let running = Arc::clone(&running);
            tokio::spawn(async move { lane.run(move || (gate.wait(), drop(running))).await })
        })
        .collect();
    eventually("the lane is full", || gate.waiting() == 3).await;
    let content = content(300_000);
    let streams: Vec<_> = (0..100)
        .map(|_| tokio::spawn(all(readers[0].chunks(blob_of(&content)), 300_000)))
        .collect();
    // Nothing is read, however often the body is polled.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        (
            turns(&ledger),
            gate.waiting(),
            ledger.of::<BlobBook>().read_bytes.get()
        ),
        (3, 3, 0)
    );
    gate.open();
    for held in held {
        held.await.unwrap().unwrap();
    }
    for stream in streams {
        assert!(stream.await.unwrap().unwrap() == content);
    }
    eventually("all turns are free", || turns(&ledger) == 0).await;
    assert_eq!(ledger.of::<BlobBook>().read_bytes.get(), 30_000_000);
    assert_quiet(&ledger).await;
}

/// The body is cancelled while it waits for its turn, while it reads, and with a chunk read ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_body_leaves_nothing() {
    let (lane, ledger, readers) = readers(1);
    let gate = Gate::new();
    let held = tokio::spawn({
        let lane = lane.clone();
        let gate = gate.clone();
        async move { lane.run(move || gate.wait()).await }
    });
    eventually("the lane is full", || gate.waiting() == 1).await;
    let file = Arc::new(file_of(&content(500_000)));
    let blob = || {
        let mut response = Response::new(Body::from(Blob::new(file.try_clone().unwrap()).unwrap()));
        Body::publish_handle(&mut response, &ledger);
        let handle = response
            .extensions()
            .get::<euryale_core::body::BlobHandle>()
            .unwrap();
        handle.read_by(Arc::new(readers[0].clone()));
        response.into_body()
    };
    let poll = |body: &mut Body| {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        Pin::new(body).poll_frame(&mut cx)
    };
    let mut bodies: Vec<Body> = (0..10).map(|_| blob()).collect();
    for body in &mut bodies {
        assert!(poll(body).is_pending());
    }
    assert_eq!(ledger.blobs.open.get(), 10);
    bodies.truncate(1);
    eventually("those that waited are gone", || {
        ledger.blobs.open.get() == 1
    })
    .await;
    gate.open();
    held.await.unwrap().unwrap();
    let mut body = bodies.remove(0);
    assert_eq!(
        next(&mut body).await.unwrap().unwrap().len(),
        128 << 10,
        "it has its turn after all"
    );
    // The next chunk is being read ahead before anything has polled for it.
    drop(body);
    eventually("its turn is free", || turns(&ledger) == 0).await;
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn the_chunk_after_one_from_a_disk_is_read_ahead() {
    let (_, ledger, readers) = readers(1);
    let file = file_of(&content(300_000));
    let blob = Blob::new(file.try_clone().unwrap()).unwrap();
    let mut chunks = readers[0].chunks(blob.clone());
    let first = poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap();
    eventually("the next was read", || turns(&ledger) == 0).await;
    tokio::task::yield_now().await;
    file.write_all_at(&[0; 300_000], 0).unwrap();
    let second = poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap();
    assert!(
        second.iter().any(|byte| *byte != 0) && first.len() == 128 << 10,
        "before it was overwritten"
    );
    // For HTTP/2 nothing is read ahead.
    let file = file_of(&content(300_000));
    let mut chunks = readers[1].chunks(Blob::new(file.try_clone().unwrap()).unwrap());
    poll_fn(|cx| chunks.poll_chunk(cx)).await.unwrap();
    eventually("nothing is under way", || turns(&ledger) == 0).await;
    file.write_all_at(&[0; 300_000], 0).unwrap();
    assert!(
        poll_fn(|cx| chunks.poll_chunk(cx))
            .await
            .unwrap()
            .iter()
            .all(|byte| *byte == 0)
    );
}

#[test]
fn reading_without_a_runtime_is_an_error() {
    let (_, _, readers) = readers(1);
    let mut chunks = readers[0].chunks(blob_of(b"abc"));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(matches!(chunks.poll_chunk(&mut cx), Poll::Ready(Err(_))));
}

/// All of the file is in memory, but other tasks still get their turns.
#[tokio::test]
async fn reading_a_large_file_yields_to_other_tasks() {
    let (layer, ledger) = layer();
    let file = file_of(&content(40_000_000));
    let service = serving(&layer, move || {
        Response::new(Body::from(Blob::new(file.try_clone().unwrap()).unwrap()))
    });
    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
    let other = tokio::spawn(async {});
    let mut left = 40_000_000;
    while !other.is_finished() {
        left -= next(&mut body)
            .await
            .expect("not all of it before")
            .unwrap()
            .len();
    }
    let stint = 40_000_000 - left;
    // The limit, plus the chunk that exceeds it.
    assert!(stint <= (256 + 128) << 10, "{stint}");
    drop(body);
    assert_quiet(&ledger).await;
}
