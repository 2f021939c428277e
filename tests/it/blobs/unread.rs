//! The bytes of a sent file are only addresses for `sendfile(2)`, and none of our code reads them.
//!
//! `Blob::stable` requires one of two promises. A host whose whole stack is ours, such as the one
//! for WSGI, may give the second one, that the bytes are never read, for files that may change.
//! These tests justify that: they keep the maps, and the kernel reports which of their pages were
//! touched.

use std::future::ready;
use std::io::Write;
use std::process;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::middleware::map_response;
use euryale::blob::OffloadLayer;
use euryale::body::UnnamedFile;
use euryale::transform::html_content::ContentType;
use euryale::transform::{EditHead, Handlers, Page, Rewrite, Transform, TransformChainLayer};
use euryale::{Abort, Blob, Body, BoxError, Request, Response, Transaction};
use euryale_test::{CountingDatabase, FileMap, maps_of};
use euryale_tests::Site;
use http::response;
use http_body_util::BodyExt;

use super::{LEN, Peer, Sent, content};

/// The length of the page, which is too long to be read into memory as a small file.
const PAGE: usize = 30_000;

/// Publishes `blob` in all ways in which a file can be sent.
fn publish(
    blob: &Blob,
    request: &Request,
    transaction: &mut Transaction<'_, CountingDatabase>,
) -> Result<Response, Abort> {
    transaction.connection()?;
    let path = request.uri().path();
    let blob = blob.clone();
    let (kind, body) = match path {
        "/page" => ("text/html", Body::from(blob.slice(0, PAGE as u64))),
        "/later" => {
            let later = async move { Ok::<_, BoxError>(Response::new(Body::from(blob))) };
            ("application/pdf", Body::deferred(later))
        }
        _ => ("application/pdf", Body::from(blob)),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", kind.parse()?);
    Ok(response)
}

/// Reads each response, and appends to each page.
struct Everything;

impl Transform for Everything {
    fn name(&self) -> &str {
        "everything"
    }

    fn order(&self) -> i32 {
        1
    }
}

impl EditHead for Everything {
    fn edit_head(&self, _page: &Page, response: &mut response::Parts) -> Result<(), BoxError> {
        response.headers.insert("x-seen", "yes".parse()?);
        Ok(())
    }
}

impl Rewrite for Everything {
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        handlers.end(|end| {
            end.append("!", ContentType::Text);
            Ok(())
        });
        Ok(())
    }
}

/// Middleware that looks at each chunk of a body.
fn looking(look: impl Fn(&Bytes) + Clone + Send + Sync + 'static, app: Router) -> Router {
    app.layer(map_response(move |response: axum::response::Response| {
        let look = look.clone();
        ready(response.map(|body| {
            axum::body::Body::new(body.inspect_frame(move |frame| {
                frame.data_ref().into_iter().for_each(&look);
            }))
        }))
    }))
}

/// A site of one file, whose maps live as long as the site.
struct Trial {
    blob: Blob,
    site: Site,
    chunks: Arc<Mutex<Vec<Bytes>>>,
}

impl Trial {
    /// With `inside` around the stack. A clone of a chunk keeps its map without reading it.
    async fn start(inside: impl FnOnce(Router) -> Router) -> Self {
        let mut file = UnnamedFile::create(std::env::temp_dir()).unwrap();
        file.write_all(&content(1, LEN)).unwrap();
        let blob = file.into_blob().unwrap();
        let published = blob.clone();
        let chunks = Arc::<Mutex<Vec<Bytes>>>::default();
        let kept = Arc::clone(&chunks);
        let keep = move |chunk: &Bytes| kept.lock().unwrap().push(chunk.clone());
        let around = |app| looking(keep, inside(app));
        let site = Site::behind(
            around,
            2,
            move |request: &Request, transaction: &mut Transaction<'_, CountingDatabase>| {
                publish(&published, request, transaction)
            },
        )
        .await;
        Self { blob, site, chunks }
    }

    async fn get(&self, target: &str, lines: &str) {
        let mut peer = Peer::connect(self.site.address).await;
        let lines = format!("connection: close\r\n{lines}");
        peer.ask_for(target, &lines).await;
        assert!(peer.0.read_rest().await.starts_with(b"HTTP/1.1 "));
    }

    fn maps(&self) -> Vec<FileMap> {
        maps_of(process::id(), self.blob.file()).unwrap()
    }

    async fn end(self) {
        self.chunks.lock().unwrap().clear();
        self.site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_layer_of_a_stack_reads_a_file_that_is_sent() {
    let chain = TransformChainLayer::new()
        .edit_head(Everything)
        .rewrite(Everything);
    let trial = Trial::start(|app| app.layer(OffloadLayer::new()).layer(chain)).await;
    let mut sent = (0, 0);
    for (target, lines, len) in [
        ("file", "", LEN),
        ("later", "", LEN),
        ("page", "", PAGE),
        ("file", "range: bytes=0-29999\r\n", 30_000),
        ("file", "range: bytes=4095-34096\r\n", 30_002),
        ("later", "range: bytes=70000-\r\n", LEN - 70_000),
        (
            "file",
            "if-none-match: \"another\"\r\naccept-encoding: gzip\r\n",
            LEN,
        ),
    ] {
        trial.get(target, lines).await;
        sent = (sent.0 + 1, sent.1 + len);
        Sent::is(&trial.site, sent, (0, 0)).await;
    }
    assert_eq!(trial.maps().len(), 7, "they are kept");
    // These are read into memory, and not through a map.
    for (target, lines) in [
        ("file", "range: bytes=4095-4096\r\n"),
        ("file", "range: bytes=0-9,5000-5009\r\n"),
        ("file", "range: bytes=999999999-\r\n"),
    ] {
        trial.get(target, lines).await;
    }
    let maps = trial.maps();
    assert!(
        maps.len() == 7 && maps.iter().all(|map| map.touched == 0),
        "{maps:?}"
    );
    trial.end().await;
}

/// The test above would fail for a layer that reads. This one reads, which is allowed for a file
/// that never changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_that_reads_a_file_is_found_out() {
    let read = |chunk: &Bytes| {
        std::hint::black_box(chunk.first().copied());
    };
    let trial = Trial::start(|app| looking(read, app)).await;
    trial.get("file", "range: bytes=70000-99999\r\n").await;
    assert!(
        matches!(*trial.maps(), [FileMap { touched: 1.., .. }]),
        "{:?}",
        trial.maps()
    );
    trial.end().await;
}
