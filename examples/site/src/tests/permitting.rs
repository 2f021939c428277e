//! Permissions to write and to use the demonstrations, and the hosts that are answered.

use euryale::spool::SpoolBook;
use http::{Method, Uri};

use super::{Answer, Site, header};
use crate::serve::permits::Permits;

/// Each of these makes a site reachable for others.
const DEPLOYED: [&str; 5] = [
    "--host=localhost",
    "--trusted-proxy=192.0.2.1",
    "--virtual-host-proxy=192.0.2.1",
    "--virtual-host=shown.test/guides",
    "--proxy-protocol=192.0.2.1",
];

const DEMONSTRATIONS: [&str; 7] = [
    "/@@slow?ms=1",
    "/@@deferred?ms=1",
    "/@@promises?n=1&ms=1",
    "/@@feed?url=http://localhost/",
    "/@@counter",
    "/@@visitor",
    "/@@echo",
];

/// Method, address and body of requests that write, or that show a form for it.
const WRITES: [(&str, &str, &str); 9] = [
    ("POST", "/made", "title=Made&body="),
    ("POST", "/guides", "name=made&title=Made&body="),
    ("POST", "/history?delete", ""),
    ("DELETE", "/history", ""),
    ("PUT", "/made", "x"),
    ("PROPPATCH", "/made", "x"),
    ("GET", "/history?delete", ""),
    ("GET", "/history?edit", ""),
    ("GET", "/history?new", ""),
];

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

async fn write(site: &Site, fields: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (method, path, body) in WRITES {
        let fields = format!("{FORM}{fields}");
        answers.push(site.send(method, path, &fields, body).await);
    }
    answers
}

/// Nothing is changed, and nothing is kept in the spool.
async fn is_untouched(site: &Site) {
    let local = ["/made", "/guides/made", "/history"].map(|path| site.get(path));
    let [made, inside, history] = local;
    assert_eq!(made.await.status, 404);
    assert_eq!(inside.await.status, 404);
    assert_eq!(history.await.status, 200);
    assert_eq!(site.ledger.of::<SpoolBook>().bytes.get(), 0);
}

#[tokio::test]
async fn site_that_is_not_local_refuses_writing_and_demonstrations() {
    for flag in DEPLOYED {
        let site = Site::start_with(1, &[flag]).await;
        for answer in write(&site, "").await {
            assert_eq!(answer.status, 403, "{flag}");
            assert!(answer.text().contains("--allow-writes"), "{flag}");
        }
        for path in DEMONSTRATIONS {
            let answer = site.get(path).await;
            assert_eq!(answer.status, 403, "{flag} {path}");
            assert!(answer.text().contains("--demo"), "{flag} {path}");
        }
        is_untouched(&site).await;
        for path in [
            "/",
            "/?q=worker",
            "/@@export?path=/history",
            "/pictures/chord.wav",
        ] {
            assert_eq!(site.get(path).await.status, 200, "{flag} {path}");
        }
        site.end().await;
    }
}

#[tokio::test]
async fn request_that_names_a_proxy_is_never_local() {
    let site = Site::start(1).await;
    for field in [
        "via: 1.1 proxy\r\n",
        "forwarded: for=192.0.2.7\r\n",
        "x-forwarded-for: 192.0.2.7\r\n",
        "x-forwarded-host: localhost\r\n",
        "x-forwarded-server: a\r\n",
        "X-Forwarded-Proto:\r\n",
    ] {
        for answer in write(&site, field).await {
            assert_eq!(answer.status, 403, "{field}");
        }
        assert_eq!(
            site.send("GET", "/@@slow?ms=1", field, "").await.status,
            403
        );
        assert_eq!(site.send("GET", "/history", field, "").await.status, 200);
        is_untouched(&site).await;
    }
    site.end().await;
}

#[tokio::test]
async fn each_flag_permits_what_it_names() {
    let form = "title=X&body=";
    let writes = Site::start_with(1, &["--host=localhost", "--allow-writes"]).await;
    assert_eq!(writes.send("POST", "/x", FORM, form).await.status, 201);
    assert_eq!(writes.get("/@@slow?ms=1").await.status, 403);
    let both = writes.post("/@@counter").await.text();
    assert!(
        both.contains("--demo") && !both.contains("--allow"),
        "{both}"
    );
    writes.end().await;

    let demo = Site::start_with(1, &["--host=localhost", "--demo"]).await;
    assert_eq!(demo.send("POST", "/x", FORM, form).await.status, 403);
    assert_eq!(demo.get("/@@slow?ms=1").await.status, 200);
    assert_eq!(demo.get("/@@counter").await.text(), "0\n");
    for mode in ["late", "wrapped", "boxed"] {
        let path = format!("/@@counter?mode={mode}");
        assert_eq!(demo.get(&path).await.status, 403, "a GET that writes");
    }
    assert_eq!(demo.post("/@@counter").await.status, 403);
    assert_eq!(demo.get("/@@counter").await.text(), "0\n");
    demo.end().await;

    let neither = Site::start_with(1, &["--allow-writes=false", "--demo=false"]).await;
    assert_eq!(neither.send("POST", "/x", FORM, form).await.status, 403);
    assert_eq!(neither.get("/@@slow?ms=1").await.status, 403);
    neither.end().await;
}

#[test]
fn new_method_writes_and_new_name_is_a_demonstration() {
    let refuses = |permits: Permits, method: &str, path: &'static str| {
        let method: Method = method.parse().unwrap();
        permits.refuse(&method, &Uri::from_static(path))
    };
    let nothing = Permits::default();
    for method in ["PATCH", "MKCOL", "COPY", "LOCK", "UNHEARD-OF"] {
        assert!(refuses(nothing, method, "/history"), "{method}");
    }
    assert!(refuses(nothing, "GET", "/@@unheard-of"));
    let writes = Permits {
        writes: true,
        demo: false,
    };
    assert!(refuses(writes, "POST", "/@@unheard-of"));
    assert!(!refuses(writes, "POST", "/history"));
}

#[tokio::test]
async fn options_are_never_refused_by_permissions() {
    let site = Site::start_with(1, &["--host=localhost"]).await;
    for path in ["/", "/history?edit", "/@@slow", "/@@counter?mode=late"] {
        assert_ne!(
            site.send("OPTIONS", path, "", "").await.status,
            403,
            "{path}"
        );
    }
    site.end().await;
}

#[tokio::test]
async fn refusal_is_a_page_with_the_navigation() {
    let site = Site::start_with(1, &["--host=localhost"]).await;
    for (method, path, flag) in [
        ("POST", "/history", "--allow-writes"),
        ("GET", "/history?edit", "--allow-writes"),
        ("GET", "/@@visitor", "--demo"),
        ("GET", "/@@echo", "--demo"),
    ] {
        let page = site.browse(method, path).await;
        assert_eq!(page.status, 403, "{path}");
        let text = page.text();
        for part in ["<h1>Forbidden</h1>", flag, "href=\"/guides\"", "/@@theme/"] {
            assert!(text.contains(part), "{path} has no {part}: {text}");
        }
    }
    let problem = site.post("/history").await;
    assert_eq!(header(&problem, "content-type"), "application/problem+json");
    let head = site.browse("HEAD", "/history?edit").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (403, 0));
    site.end().await;
}

#[tokio::test]
async fn links_that_would_be_refused_are_not_shown() {
    let links = ["?edit", "?new", "?delete"];
    let open = Site::start(1).await;
    let page = open.browse("GET", "/pictures").await.text();
    assert!(links.iter().all(|link| page.contains(link)), "{page}");
    let home = open.browse("GET", "/").await.text();
    assert!(home.contains("href=\"/@@counter\""), "{home}");
    // Requests through a proxy get pages without these permissions, although the site is local.
    let home = open.send("GET", "/", "via: 1.1 a\r\naccept: text/html\r\n", "");
    let home = home.await.text();
    assert!(!home.contains("href=\"/@@counter\"") && home.contains("<dt>Counter</dt>"));
    open.end().await;

    let site = Site::start_with(1, &["--host=localhost"]).await;
    for path in ["/", "/try", "/pictures", "/guides", "/guides/cap"] {
        let page = site.browse("GET", path).await.text();
        let shown = super::proxying::links(&page);
        let is_refused = |link: &&&str| link.contains("/@@counter") || is_form(link);
        let refused: Vec<_> = shown.iter().filter(is_refused).collect();
        assert!(refused.is_empty(), "{path}: {refused:?}");
        assert!(!page.contains("class=\"tools\"") || page.contains("Search in this folder"));
    }
    site.end().await;

    fn is_form(link: &str) -> bool {
        ["?edit", "?new", "?delete"]
            .iter()
            .any(|form| link.contains(form))
    }
}

/// The request of a page of `evil.example` whose name was changed to resolve to `127.0.0.1`.
#[tokio::test]
async fn local_site_answers_localhost_and_addresses_only() {
    let site = Site::start(1).await;
    let ask = async |method: &str, version: &str, host: &str| {
        let mut peer = site.peer().await;
        let head = format!(
            "{method} /@@counter {version}\r\n{host}content-length: 0\r\nconnection: close\r\n\
             origin: http://evil.example\r\nsec-fetch-site: same-origin\r\n\r\n"
        );
        peer.send(head).await.unwrap();
        peer.read_answer(false).await.unwrap().status.as_u16()
    };
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
    ] {
        let host = format!("host: {host}\r\n");
        assert_eq!(ask("POST", "HTTP/1.1", &host).await, 421, "{host}");
        assert_eq!(ask("GET", "HTTP/1.0", &host).await, 421, "{host}");
    }
    for host in ["localhost:8080", "127.0.0.1", "[::1]:8080", "192.0.2.7"] {
        let host = format!("host: {host}\r\n");
        assert_eq!(ask("GET", "HTTP/1.1", &host).await, 200, "{host}");
    }
    assert_eq!(ask("GET", "HTTP/1.0", "").await, 200);
    assert_eq!(site.get("/@@counter").await.text(), "0\n");
    site.end().await;
}

/// Requests that a page elsewhere makes a browser send: by a picture, a frame, a script, a form.
#[tokio::test(flavor = "multi_thread")]
async fn requests_from_other_sites_neither_write_nor_hold_a_worker() {
    let site = Site::start(1).await;
    let get =
        async |path: &str, fields: &str| site.send("GET", path, fields, "").await.status.as_u16();
    for other in ["cross-site", "same-site"] {
        let other = format!("sec-fetch-site: {other}\r\n");
        let picture = format!("{other}sec-fetch-mode: no-cors\r\nsec-fetch-dest: image\r\n");
        let frame = format!("{other}sec-fetch-mode: navigate\r\nsec-fetch-dest: iframe\r\n");
        let script = format!("{other}sec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n");
        let link = format!("{script}sec-fetch-user: ?1\r\n");
        for fields in [&other, &picture, &frame, &script] {
            for path in DEMONSTRATIONS {
                assert_eq!(get(path, fields).await, 403, "{path} {fields}");
            }
            for path in ["/history?edit", "/history?new", "/history?delete"] {
                assert_eq!(get(path, fields).await, 403, "{path} {fields}");
            }
        }
        for fields in [&other, &picture, &frame, &script, &link] {
            for mode in ["late", "wrapped", "boxed"] {
                let path = format!("/@@counter?mode={mode}");
                assert_eq!(get(&path, fields).await, 403, "{path} {fields}");
            }
        }
        // A click on a link elsewhere is one request, and the user sees its answer.
        for path in ["/@@slow?ms=1", "/@@visitor", "/history?edit"] {
            assert_eq!(get(path, &link).await, 200, "{path}");
        }
        for path in ["/", "/?q=worker", "/pictures/chord.wav"] {
            assert_eq!(get(path, &picture).await, 200, "{path}");
        }
        let refused = site.send("GET", "/@@slow?ms=1", &other, "").await;
        assert!(
            refused.text().contains("Another site"),
            "{}",
            refused.text()
        );
    }
    for own in ["same-origin", "none"] {
        let own = format!("sec-fetch-site: {own}\r\n");
        assert_eq!(get("/@@slow?ms=1", &own).await, 200);
        assert_eq!(get("/@@counter", &own).await, 200);
    }
    assert_eq!(site.get("/@@counter").await.text(), "0\n");
    site.end().await;
}
