use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use euryale_core::body::BlobHandle;
use euryale_core::{Blob, Body, Ledger, Response};
use euryale_test::assert_quiet;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::place::{Map, value};
use super::{BlobPath, NoOffload, OffloadLayer, OffloadTo};
use crate::tests::headers;
use crate::{BlobBook, ServeBlobLayer};

const CONTENT: &[u8] = b"0123456789";

/// Returns a response with the file at `path` and its `BlobPath`.
fn response(path: &Path) -> Response {
    let mut response = Response::new(Body::from(
        Blob::new(fs::File::open(path).unwrap()).unwrap(),
    ));
    response.headers_mut().extend(headers(&[
        ("content-type", "text/x"),
        ("etag", "\"t\""),
        ("cache-control", "private"),
        ("content-disposition", "inline"),
        ("content-length", "10"),
        ("x-accel-redirect", "/etc/passwd"),
        ("x-accel-limit-rate", "1"),
        ("x-sendfile", "/etc/passwd"),
        ("x-lighttpd-send-file", "/etc/passwd"),
    ]));
    response.extensions_mut().insert(BlobPath(path.into()));
    response
}

struct Fixture {
    folder: tempfile::TempDir,
    ledger: Ledger,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a file"), CONTENT).unwrap();
        Self {
            folder,
            ledger: Ledger::new(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("a file")
    }

    fn layer(&self) -> OffloadLayer {
        OffloadLayer::new()
            .map(self.folder.path(), "/internal/")
            .ledger(self.ledger.clone())
    }

    /// Sends a request through the layer with `ServeBlob` around it, and returns the head and the
    /// body.
    async fn ask(
        &self,
        layer: OffloadLayer,
        request: Request<()>,
        make: impl Fn(&Request<()>) -> Response + Send + Sync + Clone + 'static,
    ) -> (http::response::Parts, Vec<u8>) {
        let serve = ServeBlobLayer::new().ledger(self.ledger.clone());
        let service = service_fn(move |request: Request<()>| {
            let response = make(&request);
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let service = ServiceBuilder::new()
            .layer(serve)
            .layer(layer)
            .service(service);
        let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        assert!(parts.extensions.get::<BlobHandle>().is_none() || !body.is_empty());
        (parts, body)
    }
}

impl Fixture {
    /// Returns where a trusted proxy that sends these fields finds the file, or `None` if the file
    /// is streamed.
    async fn place(&self, layer: OffloadLayer, fields: &[(&'static str, &str)]) -> Option<String> {
        let mut request = Request::new(());
        for (name, value) in fields {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let path = self.path();
        let layer = layer.trusted(|_| true);
        let (parts, body) = self.ask(layer, request, move |_| response(&path)).await;
        let place = parts
            .headers
            .get("x-accel-redirect")
            .map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(body.is_empty(), place.is_some());
        place
    }
}

fn asking(to: OffloadTo) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(to);
    request
}

fn orders(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let orders = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-"));
    orders
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_proxy_that_asked_gets_a_path_and_no_body() {
    let fixture = Fixture::new();
    let path = fixture.path();
    let encoded = path.to_str().unwrap().replace(' ', "%20");
    for (to, field, value) in [
        (OffloadTo::Accel, "x-accel-redirect", "/internal/a%20file"),
        (OffloadTo::Sendfile, "x-sendfile", encoded.as_str()),
    ] {
        for method in ["GET", "HEAD"] {
            let mut request = asking(to);
            *request.method_mut() = method.parse().unwrap();
            request.headers_mut().extend(headers(&[
                ("range", "bytes=0-1"),
                ("if-none-match", "\"t\""),
            ]));
            let path = path.clone();
            let (parts, body) = fixture
                .ask(fixture.layer(), request, move |_| response(&path))
                .await;
            assert_eq!(
                (parts.status.as_u16(), body.len()),
                (200, 0),
                "the rest is the proxy's business"
            );
            assert_eq!(orders(&parts.headers), [(field, value)]);
            for (name, value) in [
                ("content-type", "text/x"),
                ("etag", "\"t\""),
                ("cache-control", "private"),
            ] {
                assert_eq!(parts.headers[name], value);
            }
            assert_eq!(parts.headers["content-disposition"], "inline");
            assert!(!parts.headers.contains_key("content-length"));
        }
    }
    assert_eq!(
        (
            fixture.ledger.of::<BlobBook>().offload.get(),
            fixture.ledger.of::<BlobBook>().read.get()
        ),
        (4, 0)
    );
    assert_quiet(&fixture.ledger).await;
}

/// Instructions to a proxy pass the layer neither inwards nor outwards.
#[tokio::test]
async fn instructions_of_clients_and_publishers_are_removed() {
    let fixture = Fixture::new();
    let inside = fixture.path();
    let mut request = Request::new(());
    request.headers_mut().extend(headers(&[
        ("x-sendfile-type", "X-Accel-Redirect"),
        ("x-accel-mapping", "/=/"),
        ("x-accel-redirect", "/etc/passwd"),
        ("x-accel-anything", "1"),
        ("x-sendfile", "/etc/passwd"),
        ("x-other", "stays"),
    ]));
    let trusts_nobody = fixture.layer().trusted(|_| false);
    for layer in [fixture.layer(), trusts_nobody] {
        let inside = inside.clone();
        let (parts, body) = fixture
            .ask(layer, request.clone(), move |request| {
                assert_eq!(orders(request.headers()), [("x-other", "stays")]);
                response(&inside)
            })
            .await;
        assert_eq!((orders(&parts.headers), &body[..]), (vec![], CONTENT));
    }
    // An error of the publisher, with an instruction to the proxy in it.
    let (parts, _) = fixture
        .ask(fixture.layer(), asking(OffloadTo::Accel), |_| {
            let mut response = Response::new(Body::from("no"));
            response.headers_mut().extend(headers(&[
                ("x-accel-redirect", "/x"),
                ("X-Accel-Expires", "1"),
            ]));
            response
        })
        .await;
    assert_eq!(orders(&parts.headers), []);
    assert_eq!(fixture.ledger.of::<BlobBook>().offload.get(), 0);
    assert_quiet(&fixture.ledger).await;
}

#[tokio::test]
async fn the_sendfile_type_of_a_trusted_proxy_is_accepted() {
    let fixture = Fixture::new();
    let kind = ("x-sendfile-type", "X-Accel-Redirect");
    for (fields, expected) in [
        (vec![kind], Some("/internal/a%20file")),
        (
            vec![("x-sendfile-type", "x-accel-redirect")],
            Some("/internal/a%20file"),
        ),
        (vec![kind, ("x-sendfile-type", "X-Sendfile")], None),
        (vec![("x-sendfile-type", "X-Other")], None),
        (vec![("x-accel-mapping", "/=/theirs")], None),
    ] {
        assert_eq!(
            fixture.place(fixture.layer(), &fields).await.as_deref(),
            expected,
            "{fields:?}"
        );
    }
    assert_quiet(&fixture.ledger).await;
}

/// nginx passes on fields that it does not set, so a mapping in a request may be forged by a
/// client.
#[tokio::test]
async fn the_operator_maps_folders_to_prefixes() {
    let fixture = Fixture::new();
    let folder = fixture.folder.path().to_str().unwrap().to_owned();
    for mapping in [
        format!("{folder}=/other-internal?"),
        format!("{folder}=/theirs"),
        "nonsense".to_owned(),
    ] {
        let fields = [
            ("x-sendfile-type", "X-Accel-Redirect"),
            ("x-accel-mapping", &mapping),
        ];
        let place = fixture.place(fixture.layer(), &fields).await;
        assert_eq!(place.as_deref(), Some("/internal/a%20file"), "{mapping}");
        let without = OffloadLayer::new().ledger(fixture.ledger.clone());
        assert_eq!(fixture.place(without, &fields).await, None, "{mapping}");
    }
    assert_quiet(&fixture.ledger).await;
}

#[tokio::test]
async fn a_mapping_of_the_proxy_is_accepted_if_enabled() {
    let fixture = Fixture::new();
    let folder = fixture.folder.path().to_str().unwrap().to_owned();
    let theirs = |prefix: &str| format!("/elsewhere=/no, {folder}/={prefix}");
    for (mapping, expected) in [
        (theirs("/theirs/"), Some("/theirs/a%20file")),
        (theirs("/their%20own"), Some("/their%20own/a%20file")),
        ("/elsewhere=/no".to_owned(), None),
        ("nonsense".to_owned(), None),
        ("relative=/x".to_owned(), None),
        (theirs("relative"), None),
        (theirs("/other?"), None),
        (theirs("/other#"), None),
        (theirs("/theirs/../other"), None),
        (theirs("/theirs/%2e%2E/other"), None),
        (theirs("/theirs%2f..%2fother"), None),
    ] {
        let layer = fixture.layer().mapping_from_proxy();
        let fields = [
            ("x-sendfile-type", "X-Accel-Redirect"),
            ("x-accel-mapping", &mapping),
        ];
        assert_eq!(
            fixture.place(layer, &fields).await.as_deref(),
            expected,
            "{mapping}"
        );
    }
    let place = fixture.place(
        fixture.layer().mapping_from_proxy(),
        &[("x-sendfile-type", "X-Accel-Redirect")],
    );
    assert_eq!(
        place.await.as_deref(),
        Some("/internal/a%20file"),
        "its own, when the proxy says nothing"
    );
    assert_quiet(&fixture.ledger).await;
}

/// A blob is streamed whenever one of the conditions is not met.
#[tokio::test]
async fn a_blob_is_streamed_if_any_condition_is_not_met() {
    type Change = fn(&mut Response, &Path);
    let fixture = Fixture::new();
    let changes: [(&str, Change); 9] = [
        ("no path", |response, _| {
            drop(response.extensions_mut().remove::<BlobPath>());
        }),
        ("switched off", |response, _| {
            response.extensions_mut().insert(NoOffload);
        }),
        ("replaced", |_, path| {
            fs::write(path.with_extension("new"), b"another").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        }),
        ("renamed", |_, path| {
            fs::rename(path, path.with_extension("else")).unwrap();
        }),
        ("outside", |response, _| {
            drop(
                response
                    .extensions_mut()
                    .insert(BlobPath("/etc/passwd".into())),
            );
        }),
        ("upwards", |response, path| {
            let up = path.parent().unwrap().join("x/../a file");
            response.extensions_mut().insert(BlobPath(up));
        }),
        ("relative", |response, _| {
            drop(response.extensions_mut().insert(BlobPath("a file".into())));
        }),
        ("the folder itself", |response, path| {
            response
                .extensions_mut()
                .insert(BlobPath(path.parent().unwrap().into()));
        }),
        ("coded", |response, _| {
            response
                .headers_mut()
                .insert("content-encoding", "x".parse().unwrap());
        }),
    ];
    for (what, change) in changes {
        let path = fixture.path();
        fs::write(&path, CONTENT).unwrap();
        let (parts, body) = fixture
            .ask(fixture.layer(), asking(OffloadTo::Accel), move |_| {
                let mut response = response(&path);
                change(&mut response, &path);
                response
            })
            .await;
        assert_eq!(
            (orders(&parts.headers), &body[..]),
            (vec![], CONTENT),
            "{what}"
        );
    }
    let path = fixture.path();
    fs::write(&path, CONTENT).unwrap();
    let mut request = asking(OffloadTo::Accel);
    *request.method_mut() = http::Method::POST;
    let (parts, body) = fixture
        .ask(fixture.layer(), request, move |_| response(&path))
        .await;
    assert_eq!(
        (orders(&parts.headers), &body[..]),
        (vec![], CONTENT),
        "only GET and HEAD"
    );
    assert_eq!(fixture.ledger.of::<BlobBook>().offload.get(), 0);
    assert_quiet(&fixture.ledger).await;
}

/// The blob is only a part of its file, but a proxy would send all of it.
#[tokio::test]
async fn a_slice_is_streamed() {
    let fixture = Fixture::new();
    let path = fixture.path();
    let (parts, body) = fixture
        .ask(fixture.layer(), asking(OffloadTo::Sendfile), move |_| {
            let blob = Blob::new(fs::File::open(&path).unwrap())
                .unwrap()
                .slice(0, 5);
            let mut response = Response::new(Body::from(blob));
            response.extensions_mut().insert(BlobPath(path.clone()));
            response.extensions_mut().remove::<BlobHandle>();
            response
        })
        .await;
    assert_eq!(body, b"01234");
    assert_eq!(orders(&parts.headers), []);
    assert_quiet(&fixture.ledger).await;
}

#[test]
fn names_are_encoded_and_cannot_leave_the_folder() {
    let maps = [
        Map::new("/srv".into(), "/i"),
        Map::new("/srv/deep/".into(), "/deep/"),
        Map::new("/".into(), "/all"),
    ];
    for (path, expected) in [
        ("/srv/a.txt", Some("/i/a.txt")),
        ("/srv/deep/a", Some("/deep/a")),
        ("/srv/deeper/a", Some("/i/deeper/a")),
        ("/srv//x/./y", Some("/i/x/y")),
        ("/srv/a b?c#d%41", Some("/i/a%20b%3Fc%23d%2541")),
        ("/srv/ü\r\nX-Evil: 1", Some("/i/%C3%BC%0D%0AX-Evil%3A%201")),
        ("/srv/%2e%2e/%2f", Some("/i/%252e%252e/%252f")),
        ("/srv/..a/...", Some("/i/..a/...")),
        ("/else/a", Some("/all/else/a")),
        ("/srv/../etc/passwd", None),
        ("/srv/deep/..", None),
        ("/srv/deep", None),
        ("/", None),
        ("srv/a", None),
        ("", None),
    ] {
        let value = value(OffloadTo::Accel, &maps, Path::new(path));
        assert_eq!(
            value.as_ref().map(|value| value.to_str().unwrap()),
            expected,
            "{path}"
        );
    }
    assert_eq!(
        value(OffloadTo::Sendfile, &maps[..1], Path::new("/srv/a b")).unwrap(),
        "/srv/a%20b"
    );
    assert_eq!(
        value(OffloadTo::Sendfile, &maps[..1], Path::new("/etc/passwd")),
        None
    );
}

#[tokio::test]
async fn only_plain_names_are_left_to_a_proxy_that_does_not_decode() {
    let fixture = Fixture::new();
    let plain = fixture.folder.path().join("a-file_1~.x");
    fs::write(&plain, CONTENT).unwrap();
    for (path, to, is_left) in [
        (fixture.path(), OffloadTo::Sendfile, false),
        (plain.clone(), OffloadTo::Sendfile, true),
        (fixture.path(), OffloadTo::Accel, true),
    ] {
        let layer = fixture.layer().only_plain_names();
        let answer = fixture.ask(layer, asking(to), move |_| response(&path));
        let (_, body) = answer.await;
        assert_eq!(body.is_empty(), is_left);
    }
}
