//! Tests of files over TLS and Unix sockets, which are read and written because `sendfile` is not
//! possible.

use axum::Router;
use euryale_blob::{BlobBook, ServeBlobLayer};
use euryale_sendfile::SendfileBook;
use http_body_util::BodyExt;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use super::http2::request;
use super::sendfile::{LEN, Shelf, content, stable};
use super::tls::{Certificate, listening};
use super::*;
use crate::UnixSocket;

/// One stable file, served by the layer.
struct Files {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    shelf: Shelf,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bytes = content(LEN);
        let blob = stable(folder.path(), &bytes);
        Self {
            folder,
            bytes,
            shelf: Shelf {
                blob,
                ledger: Ledger::new(),
            },
        }
    }

    fn app(&self) -> Router {
        self.shelf
            .router()
            .layer(ServeBlobLayer::new().ledger(self.shelf.ledger.clone()))
    }

    /// Requests the whole file and then a part of it, over HTTP/1.1.
    async fn arrive_over_http1(&self, peer: impl AsyncRead + AsyncWrite + Unpin) {
        let mut client = RawClient::over(peer);
        for (range, expected) in [
            ("", &self.bytes[..]),
            ("range: bytes=70000-\r\n", &self.bytes[70_000..]),
        ] {
            let asked = format!("GET / HTTP/1.1\r\nhost: a\r\n{range}\r\n");
            client.send(asked).await.unwrap();
            let answer = within(client.read_answer(false)).await.unwrap();
            assert!(answer.body == expected, "{range}");
        }
    }

    /// Checks the numbers of blobs and bytes that were sent by each path.
    async fn were_read(&self, site: &Site, blobs: u64, bytes: usize) {
        let sent = self.shelf.ledger.of::<BlobBook>();
        eventually(|| (sent.read.get(), sent.read_bytes.get()) == (blobs, bytes as u64)).await;
        assert_eq!(site.ledger.of::<SendfileBook>().blobs.get(), 0);
    }

    async fn end(self, site: Site) {
        site.end().await;
        eventually(|| self.shelf.ledger.unsettled().is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls() {
    let files = Files::new();
    let certificate = Certificate::new();
    let (site, address, _) = listening(Server::new(), &certificate, files.app()).await;
    let peer = certificate.connect(address, &["http/1.1"]).await.unwrap();
    files.arrive_over_http1(peer).await;
    files.were_read(&site, 2, 2 * LEN - 70_000).await;
    files.end(site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2_and_tls() {
    let files = Files::new();
    let certificate = Certificate::new();
    let (site, address, _) = listening(Server::new(), &certificate, files.app()).await;
    let peer = certificate.connect(address, &["h2"]).await.unwrap();
    let (mut client, driver) = handshake(TokioExecutor::new(), TokioIo::new(peer))
        .await
        .unwrap();
    tokio::spawn(driver);
    let response = within(client.send_request(request("GET", "/")))
        .await
        .unwrap();
    assert!(
        within(response.into_body().collect())
            .await
            .unwrap()
            .to_bytes()
            == files.bytes
    );
    files.were_read(&site, 1, LEN).await;
    drop(client);
    files.end(site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_unix_socket() {
    let files = Files::new();
    let path = files.folder.path().join("site.sock");
    let listener = UnixSocket::new(&path).bind().unwrap();
    let site = Site::start(Server::new().listen(listener), files.app()).await;
    files
        .arrive_over_http1(UnixStream::connect(&path).await.unwrap())
        .await;
    files.were_read(&site, 2, 2 * LEN - 70_000).await;
    files.end(site).await;
}
