//! What a request and the documents that it asks for say of the themed page.

use std::convert::Infallible;
use std::future::ready;

use euryale_core::request::{Internal, Peer, PeerAddr};
use euryale_core::{Body, Ledger};
use euryale_test::assert_quiet;
use euryale_theme::{LiveTheme, Loader, ThemeTransform};
use euryale_transform::TransformChainLayer;
use http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

/// The page that these rules make, for a request that may ask for a document.
async fn themed(
    rules: &str,
    request: http::request::Builder,
    document: http::response::Builder,
) -> (http::response::Parts, String) {
    let folder = tempfile::tempdir().unwrap();
    let rules = format!(
        "<rules xmlns=\"http://namespaces.plone.org/diazo\" \
           xmlns:css=\"http://namespaces.plone.org/diazo/css\"><theme href=\"theme.html\"/>{rules}\
           </rules>"
    );
    std::fs::write(folder.path().join("rules.xml"), rules).unwrap();
    std::fs::write(
        folder.path().join("theme.html"),
        "<body><p id=a></p><p id=b></p>",
    )
    .unwrap();
    let live = LiveTheme::new(Loader::new(folder.path().join("rules.xml")));
    let document = document
        .header("content-type", "text/html")
        .body("<i>Anna</i>")
        .unwrap();
    let internal = Internal::new(service_fn(move |_: Request<Body>| {
        ready(Ok::<_, Infallible>(document.clone().map(Body::from)))
    }));
    let ledger = Ledger::new();
    let chain = TransformChainLayer::new()
        .ledger(ledger.clone())
        .transform_page(ThemeTransform::new(live));
    let service = chain.layer(service_fn(move |_: Request<Body>| {
        let page = Response::builder().header("content-type", "text/html");
        let page = page
            .header("cache-control", "public, max-age=600")
            .header("vary", "accept-language");
        ready(Ok::<_, Infallible>(
            page.body(Body::from("<b>page</b>")).unwrap(),
        ))
    }));
    let request = request.extension(internal).body(Body::empty()).unwrap();
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_quiet(&ledger).await;
    (head, String::from_utf8(body.into()).unwrap())
}

/// They were fetched for one client: what is for him alone must not come to others with the page.
#[tokio::test]
async fn caches_do_with_a_page_what_they_may_do_with_its_documents() {
    let takes = "<replace css:theme-children=\"#a\" css:content=\"i\" href=\"/bar\"/>";
    let elsewhere =
        "<replace css:theme-children=\"#a\" css:content=\"i\" href=\"/bar\" if-path=\"/no\"/>";
    let public = "public, max-age=600";
    for (rules, status, name, value, says) in [
        (takes, 200, "x-nothing", "said", public),
        (
            takes,
            200,
            "cache-control",
            "private",
            "private, max-age=600",
        ),
        (takes, 200, "cache-control", "no-store", "no-store"),
        (
            takes,
            200,
            "cache-control",
            "max-age=5",
            "public, max-age=5",
        ),
        (takes, 200, "set-cookie", "a=b", "private, max-age=600"),
        (takes, 200, "vary", "cookie", public),
        // Something is missing in the page.
        (takes, 404, "cache-control", "max-age=5", "no-store"),
        (elsewhere, 200, "cache-control", "private", public),
    ] {
        let document = Response::builder().status(status).header(name, value);
        let (head, page) = themed(rules, Request::get("/"), document).await;
        assert_eq!(
            page.contains("<i>Anna</i>"),
            rules == takes && status == 200,
            "{page}"
        );
        let directives = head.headers[CACHE_CONTROL].to_str().unwrap();
        assert_eq!(directives, says, "{status} {name}: {value}");
        let mut vary: Vec<_> = head.headers.get_all(VARY).iter().collect();
        vary.sort_unstable_by_key(|value| value.len());
        assert_eq!(vary.len(), 1 + usize::from(name == "vary"));
        assert_eq!(vary.last().unwrap(), &"accept-language");
        assert!(!head.headers.contains_key(SET_COOKIE));
    }
}

#[tokio::test]
async fn rules_see_the_address_as_the_client_wrote_it() {
    let is = |name: &str, value: &str| {
        format!("<drop css:theme=\"#a\" if=\"not(${name} = '{value}')\"/>")
    };
    let peer = || Peer::new(PeerAddr::Unix);
    let path = "/caf%C3%A9%2Fx?q=1";
    for (scheme, base, uri, peer) in [
        ("http", "http://site.example", path, Some(peer())),
        (
            "https",
            "https://site.example",
            path,
            Some(peer().over_tls(None)),
        ),
        ("http", "http://site.example", path, None),
        // HTTP/2 says it.
        (
            "http",
            "http://other:8080",
            &format!("http://other:8080{path}"),
            Some(peer().over_tls(None)),
        ),
    ] {
        let host = base.split_once("//").unwrap().1;
        let url = format!("{base}/caf%C3%A9%2Fx");
        let rules = [
            is("scheme", scheme),
            is("base", base),
            is("url", &url),
            is("host", host),
            is("path", "/caf\u{e9}/x"),
        ];
        for rule in &rules {
            let mut request = Request::get(uri).header("host", "site.example");
            if let Some(peer) = &peer {
                request = request.extension(peer.clone());
            }
            let (_, page) = themed(rule, request, Response::builder()).await;
            assert!(page.contains("id=a"), "{base}: {rule}");
        }
    }
}
