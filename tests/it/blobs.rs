//! Files through whole stacks: the bytes are right whatever is around them, at a known cost.

mod cost;
mod middleware;
mod parts;
mod streaming;
#[cfg(target_os = "linux")]
mod unread;

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use euryale::{Abort, Blob, Body, Publisher, Request, Response, Transaction};
use euryale_test::{CountingDatabase, Head, RawClient, eventually};
use euryale_tests::Site;
use http::StatusCode;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// Not a multiple of any buffer or page size.
const LEN: usize = 3_000_017;

/// `len` bytes in which no two places are alike, different for each `seed`.
fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    for at in 0..len.div_ceil(8) as u64 {
        let word = (at ^ (seed << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes.extend_from_slice(&(word ^ (word >> 29)).to_be_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Publishes the files of a folder, each under its name, as text that never changes in place; and
/// `/ping`.
struct Shelf(PathBuf);

impl Publisher<CountingDatabase> for Shelf {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, CountingDatabase>,
    ) -> Result<Response, Abort> {
        transaction.connection()?;
        let name = request.uri().path().trim_start_matches('/');
        if name == "ping" {
            return Ok(Response::new(Body::from("pong")));
        }
        let file = match File::open(self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Abort::status(StatusCode::NOT_FOUND));
            }
            file => file?,
        };
        // SAFETY: the tests do not change the files of their folder in place.
        #[expect(unsafe_code, reason = "files with names, which tests replace")]
        let blob = unsafe { Blob::stable(file)? };
        let mut response = Response::new(Body::from(blob));
        response
            .headers_mut()
            .insert("content-type", "text/plain".parse()?);
        response.headers_mut().insert("etag", "\"file\"".parse()?);
        Ok(response)
    }
}

/// The middleware that most applications have around them.
fn usual(app: Router) -> Router {
    app.layer(TraceLayer::new_for_http())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(60),
        ))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
}

/// A stack with a folder of files, as the server has it, or inside middleware.
async fn shelf(folder: &Path, around: Option<fn(Router) -> Router>) -> Site {
    let shelf = Shelf(folder.to_owned());
    match around {
        Some(around) => Site::behind(around, 2, shelf).await,
        None => Site::start(2, shelf).await,
    }
}

/// A folder with the file `file` of these bytes.
fn folder_of(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), bytes).unwrap();
    folder
}

/// The number of blobs, and of their bytes, that were sent by each path.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    sendfile: (u64, u64),
    read: (u64, u64),
}

impl Sent {
    fn of(site: &Site) -> Self {
        let figures = site.ledger().figures();
        let sent = |family, path| figures.number(family, &[("path", path)]).cast_unsigned();
        let both = |path| {
            (
                sent("euryale_blobs_total", path),
                sent("euryale_blob_bytes_total", path),
            )
        };
        Self {
            sendfile: both("sendfile"),
            read: both("read"),
        }
    }

    /// Waits until these were sent: a peer has the last bytes a little before they are counted.
    async fn is(site: &Site, sendfile: (u64, usize), read: (u64, usize)) {
        let expected = Self {
            sendfile: (sendfile.0, sendfile.1 as u64),
            read: (read.0, read.1 as u64),
        };
        eventually(&format!("{expected:?}"), || Self::of(site) == expected).await;
    }
}

/// A client that requests a file and reads at a given speed.
struct Peer(RawClient);

impl Peer {
    async fn connect(to: SocketAddr) -> Self {
        Self(RawClient::connect(to).await.unwrap())
    }

    /// Requests `/file`, with these lines in the head.
    async fn ask(&mut self, lines: &str) {
        self.ask_for("file", lines).await;
    }

    async fn ask_for(&mut self, name: &str, lines: &str) {
        let request = format!("GET /{name} HTTP/1.1\r\nhost: test\r\n{lines}\r\n");
        self.0.send(request).await.unwrap();
    }

    async fn head(&mut self) -> Head {
        self.0.read_head().await.unwrap()
    }

    async fn bytes(&mut self, len: usize) -> Vec<u8> {
        self.0.read_exactly(len).await.unwrap()
    }

    /// A response whose length is in its head.
    async fn answer(&mut self) -> (Head, Vec<u8>) {
        let head = self.head().await;
        let len = head.content_length().expect("a length");
        (head, self.bytes(len).await)
    }
}
