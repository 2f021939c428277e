//! Middleware that changes bodies, around files: the client gets the right bytes, and the fast path
//! is used where possible.

use std::fs::File;
use std::io::Read;

use axum::Router;
use euryale::blob::may_compress;
use euryale::{Blob, Body, Request, Response, Transaction, publisher_fn};
use euryale_test::CountingDatabase;
use euryale_tests::Site;
use flate2::read::GzDecoder;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate};

use super::{LEN, Peer, Sent, content, folder_of, shelf, usual};

/// Compression, and around it the middleware that most applications have.
fn compressing(app: Router) -> Router {
    usual(app.layer(CompressionLayer::new()))
}

/// Bytes that can be compressed.
fn text() -> Vec<u8> {
    content(1, LEN)
        .iter()
        .map(|byte| b'a' + byte % 16)
        .collect()
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut decoded).unwrap();
    decoded
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_files_are_read() {
    let bytes = text();
    let folder = folder_of(&bytes);
    let site = shelf(folder.path(), Some(compressing)).await;
    let mut peer = Peer::connect(site.address).await;
    for times in 1..=2 {
        peer.ask("accept-encoding: gzip\r\n").await;
        let head = peer.head().await;
        assert_eq!(
            (head.status.as_u16(), head.field("content-encoding")),
            (200, Some("gzip")),
            "{head:?}"
        );
        assert!(
            head.field("x-request-id").is_some() && head.field("content-length").is_none(),
            "{head:?}"
        );
        let compressed = peer.0.read_chunked().await.unwrap();
        assert!(compressed.len() < LEN * 3 / 4, "{}", compressed.len());
        assert!(decoded(&compressed) == bytes);
        Sent::is(
            &site,
            (0, 0),
            (times, LEN * usize::try_from(times).unwrap()),
        )
        .await;
    }
    drop(peer);
    site.end().await;
}

/// Files are left as they are.
fn compressing_pages(app: Router) -> Router {
    let pages = DefaultPredicate::new().and(may_compress);
    usual(app.layer(CompressionLayer::new().compress_when(pages)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uncompressed_files_leave_by_sendfile() {
    let bytes = text();
    let folder = folder_of(&bytes);
    for around in [compressing as fn(_) -> _, compressing_pages] {
        let site = shelf(folder.path(), Some(around)).await;
        let mut peer = Peer::connect(site.address).await;
        peer.ask("").await;
        assert!(peer.answer().await.1 == bytes);
        Sent::is(&site, (1, LEN), (0, 0)).await;
        // A part of the file is not a part of the compressed file.
        peer.ask("accept-encoding: gzip\r\nrange: bytes=100-\r\n")
            .await;
        let (head, body) = peer.answer().await;
        assert_eq!(
            (head.status.as_u16(), head.field("content-encoding")),
            (206, None),
            "{head:?}"
        );
        assert!(body == bytes[100..]);
        Sent::is(&site, (2, LEN + LEN - 100), (0, 0)).await;
        drop(peer);
        site.end().await;
    }
}

/// Half of the file and then, with the tag of the first answer, the rest: together they are the
/// file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_beside_compression_is_resumed_where_it_was_cut() {
    let bytes = text();
    let folder = folder_of(&bytes);
    let site = shelf(folder.path(), Some(compressing_pages)).await;
    let mut peer = Peer::connect(site.address).await;
    peer.ask("accept-encoding: gzip\r\n").await;
    let head = peer.head().await;
    let coding = head.field("content-encoding");
    let tag = head.field("etag").unwrap();
    assert_eq!(
        (coding, head.field("content-length")),
        (None, Some(&*LEN.to_string())),
        "{head:?}"
    );
    let mut got = peer.bytes(LEN / 2).await;
    let mut again = Peer::connect(site.address).await;
    let at = got.len();
    again
        .ask(&format!(
            "accept-encoding: gzip\r\nrange: bytes={at}-\r\nif-range: {tag}\r\n"
        ))
        .await;
    let (head, rest) = again.answer().await;
    assert_eq!((head.status.as_u16(), head.field("etag")), (206, Some(tag)));
    got.extend(rest);
    assert!(got == bytes);
    drop((peer, again));
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_parts_are_parts_of_the_file_in_any_case() {
    let bytes = text();
    let folder = folder_of(&bytes);
    // tower-http recognizes a part by its `Content-Range`, but several parts have this field inside
    // the body.
    let shown = [compressing as fn(_) -> _, compressing_pages];
    for (around, coding) in shown.into_iter().zip([Some("gzip"), None]) {
        let site = shelf(folder.path(), Some(around)).await;
        let mut peer = Peer::connect(site.address).await;
        peer.ask("accept-encoding: gzip\r\nrange: bytes=0-999,5000-5999\r\n")
            .await;
        let head = peer.head().await;
        assert_eq!(
            (head.status.as_u16(), head.field("content-encoding")),
            (206, coding),
            "{head:?}"
        );
        let body = match head.field("content-length") {
            Some(len) => peer.bytes(len.parse().unwrap()).await,
            None => decoded(&peer.0.read_chunked().await.unwrap()),
        };
        for part in [&bytes[..1000], &bytes[5000..6000]] {
            assert!(body.windows(part.len()).any(|window| window == part));
        }
        Sent::is(&site, (0, 0), (1, 2000)).await;
        drop(peer);
        site.end().await;
    }
}

/// If a file never changes, its publisher has to declare that, because no layer can know it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_tokio_leaves_by_sendfile_when_it_is_said_to_be_stable() {
    let bytes = content(1, LEN);
    let folder = folder_of(&bytes);
    let path = folder.path().join("file");
    let publisher = move |request: &Request, _: &mut Transaction<'_, CountingDatabase>| {
        let blob = Blob::try_from(tokio::fs::File::from_std(File::open(&path)?))?;
        let blob = if request.uri().query() == Some("stable") {
            // SAFETY: the test does not change the file.
            #[expect(unsafe_code, reason = "a file that tokio has opened")]
            unsafe {
                blob.assume_stable()
            }
        } else {
            blob
        };
        Ok(Response::new(Body::from(blob)))
    };
    let site = Site::start(2, publisher_fn(publisher)).await;
    let mut peer = Peer::connect(site.address).await;
    for (name, sendfile) in [("file", (0, 0)), ("file?stable", (1, LEN))] {
        peer.ask_for(name, "").await;
        assert!(peer.answer().await.1 == bytes);
        Sent::is(&site, sendfile, (1, LEN)).await;
    }
    drop(peer);
    site.end().await;
}
