//! The notice about a form is shown once, to the browser that sent it.

use euryale_test::Answer;

use super::{Site, header};

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const BROWSER: &str = "content-type: application/x-www-form-urlencoded\r\n\
    accept: text/html,*/*;q=0.8\r\n\
    origin: http://localhost\r\nsec-fetch-site: same-origin\r\n";

/// The cookie that an answer sets, and its attributes.
fn set_cookie(answer: &Answer) -> (&str, &str) {
    header(answer, "set-cookie").split_once("; ").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_reads_once_that_its_form_is_saved() {
    let site = Site::start(2).await;
    let form = "title=New&body=text";
    let made = site.send("POST", "/guides/cap", BROWSER, form).await;
    assert_eq!(made.status, 303);
    let (cookie, attributes) = set_cookie(&made);
    assert_eq!(attributes, "Path=/; Max-Age=60; HttpOnly; SameSite=Strict");
    let with = |cookie: &str| format!("accept: text/html\r\ncookie: a=\u{e9}; {cookie}; b=2\r\n");
    let other = site.send("GET", "/guides", &with(cookie), "").await;
    assert!(!other.text().contains("role=\"status\""), "{other:?}");
    let saved = site.send("GET", "/guides/cap", &with(cookie), "").await;
    let notice = "<p class=\"notice\" role=\"status\">Saved.</p>";
    assert_eq!(saved.text().matches(notice).count(), 1, "{saved:?}");
    // No cache stores it, and the browser does not show it again.
    assert_eq!(header(&saved, "cache-control"), "no-store");
    assert!(!saved.headers.contains_key("etag"), "{saved:?}");
    let (removed, attributes) = set_cookie(&saved);
    assert_eq!(removed, "site-notice=");
    assert!(attributes.contains("Path=/; Max-Age=0"), "{attributes}");
    // A client that has a tag gets the notice all the same.
    let plain = site.browse("GET", "/guides/cap").await;
    assert!(!plain.text().contains(notice), "{plain:?}");
    assert!(!plain.headers.contains_key("set-cookie"), "{plain:?}");
    let tag = format!("if-none-match: {}\r\n", header(&plain, "etag"));
    let known = tag + &with(cookie);
    let again = site.send("GET", "/guides/cap", &known, "").await;
    assert_eq!(again.status, 200);
    assert!(again.text().contains(notice), "{again:?}");
    // It is about this text only, not about another one.
    site.send("POST", "/guides/cap", FORM, "title=New&body=other")
        .await;
    let changed = site.send("GET", "/guides/cap", &with(cookie), "").await;
    assert!(!changed.text().contains("role=\"status\""), "{changed:?}");
    assert!(changed.headers.contains_key("etag"), "{changed:?}");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_and_refused_forms_get_no_notice() {
    let site = Site::start(2).await;
    let program = site
        .send("POST", "/guides/cap", FORM, "title=New&body=text")
        .await;
    assert_eq!(program.status, 204);
    let refused = site.send("POST", "/guides/cap", BROWSER, "body=x").await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    for answer in [program, refused] {
        assert!(!answer.headers.contains_key("set-cookie"), "{answer:?}");
    }
    // A page has no sentence but its own.
    let made_up = "accept: text/html\r\ncookie: site-notice=<b>Pay here</b>\r\n";
    let page = site.send("GET", "/guides/cap", made_up, "").await.text();
    assert!(
        !page.contains("Pay here") && !page.contains("role=\"status\""),
        "{page}"
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_reads_at_the_folder_that_a_page_is_deleted() {
    let site = Site::start(2).await;
    site.send("POST", "/guides/gone", FORM, "title=Gone&body=")
        .await;
    let deleted = site.send("POST", "/guides/gone?delete", BROWSER, "").await;
    assert_eq!(header(&deleted, "location"), "/guides");
    let (cookie, _) = set_cookie(&deleted);
    let with = format!("accept: text/html\r\ncookie: {cookie}\r\n");
    let folder = site.send("GET", "/guides", &with, "").await.text();
    assert!(folder.contains("role=\"status\">Deleted.</p>"), "{folder}");
    // The home page has tiles and is built differently.
    site.send("POST", "/gone", FORM, "title=Gone&body=").await;
    let deleted = site.send("POST", "/gone?delete", BROWSER, "").await;
    let (cookie, _) = set_cookie(&deleted);
    let with = format!("accept: text/html\r\ncookie: {cookie}\r\n");
    let home = site.send("GET", "/", &with, "").await;
    assert_eq!(header(&home, "cache-control"), "no-store");
    let home = home.text();
    assert!(
        home.contains("role=\"status\">Deleted.</p>") && home.contains("Recently changed"),
        "{home}"
    );
    site.end().await;
}
