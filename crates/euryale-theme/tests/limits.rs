//! A page beyond a limit of the engine is sent as it was, soon, and with one line in the log.
//!
//! It is alone in its program because it reads the log of the process.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

use std::convert::Infallible;
use std::future::ready;
use std::time::{Duration, Instant};

use euryale_core::{Body, Ledger, Response};
use euryale_test::{Log, assert_quiet};
use euryale_theme::{LiveTheme, Loader, ThemeTransform};
use euryale_transform::TransformChainLayer;
use http::Request;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

/// The time that a page may take, its way through the chain included. Without optimization the
/// engine takes ten times as long.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

const THEME: &str = "<html><head></head><body><div id=\"a\"></div></body></html>";

fn rules(doctype: &str, inner: &str) -> String {
    format!(
        "{doctype}<rules xmlns=\"http://namespaces.plone.org/diazo\" \
         xmlns:css=\"http://namespaces.plone.org/diazo/css\" \
         xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\">\
         <theme href=\"theme.html\"/>{inner}</rules>"
    )
}

/// What a client gets for a page.
async fn ask(rules: &str, page: &'static str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.xml"), rules).unwrap();
    std::fs::write(folder.path().join("theme.html"), THEME).unwrap();
    let live = LiveTheme::new(Loader::new(folder.path().join("rules.xml")));
    let ledger = Ledger::new();
    let chain = TransformChainLayer::new()
        .ledger(ledger.clone())
        .transform_page(ThemeTransform::new(live));
    let service = chain.layer(service_fn(move |_: Request<Body>| {
        let response = http::Response::builder().header("content-type", "text/html");
        let response: Response = response.body(Body::from(page)).unwrap();
        ready(Ok::<_, Infallible>(response))
    }));
    let request = Request::get("/").header("host", "a.example");
    let response = service.oneshot(request.body(Body::empty()).unwrap()).await;
    let body = response.unwrap().into_body().collect().await.unwrap();
    assert_quiet(&ledger).await;
    String::from_utf8(body.to_bytes().into()).unwrap()
}

/// A chain of entities, each of ten of the one before.
fn bomb() -> String {
    let mut entities = "<!ENTITY a0 \"boom\">".to_owned();
    for level in 1..12 {
        let before = format!("&a{};", level - 1).repeat(10);
        entities.push_str(&format!("<!ENTITY a{level} \"{before}\">"));
    }
    format!("<!DOCTYPE rules [{entities}]>")
}

fn leaked(page: String) -> &'static str {
    page.leak()
}

#[tokio::test]
async fn a_page_beyond_a_limit_is_sent_as_it_was_with_one_line_in_the_log() {
    let log = Log::of_process();
    let small = leaked("<p>small</p>".to_owned());
    let many = leaked(format!("<body>{}", "<p>x</p>".repeat(100_000)));
    let text = leaked(format!(
        "<body>{}<div id=\"x\">{}</div>",
        "<p>a</p>".repeat(20_000),
        "z ".repeat(1 << 20)
    ));
    let each = "<xsl:for-each select=\"//p\">";
    let end = "</xsl:for-each>";
    let cases = [
        (
            "an entity bomb",
            rules(&bomb(), "<before css:theme=\"#a\">&a11;</before>"),
            small,
        ),
        (
            "a template that calls itself",
            rules(
                "",
                "<xsl:template name=\"a\"><xsl:call-template name=\"a\"/></xsl:template>\
                 <replace css:theme=\"#a\"><xsl:call-template name=\"a\"/></replace>",
            ),
            small,
        ),
        (
            "a template that applies itself",
            rules(
                "",
                "<xsl:template match=\"p\"><b><xsl:apply-templates select=\".\"/></b>\
                 </xsl:template><replace css:theme=\"#a\" css:content=\"body\"/>",
            ),
            many,
        ),
        (
            "loops over 100,000 nodes, three levels deep",
            rules(
                "",
                &format!(
                    "<replace css:theme=\"#a\">{each}{each}{each}<b/>{end}{end}{end}</replace>"
                ),
            ),
            many,
        ),
        (
            "a search in every test",
            rules(
                "",
                &format!(
                    "<replace css:theme=\"#a\">{each}<xsl:if test=\"//p[//b]\"><b/></xsl:if>\
                     {end}</replace>"
                ),
            ),
            many,
        ),
        (
            "a search through two mebibytes of text for each node",
            rules(
                "",
                "<replace css:theme=\"#a\" content=\"//p[contains(//*[@id='x'],'zzz')]\"/>",
            ),
            text,
        ),
    ];
    for (name, rules, page) in cases {
        let before = log.lines().len();
        let begun = Instant::now();
        let sent = ask(&rules, page).await;
        let took = begun.elapsed();
        assert!(sent == page, "{name}: it was changed");
        assert!(took < SOON, "{name}: {took:?}");
        let lines = log.lines().split_off(before);
        let said = lines.iter().filter(|line| line.starts_with("ERROR"));
        let said: Vec<_> = said.collect();
        assert_eq!(said.len(), 1, "{name}: {lines:?}");
        println!("{name}: {took:?}, {}", said[0]);
    }
}
