//! Tests that files are sent with `sendfile`, and arrive unchanged through any middleware.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use euryale_core::body::UnnamedFile;
use euryale_core::{Blob, Body};
use euryale_sendfile::SendfileBook;
use http_body_util::BodyExt;
use rustix::fs::{Advice, fadvise};
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestUuid, SetRequestIdLayer};
use tower_http::timeout::{ResponseBodyTimeoutLayer, TimeoutLayer};
use tower_http::trace::TraceLayer;

use super::http2::{connect, request};
use super::*;

/// A length that is not a multiple of any buffer.
pub(super) const LEN: usize = 3_000_017;

pub(super) fn content(len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

/// Returns an open file of these bytes.
fn file(folder: &Path, bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile_in(folder).unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

/// Returns an open file of these bytes that nobody can change.
pub(super) fn stable(folder: &Path, bytes: &[u8]) -> Blob {
    let mut file = UnnamedFile::create(folder).unwrap();
    file.write_all(bytes).unwrap();
    file.into_blob().unwrap()
}

/// Like `stable`, with a length for which the disk may have no room.
pub(super) fn zeros(len: u64) -> Blob {
    let mut file = UnnamedFile::create(std::env::temp_dir()).unwrap();
    file.seek(SeekFrom::Start(len - 1)).unwrap();
    file.write_all(&[0]).unwrap();
    file.into_blob().unwrap()
}

/// The file that is sent at `/`, opened for each request.
#[derive(Clone)]
pub(super) struct Shelf {
    pub(super) blob: Blob,
    pub(super) ledger: Ledger,
}

impl Shelf {
    fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.blob.clone()));
        response
            .headers_mut()
            .insert("content-type", "text/plain".parse().unwrap());
        Body::publish_handle(&mut response, &self.ledger);
        response
    }

    pub(super) fn router(&self) -> Router {
        let send = async |State(shelf): State<Self>| {
            shelf.response().map(axum::body::Body::new).into_response()
        };
        Router::new().route("/", get(send)).with_state(self.clone())
    }
}

impl Site {
    /// Serves `blob`, with these layers around the route.
    async fn with_blob(blob: Blob, layers: impl FnOnce(Router) -> Router) -> (Self, Shelf) {
        let shelf = Shelf {
            blob,
            ledger: Ledger::new(),
        };
        let site = Self::start(Server::new(), layers(shelf.router())).await;
        (site, shelf)
    }

    /// Returns the number of blobs and bytes that were sent by `sendfile`.
    fn sent(&self) -> (u64, u64) {
        (
            self.ledger.of::<SendfileBook>().blobs.get(),
            self.ledger.of::<SendfileBook>().bytes.get(),
        )
    }

    /// Waits until this number has been sent. Bytes are counted once the server has noticed that
    /// the peer has received them.
    async fn has_sent(&self, blobs: u64, bytes: usize) {
        eventually(|| self.sent() == (blobs, bytes as u64)).await;
    }

    pub(super) async fn end_quiet(self, shelf: &Shelf) {
        self.end().await;
        eventually(|| shelf.ledger.unsettled().is_empty()).await;
    }
}

impl Peer {
    async fn body(&mut self) -> Vec<u8> {
        let length = content_length(&self.head().await).expect("a length");
        self.bytes(length).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_alive_and_pipelined_every_byte_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(LEN);
    let (site, shelf) = Site::with_blob(stable(folder.path(), &bytes), |app| app).await;
    let mut peer = site.peer().await;
    for _ in 0..3 {
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(peer.body().await == bytes);
    }
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(8))
        .await;
    for _ in 0..8 {
        assert!(peer.body().await == bytes);
    }
    site.has_sent(11, 11 * LEN).await;
    let mut old = site.peer().await;
    old.send("GET / HTTP/1.0\r\n\r\n").await;
    assert!(old.rest().await.ends_with(&bytes));
    assert_eq!(site.sent().0, 12);
    let mut head = site.peer().await;
    head.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(content_length(&head.head().await), Some(LEN));
    assert_eq!(site.sent().0, 12, "nothing is opened for HEAD");
    site.end_quiet(&shelf).await;
}

/// The file was compressed in advance. In any other response with a coding, the body may have been
/// changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coded_file_is_sent_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(LEN);
    let blob = || stable(folder.path(), &bytes);
    for (blob, said, is_sent) in [
        (blob().coded("gzip"), Some("gzip"), true),
        (blob().coded("gzip"), Some("br"), false),
        (blob().coded("gzip"), Some("gzip, gzip"), false),
        (blob().coded("gzip"), None, false),
        (blob(), Some("gzip"), false),
    ] {
        let say = move |mut response: axum::response::Response| async move {
            if let Some(said) = said {
                response
                    .headers_mut()
                    .insert("content-encoding", said.parse().unwrap());
            }
            response
        };
        let (site, shelf) =
            Site::with_blob(blob, |app| app.layer(axum::middleware::map_response(say))).await;
        let mut peer = site.peer().await;
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(peer.body().await == bytes);
        if is_sent {
            site.has_sent(1, LEN).await;
        }
        assert_eq!(site.sent().0, u64::from(is_sent), "{said:?}");
        site.end_quiet(&shelf).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_a_file_begin_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(LEN);
    let whole = stable(folder.path(), &bytes);
    for (offset, len) in [
        (0, 1),
        (1, 1),
        (4095, 2),
        (65_535, 65_538),
        (LEN - 1, 1),
        (524_288, 524_288),
        (0, 524_289),
    ] {
        let (site, shelf) =
            Site::with_blob(whole.slice(offset as u64, len as u64), |app| app).await;
        let mut peer = site.peer().await;
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(
            peer.body().await == bytes[offset..offset + len],
            "{offset} {len}"
        );
        site.has_sent(1, len).await;
        site.end_quiet(&shelf).await;
    }
    let (site, shelf) = Site::with_blob(whole.slice(0, 0), |app| app).await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(peer.body().await.is_empty());
    assert_eq!(site.sent(), (0, 0));
    site.end_quiet(&shelf).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn middleware_that_looks_on_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(LEN);
    let read = Arc::new(Mutex::new((0, 0_u64)));
    let counted = Arc::clone(&read);
    let (site, shelf) = Site::with_blob(stable(folder.path(), &bytes), |app| {
        app.layer(TraceLayer::new_for_http().on_body_chunk(
            // The middleware reads the chunks, for example to compute a checksum.
            move |chunk: &Bytes, _: Duration, _: &tracing::Span| {
                let mut counted = counted.lock().unwrap();
                counted.0 += chunk.len();
                counted.1 += chunk.iter().map(|byte| u64::from(*byte)).sum::<u64>();
            },
        ))
        .layer(TimeoutLayer::with_status_code(
            http::StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(60),
        ))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
    })
    .await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(peer.body().await == bytes);
    site.has_sent(1, LEN).await;
    let sum = bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    assert_eq!(
        *read.lock().unwrap(),
        (LEN, sum),
        "and what was read on the way was right"
    );
    site.end_quiet(&shelf).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_below_a_layer_that_may_change_the_body_are_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(LEN);
    let stable = stable(folder.path(), &bytes);
    // The layer hides the body's size, so it is unknown whether the body is still the same.
    let (site, shelf) = Site::with_blob(stable.clone(), |app| {
        app.layer(ResponseBodyTimeoutLayer::new(Duration::from_secs(60)))
    })
    .await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.0\r\n\r\n").await;
    assert!(peer.rest().await.ends_with(&bytes));
    assert_eq!(site.sent(), (0, 0));
    site.end_quiet(&shelf).await;

    let (site, shelf) =
        Site::with_blob(stable.clone(), |app| app.layer(CompressionLayer::new())).await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n")
        .await;
    let head = peer.head().await;
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(peer.body().await == bytes);
    site.has_sent(1, LEN).await;
    drop(peer);
    site.shutdown.cut();
    site.end_quiet(&shelf).await;

    let (site, shelf) = Site::with_blob(stable, |app| app).await;
    let mut client = connect(&site).await;
    let response = client.send_request(request("GET", "/")).await.unwrap();
    assert!(response.into_body().collect().await.unwrap().to_bytes() == bytes);
    assert_eq!(site.sent(), (0, 0), "HTTP/2 frames what it writes");
    drop(client);
    site.end_quiet(&shelf).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_deleted_or_replaced_is_sent_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let bytes = content(LEN);
    fs::write(&path, &bytes).unwrap();
    // SAFETY: the name is replaced below, and the file is not changed.
    #[expect(unsafe_code, reason = "a file with a name, for one that is replaced")]
    let blob = unsafe { Blob::stable(File::open(&path).unwrap()) };
    let (site, shelf) = Site::with_blob(blob.unwrap(), |app| app).await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let length = content_length(&peer.head().await).unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "another").unwrap();
    fs::rename(other, &path).unwrap();
    assert!(peer.bytes(length).await == bytes);
    site.end_quiet(&shelf).await;
}

#[expect(unsafe_code, reason = "a file that is truncated, to see what happens")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_became_shorter_is_broken_off() {
    let folder = tempfile::tempdir().unwrap();
    for is_stable in [false, true] {
        let file = file(folder.path(), &content(8 << 20));
        let blob = Blob::new(file.try_clone().unwrap()).unwrap();
        let blob = if is_stable {
            // SAFETY: no code reads the bytes.
            unsafe { blob.assume_stable() }
        } else {
            blob
        };
        let (site, shelf) = Site::with_blob(blob, |app| app).await;
        file.set_len(1 << 20).unwrap();
        let mut peer = site.peer().await;
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(content_length(&peer.head().await), Some(8 << 20));
        let rest = peer.rest().await;
        assert!(rest.len() <= 1 << 20, "{}", rest.len());
        assert_eq!(
            site.sent().0,
            u64::from(is_stable),
            "only what is stable is mapped"
        );
        // The socket is closed as failed, and not as if the response were complete.
        site.all_closed().await;
        assert_eq!(site.closed(), "failed 1");
        site.end_quiet(&shelf).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stall_or_go_leave_nothing_behind() {
    let (site, shelf) = Site::with_blob(zeros(1 << 30), |app| app).await;
    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = site.peer().await;
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(content_length(&peer.head().await), Some(1 << 30));
        peers.push(peer);
    }
    assert_eq!(shelf.ledger.blobs.open.get(), 20);
    drop(peers);
    site.all_closed().await;
    site.end_quiet(&shelf).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cold_files_and_files_in_memory_arrive_whole() {
    let disk = tempfile::tempdir().unwrap();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let bytes = content(LEN);
    for folder in [&disk, &memory] {
        let blob = stable(folder.path(), &bytes);
        // Only pages that are on the disk can be evicted.
        blob.file().sync_all().unwrap();
        fadvise(blob.file(), 0, None, Advice::DontNeed).unwrap();
        let (site, shelf) = Site::with_blob(blob, |app| app).await;
        let mut peer = site.peer().await;
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(peer.body().await == bytes);
        site.has_sent(1, LEN).await;
        site.end_quiet(&shelf).await;
    }
}

/// Files of sysfs have no pages to map.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_mapped_is_read() {
    let path = "/sys/kernel/notes";
    let Ok(bytes) = fs::read(path) else {
        return euryale_test::skip(&format!("no {path}"));
    };
    // SAFETY: the kernel does not change them.
    #[expect(unsafe_code, reason = "a file that nobody here could have made")]
    let blob = unsafe { Blob::stable(File::open(path).unwrap()) };
    let blob = blob.unwrap().slice(0, bytes.len() as u64);
    let (site, shelf) = Site::with_blob(blob, |app| app).await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(peer.body().await == bytes);
    assert_eq!(site.sent(), (0, 0));
    site.end_quiet(&shelf).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_http2_peer_has_32_files_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(LEN);
    let (site, shelf) = Site::with_blob(stable(folder.path(), &bytes), |app| {
        app.route("/page", get(async || "page"))
    })
    .await;
    let mut client = connect(&site).await;
    let mut asked = Vec::new();
    for _ in 0..40 {
        asked.push(tokio::spawn(client.send_request(request("GET", "/"))));
    }
    let heads = || asked.iter().filter(|asked| asked.is_finished()).count();
    eventually(|| heads() == 32 && shelf.ledger.blobs.open.get() == 40).await;
    let page = within(client.send_request(request("GET", "/page")))
        .await
        .unwrap();
    assert_eq!(page.status(), 200, "what is no file has its way");
    assert_eq!(heads(), 32);
    // A task that ends makes room for another one.
    let (there, waiting): (Vec<_>, Vec<_>) = asked
        .into_iter()
        .partition(tokio::task::JoinHandle::is_finished);
    for asked in there {
        drop(within(asked).await.unwrap().unwrap());
    }
    // All streams are read at once, because one that is not read would block the window of the
    // others.
    let reading = waiting.into_iter().map(|asked| {
        tokio::spawn(async {
            asked
                .await
                .unwrap()
                .unwrap()
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
        })
    });
    for body in reading.collect::<Vec<_>>() {
        assert!(within(body).await.unwrap() == bytes);
    }
    drop(client);
    site.end_quiet(&shelf).await;
}

/// The kernel has all of the file, and nothing more is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_the_end_of_a_file_slowly_is_not_given_up() {
    const STALL: Duration = Duration::from_secs(1);
    let shelf = Shelf {
        blob: zeros(LEN as u64),
        ledger: Ledger::new(),
    };
    let site = Site::start(Server::new().write_timeout(STALL), shelf.router()).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut peer = socket.connect(site.address).await.unwrap();
    peer.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let large = site.ledger.of::<SendfileBook>();
    eventually(|| large.large_buffers.get() == 1).await;
    let mut ticks = tokio::time::interval(STALL / 5);
    let began = std::time::Instant::now();
    let mut length = 0;
    loop {
        ticks.tick().await;
        let mut some = Vec::new();
        let mut piece = (&mut peer).take(192 << 10);
        within(piece.read_to_end(&mut some)).await.unwrap();
        length += some.len();
        if some.is_empty() {
            break;
        }
    }
    assert!(length > LEN, "{length}");
    assert!(began.elapsed() > 2 * STALL);
    site.all_closed().await;
    assert_eq!(site.closed(), "finished 1");
    site.end_quiet(&shelf).await;
}
