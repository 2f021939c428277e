use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use euryale_core::body::Descriptors;
use euryale_core::{Ledger, Response};
use euryale_test::assert_quiet;
use http::{HeaderMap, Request};
use tower::{ServiceExt, service_fn};

use super::ServeFolder;
use super::coding::{Coding, accepted};
use super::name::{Name, Refused};
use super::open::{Found, find, open_in_steps};
use crate::ServeBlobLayer;
use crate::tests::{Answer, headers};

struct Fixture {
    around: tempfile::TempDir,
    ledger: Ledger,
}

impl Fixture {
    /// A file with a secret, and beside it a folder `root` with links in all directions.
    fn new() -> Self {
        let around = tempfile::tempdir().unwrap();
        let root = around.path().join("root");
        fs::create_dir_all(root.join("docs/empty")).unwrap();
        fs::create_dir_all(root.join(".well-known")).unwrap();
        for (name, content) in [
            ("../secret", "secret"),
            ("index.html", "<p>root"),
            ("docs/index.html", "<p>docs"),
            ("docs/a b.txt", "with a space"),
            ("app.js", "plain"),
            ("app.js.br", "br"),
            ("app.js.zst", "zst"),
            ("app.js.gz", "gz"),
            ("only.css", "only"),
            (".env", "hidden"),
            (".well-known/security.txt", "known"),
            ("no ending", "?"),
            ("%2e%2e", "literally"),
        ] {
            fs::write(root.join(name), content).unwrap();
        }
        symlink("../secret", root.join("out")).unwrap();
        symlink(around.path().join("secret"), root.join("absolute")).unwrap();
        symlink("index.html", root.join("within")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        Self {
            around,
            ledger: Ledger::new(),
        }
    }

    fn root(&self) -> std::path::PathBuf {
        self.around.path().join("root")
    }

    fn folder(&self) -> ServeFolder {
        ServeFolder::new(self.root()).blobs(&ServeBlobLayer::new().ledger(self.ledger.clone()))
    }

    async fn get(&self, folder: ServeFolder, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path).body(()).unwrap();
        *request.headers_mut() = headers(fields);
        let answer = Answer::of(folder.oneshot(request).await.unwrap()).await;
        assert_quiet(&self.ledger).await;
        answer
    }
}

#[tokio::test]
async fn files_and_indexes_of_folders_are_served() {
    let fixture = Fixture::new();
    for (path, status, body, media) in [
        ("/", 200, "<p>root", "text/html; charset=utf-8"),
        ("/index.html", 200, "<p>root", "text/html; charset=utf-8"),
        ("/docs/", 200, "<p>docs", "text/html; charset=utf-8"),
        (
            "/docs/a%20b.txt",
            200,
            "with a space",
            "text/plain; charset=utf-8",
        ),
        (
            "/%64ocs/index.html",
            200,
            "<p>docs",
            "text/html; charset=utf-8",
        ),
        ("/no%20ending", 200, "?", "application/octet-stream"),
        (
            "/.well-known/security.txt",
            200,
            "known",
            "text/plain; charset=utf-8",
        ),
        ("/%252e%252e", 200, "literally", "application/octet-stream"),
        ("/docs/empty/", 404, "", ""),
        ("/nothing", 404, "", ""),
        ("/index.html/", 404, "", ""),
        ("/index.html/x", 404, "", ""),
        ("/.env", 404, "", ""),
        ("/%2eenv", 404, "", ""),
    ] {
        let answer = fixture.get(fixture.folder(), path, &[]).await;
        let got = (
            answer.status.as_u16(),
            &answer.body[..],
            answer.header("content-type"),
        );
        assert_eq!(got, (status, body.as_bytes(), media), "{path}");
    }
    let answer = fixture
        .get(fixture.folder().dotfiles(true), "/.env", &[])
        .await;
    assert_eq!(&answer.body[..], b"hidden");
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let fixture = Fixture::new();
    for path in [
        "/../secret",
        "/..%2fsecret",
        "/%2e%2e/secret",
        "/%2e%2e%2fsecret",
        "/.%2e/secret",
        "/docs/../../secret",
        "/docs/..%2f..%2fsecret",
        "/..%5csecret",
        "/%5c..%5csecret",
        "/%252e%252e/secret",
        "/%c0%ae%c0%ae/secret",
        "/%ff/secret",
        "//secret",
        "///etc/passwd",
        "/%2fetc/passwd",
        "//etc/passwd",
        "/./index.html",
        "/docs//index.html",
        "/docs/./index.html",
        "/docs/%2e/index.html",
        "/out",
        "/absolute",
        "/within",
        "/up/secret",
        "/up/root/index.html",
        "/magic/etc/passwd",
        "/index.html.",
        "/..;/secret",
        "/...",
        "/~root",
        "/docs/%2e%2e/index.html",
        "/index.html%20",
        "/INDEX.HTML",
        "/docs%2findex.html",
    ] {
        for dotfiles in [false, true] {
            let answer = fixture
                .get(fixture.folder().dotfiles(dotfiles), path, &[])
                .await;
            assert_eq!(
                (answer.status.as_u16(), answer.body.len()),
                (404, 0),
                "{path}"
            );
        }
    }
    for path in ["/%00", "/index.html%00.txt", "/docs/%00/x"] {
        assert_eq!(
            fixture.get(fixture.folder(), path, &[]).await.status,
            400,
            "{path}"
        );
    }
}

/// The fallback for kernels without `openat2` has the same results.
#[test]
fn opening_step_by_step_does_not_leave_the_folder() {
    let fixture = Fixture::new();
    let root = fs::File::open(fixture.root()).unwrap().into();
    for path in ["index.html", "docs/index.html", "docs"] {
        assert!(open_in_steps(&root, Path::new(path)).is_ok(), "{path}");
    }
    for path in [
        "out",
        "absolute",
        "within",
        "up/secret",
        "up/root/index.html",
        "magic/etc/passwd",
        "nothing",
        "",
    ] {
        assert!(open_in_steps(&root, Path::new(path)).is_err(), "{path}");
    }
}

/// A name that alternates between a file and a link to elsewhere.
#[test]
fn a_race_with_a_link_does_not_leave_the_folder() {
    let fixture = Fixture::new();
    let root = fixture.root();
    let name = root.join("swap");
    let other = root.join("swapped");
    fs::write(&name, "inside").unwrap();
    symlink("../secret", &other).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    &name,
                    rustix::fs::CWD,
                    &other,
                    rustix::fs::RenameFlags::EXCHANGE,
                )
                .unwrap();
            }
        });
        let wanted = Name::of("/swap", false).unwrap();
        let descriptor = fs::File::open(&root).unwrap().into();
        for _ in 0..20_000 {
            if let Found::File { blob, .. } = find(&root, &wanted, &[], false).unwrap() {
                assert_eq!(blob.len(), 6);
                let mut content = [0; 6];
                std::os::unix::fs::FileExt::read_exact_at(blob.file(), &mut content, 0).unwrap();
                assert_eq!(&content, b"inside");
            }
            if let Ok(file) = open_in_steps(&descriptor, Path::new("swap")) {
                assert_eq!(
                    std::io::read_to_string(fs::File::from(file)).unwrap(),
                    "inside"
                );
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[tokio::test]
async fn a_folder_without_its_slash_is_redirected() {
    let fixture = Fixture::new();
    for (path, location) in [
        ("/docs", "./docs/"),
        ("/docs?a=b", "./docs/?a=b"),
        ("/docs/empty", "./empty/"),
    ] {
        let answer = fixture.get(fixture.folder(), path, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (307, location)
        );
    }
}

#[tokio::test]
async fn files_have_validators_and_ranges() {
    let fixture = Fixture::new();
    fs::File::open(fixture.root().join("index.html"))
        .unwrap()
        .set_modified(crate::tests::then())
        .unwrap();
    let answer = fixture
        .get(fixture.folder(), "/", &[("range", "bytes=3-")])
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body[..]),
        (206, &b"root"[..])
    );
    assert_eq!(answer.header("last-modified"), crate::tests::DATE);
    let etag = answer.header("etag").to_owned();
    assert_eq!(
        fixture
            .get(fixture.folder(), "/", &[("if-none-match", &etag)])
            .await
            .status,
        304
    );
    for (method, status) in [("HEAD", 200), ("POST", 405), ("OPTIONS", 405), ("PUT", 405)] {
        let request = Request::builder().method(method).body(()).unwrap();
        let answer = Answer::of(fixture.folder().oneshot(request).await.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0));
        assert_eq!(
            answer.header("allow"),
            if status == 405 { "GET, HEAD" } else { "" }
        );
        assert_eq!(
            answer.header("content-length"),
            if status == 200 { "7" } else { "" }
        );
    }
    assert_quiet(&fixture.ledger).await;
}

#[tokio::test]
async fn a_publisher_opens_only_files_below_the_folder() {
    let fixture = Fixture::new();
    let descriptors = Descriptors::new(4, &fixture.ledger);
    let folder = fixture.folder().descriptors(&descriptors);
    for (name, media) in [
        ("docs/a b.txt", "text/plain; charset=utf-8"),
        (".env", "application/octet-stream"),
        ("%2e%2e", "application/octet-stream"),
    ] {
        let blob = folder.open(name).unwrap().unwrap();
        assert_eq!(blob.media_type().unwrap(), media, "{name}");
        assert!(folder.open(name).is_err(), "the blob holds a descriptor");
    }
    for name in [
        "",
        ".",
        "/",
        "..",
        "docs",
        "docs/",
        "missing",
        "a\0b",
        "../secret",
        "docs/../app.js",
        "out",
        "absolute",
        "within",
        "up/secret",
        "magic/etc/passwd",
        "/etc/passwd",
    ] {
        assert!(folder.open(name).unwrap().is_none(), "{name}");
    }
    assert_quiet(&fixture.ledger).await;
}

#[tokio::test]
async fn precompressed_files_are_served() {
    let fixture = Fixture::new();
    let folder = || fixture.folder().precompressed(true);
    for (accept, body, coding) in [
        ("gzip, br, zstd", "br", "br"),
        ("gzip, zstd", "zst", "zstd"),
        ("gzip", "gz", "gzip"),
        ("x-gzip", "gz", "gzip"),
        ("gzip;q=1.0, br;q=0.5", "gz", "gzip"),
        ("br;q=0, gzip", "gz", "gzip"),
        ("*", "br", "br"),
        ("*;q=0.5, br;q=0", "zst", "zstd"),
        ("identity, gzip;q=0.5", "plain", ""),
        ("gzip;q=0", "plain", ""),
        ("gzip;q=2", "plain", ""),
        ("deflate", "plain", ""),
        ("", "plain", ""),
    ] {
        let answer = fixture
            .get(folder(), "/app.js", &[("accept-encoding", accept)])
            .await;
        assert_eq!(
            (&answer.body[..], answer.header("content-encoding")),
            (body.as_bytes(), coding),
            "{accept}"
        );
        assert_eq!(answer.header("vary"), "accept-encoding");
        assert_eq!(
            answer.header("content-type"),
            "text/javascript; charset=utf-8",
            "of what it is coded from"
        );
        let ranges = if coding.is_empty() { "bytes" } else { "none" };
        assert_eq!(answer.header("accept-ranges"), ranges);
        let etag = answer.header("etag").to_owned();
        let again = [
            ("accept-encoding", accept),
            ("if-none-match", etag.as_str()),
        ];
        let again = fixture.get(folder(), "/app.js", &again).await;
        assert_eq!(
            (again.status.as_u16(), again.header("vary")),
            (304, "accept-encoding")
        );
    }
    let ranged = [("accept-encoding", "gzip"), ("range", "bytes=1-2")];
    let answer = fixture.get(folder(), "/app.js", &ranged).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body[..]),
        (206, &b"la"[..]),
        "of the file itself"
    );
    let answer = fixture
        .get(folder(), "/only.css", &[("accept-encoding", "gzip, br")])
        .await;
    assert_eq!(
        (&answer.body[..], answer.header("content-encoding")),
        (&b"only"[..], "")
    );
    let answer = fixture
        .get(fixture.folder(), "/app.js", &[("accept-encoding", "gzip")])
        .await;
    assert_eq!(
        (&answer.body[..], answer.header("vary")),
        (&b"plain"[..], ""),
        "not unless it is asked for"
    );
}

/// `Range` has a meaning only with GET (RFC 9110 §14.2), so the head is that of a GET without it.
#[tokio::test]
async fn head_ignores_a_range() {
    let fixture = Fixture::new();
    let fields = [("accept-encoding", "gzip"), ("range", "bytes=1-2")];
    let mut heads = Vec::new();
    for fields in [&fields[..1], &fields] {
        let mut request = Request::head("/app.js").body(()).unwrap();
        *request.headers_mut() = headers(fields);
        let answer = Answer::of(
            fixture
                .folder()
                .precompressed(true)
                .oneshot(request)
                .await
                .unwrap(),
        )
        .await;
        let said = [
            "content-encoding",
            "content-length",
            "etag",
            "accept-ranges",
        ];
        heads.push(said.map(|name| answer.header(name).to_owned()));
    }
    assert_eq!(heads[1], heads[0]);
    assert_eq!(heads[1][..2], ["gzip", "2"]);
    assert_quiet(&fixture.ledger).await;
}

/// Both files have the same length and time but different bytes.
#[tokio::test]
async fn each_coding_has_its_own_tag() {
    let fixture = Fixture::new();
    for name in ["app.js", "app.js.br", "app.js.gz"] {
        fs::write(fixture.root().join(name), "5 byt").unwrap();
        fs::File::open(fixture.root().join(name))
            .unwrap()
            .set_modified(crate::tests::then())
            .unwrap();
    }
    let mut tags = std::collections::BTreeSet::new();
    for accept in ["", "br", "gzip"] {
        let folder = fixture.folder().precompressed(true);
        let answer = fixture
            .get(folder, "/app.js", &[("accept-encoding", accept)])
            .await;
        let tag = answer.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.contains(accept), "{tag}");
        tags.insert(tag);
    }
    assert_eq!(tags.len(), 3, "{tags:?}");
}

/// The compressed file is unreadable, but the file itself is readable.
#[cfg(target_os = "linux")]
#[test]
fn an_unreadable_coded_file_is_skipped() {
    let fixture = Fixture::new();
    let root = fixture.root();
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(root.join("app.js.br"), mode(0)).unwrap();
    let wanted = Name::of("/app.js", false).unwrap();
    // The capabilities are dropped in a separate thread, so that permissions apply to it even as
    // root.
    let found = std::thread::spawn(move || {
        rustix::thread::set_capabilities(
            None,
            rustix::thread::CapabilitySets {
                effective: rustix::thread::CapabilitySet::empty(),
                permitted: rustix::thread::CapabilitySet::empty(),
                inheritable: rustix::thread::CapabilitySet::empty(),
            },
        )
        .unwrap();
        assert!(fs::File::open(root.join("app.js.br")).is_err());
        find(&root, &wanted, &[Coding::Brotli, Coding::Gzip], false).unwrap()
    });
    let Found::File { coding, .. } = found.join().unwrap() else {
        panic!("nothing found")
    };
    assert_eq!(coding, Some(Coding::Gzip));
}

#[test]
fn long_lists_of_codings_cost_bounded_work() {
    let mut fields = HeaderMap::new();
    fields.insert("accept-encoding", "a,".repeat(10_000).parse().unwrap());
    assert!(accepted(&fields).is_empty());
}

#[tokio::test]
async fn missing_files_are_passed_to_the_fallback() {
    let fixture = Fixture::new();
    let other = service_fn(async |request: Request<()>| {
        Ok::<_, Infallible>(Response::<euryale_core::Body>::new(
            format!("no {}", request.uri().path()).into(),
        ))
    });
    let folder = fixture.folder().fallback(other);
    for (path, body) in [
        ("/nothing", "no /nothing"),
        ("/out", "no /out"),
        ("/..%2fsecret", "no /..%2fsecret"),
    ] {
        let answer = folder
            .clone()
            .oneshot(Request::get(path).body(()).unwrap())
            .await
            .unwrap();
        assert_eq!(&Answer::of(answer).await.body[..], body.as_bytes());
    }
    assert_quiet(&fixture.ledger).await;
}

#[tokio::test]
async fn opening_a_pipe_does_not_block() {
    let fixture = Fixture::new();
    let pipe = fixture.root().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert_eq!(
        fixture.get(fixture.folder(), "/pipe", &[]).await.status,
        404
    );
    let missing = ServeFolder::new(fixture.root().join("not there"));
    assert_eq!(
        fixture.get(missing, "/", &[]).await.status,
        500,
        "a folder that is not there is a fault of ours"
    );
}

#[test]
fn names() {
    let name = |path, is_folder| {
        Ok(Name {
            path: Path::new(path).into(),
            is_folder,
        })
    };
    assert_eq!(Name::of("/", false), name("index.html", true));
    assert_eq!(Name::of("", false), name("index.html", true));
    assert_eq!(Name::of("/a/b", false), name("a/b", false));
    assert_eq!(Name::of("/a/b/", false), name("a/b/index.html", true));
    assert_eq!(Name::of("*", false), name("*", false));
    assert_eq!(Name::of("//", false), Err(Refused::Unknown));
    assert_eq!(Name::of("/a/.well-known", false), Err(Refused::Unknown));
}

/// A browser shows a compressed drawing only if the answer names the coding.
#[tokio::test]
async fn a_compressed_drawing_is_sent_with_its_coding() {
    let fixture = Fixture::new();
    fs::write(fixture.root().join("onion.SVGZ"), "0123456789").unwrap();
    for accept in ["", "gzip, br", "gzip;q=0"] {
        let folder = fixture.folder().precompressed(true);
        let fields = [("accept-encoding", accept)];
        let answer = fixture.get(folder, "/onion.SVGZ", &fields).await;
        assert_eq!(answer.header("content-type"), "image/svg+xml");
        assert_eq!(answer.header("content-encoding"), "gzip", "{accept}");
        assert_eq!(&answer.body[..], b"0123456789");
    }
    let part = [("range", "bytes=-3")];
    let answer = fixture.get(fixture.folder(), "/onion.SVGZ", &part).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body[..]),
        (206, &b"789"[..])
    );
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_quiet(&fixture.ledger).await;
}

#[tokio::test]
async fn a_file_beyond_the_budget_of_descriptors_is_answered_503() {
    let fixture = Fixture::new();
    // The number of descriptors that a lookup needs.
    let descriptors = Descriptors::new(4, &fixture.ledger);
    let folder = || fixture.folder().descriptors(&descriptors);
    let request = || Request::get("/app.js").body(()).unwrap();
    let sent = folder().oneshot(request()).await.unwrap();
    assert_eq!(sent.status(), 200);
    assert_eq!(fixture.ledger.descriptors.in_use.get(), 1, "the file");
    let refused = folder().oneshot(request()).await.unwrap();
    assert_eq!(refused.status(), 503);
    drop(sent);
    for path in ["/missing", "/docs", "/app.js"] {
        drop(fixture.get(folder(), path, &[]).await);
    }
    assert_eq!(fixture.ledger.descriptors.refused.get(), 1);
}
