//! Forms and pages that help a person who writes in a browser, without scripts.

use euryale_test::Answer;
use proptest::prelude::*;

use super::{Site, header};
use crate::pages::{address, name};

const BROWSER: &str = "content-type: application/x-www-form-urlencoded\r\n\
    accept: text/html,*/*;q=0.8\r\norigin: http://localhost\r\nsec-fetch-site: same-origin\r\n";

impl Site {
    async fn fill_in(&self, path: &str, form: &str) -> Answer {
        self.send("POST", path, BROWSER, form).await
    }

    fn documents(&self) -> i64 {
        let count = "SELECT count(*) FROM document";
        let other = self.other_program();
        other.query_row(count, [], |row| row.get(0)).unwrap()
    }
}

#[test]
fn names_are_made_of_titles_in_all_scripts() {
    for (title, expected) in [
        ("My first page", "my-first-page"),
        ("  What's new, in 2026?  ", "whats-new-in-2026"),
        ("Über uns", "über-uns"),
        ("U\u{308}ber uns", "über-uns"),
        ("ΑΘΗΝΑ και Σπάρτη", "αθηνα-και-σπάρτη"),
        ("日本語 の ページ", "日本語-の-ページ"),
        ("हिन्दी में", "हिन्दी-में"),
        ("می\u{200c}خواهم", "می\u{200c}خواهم"),
        ("a@@b/c..d", "a-b-c-d"),
        ("❤️ cats", "cats"),
        ("soft\u{ad}hyphen \u{202e}x", "softhyphen-x"),
    ] {
        assert_eq!(name::of_title(title).as_deref(), Some(expected), "{title}");
    }
    for title in ["", "!?", "🎉", "\u{3164}", "\u{301}"] {
        assert_eq!(name::of_title(title), None, "{title:?}");
    }
    let long = name::of_title(&"word ".repeat(40)).unwrap();
    assert_eq!(long.len(), 59, "whole words: {long}");
    assert_eq!(name::of_title(&"ü".repeat(200)).unwrap(), "ü".repeat(60));
}

proptest! {
    #[test]
    fn name_from_a_title_is_a_valid_name(title in "\\PC{0,200}") {
        if let Some(name) = name::of_title(&title) {
            prop_assert_eq!(address::join("/", &name), Ok(format!("/{}", address::normal(&name))));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_is_made_of_the_title() {
    let site = Site::start(2).await;
    let form = site.browse("GET", "/guides?new").await.text();
    let title = form.find("id=\"title\"");
    let name = form.find("id=\"name\"");
    assert!(title.is_some() && title < name, "the title first: {form}");
    let made = site
        .fill_in("/guides", "name=&title=My+first+%C3%9Cbung&body=B")
        .await;
    assert_eq!(
        (made.status.as_u16(), header(&made, "location")),
        (303, "/guides/my-first-%C3%BCbung")
    );

    // If the form is sent twice, or by another person with the same idea, it does not silently
    // create two pages.
    let before = site.documents();
    let again = site
        .fill_in("/guides", "name=&title=My+first+%C3%9Cbung&body=kept")
        .await;
    assert_eq!(again.status, 409);
    let page = again.text();
    for part in [
        "There is a page at &#x2f;guides&#x2f;my-first-übung already.",
        "Save again to call this one my-first-übung-2",
        "name=\"name\" value=\"my-first-übung-2\"",
        "kept</textarea>",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert_eq!(site.documents(), before);
    let again = site
        .fill_in(
            "/guides",
            "name=my-first-%C3%BCbung-2&title=My+first+%C3%9Cbung&body=kept",
        )
        .await;
    assert_eq!(again.status, 303);
    let third = site
        .fill_in("/guides", "name=&title=My+first+%C3%9Cbung&body=")
        .await;
    assert!(third.text().contains("value=\"my-first-übung-3\""));

    let nameless = site.fill_in("/guides", "name=&title=%21&body=kept").await;
    assert_eq!(nameless.status, 400);
    let page = nameless.text();
    assert!(
        page.contains("Write the address.") && page.contains("kept</textarea>"),
        "{page}"
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_the_text_and_writes_nothing() {
    let site = Site::start(2).await;
    let before = site.documents();
    let form = site.browse("GET", "/guides?new").await.text();
    assert!(
        form.contains("formaction=\"/guides?preview\"")
            && form.contains("How to write Markdown")
            && !form.contains("class=\"preview\""),
        "{form}"
    );
    // The page does not wait for another program's write.
    let other = site.other_program();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let text = "title=A+%3CT%3E&body=%23+One%0D%0A%0D%0A*two*+%3Cscript%3E1%3C/script%3E";
    for (path, rest) in [
        ("/guides?preview", "&name=a%2Fb"),
        ("/guides/cap?preview", "&version=xyz"),
    ] {
        let shown = site.fill_in(path, &format!("{text}{rest}")).await;
        assert_eq!(shown.status, 200, "{path}");
        let policy = header(&shown, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let page = shown.text();
        for part in [
            "<section class=\"preview\" aria-label=\"Preview\">",
            "<p class=\"title\">A &lt;T&gt;</p>",
            "<h2>One</h2>",
            "<em>two</em>",
            "value=\"A &lt;T&gt;\"",
            "# One\n\n*two* &lt;script&gt;",
            "<nav aria-label=\"Sections\">",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        let kept = ["value=\"a&#x2f;b\"", "value=\"xyz\""];
        assert!(kept.iter().any(|kept| page.contains(kept)), "{page}");
    }
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(site.documents(), before);
    let stored = site.get("/guides/cap").await.text();
    assert!(stored.contains("<h1>A hard cap on connections</h1>"));

    let elsewhere = BROWSER.replace("same-origin", "cross-site");
    let sent = site.send("POST", "/guides?preview", &elsewhere, text).await;
    assert_eq!(sent.status, 403);
    site.end().await;
    let reading = Site::start_with(2, &["--allow-writes=false"]).await;
    assert_eq!(reading.fill_in("/guides?preview", text).await.status, 403);
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_page_leads_on() {
    let site = Site::start(2).await;
    let create = "<a href=\"/guides?new&amp;name=monday_notes.v2\">Create this page</a>";
    let search = "<a href=\"/?q=monday+notes\">Search for “monday notes”</a>";
    let folder = "Go to <a href=\"/guides\">Guides</a>";
    let missing = site.browse("GET", "/guides/monday_notes.v2").await;
    assert_eq!(missing.status, 404);
    let page = missing.text();
    for part in [create, search, folder] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let form = site
        .browse("GET", "/guides?new&name=monday_notes.v2")
        .await
        .text();
    assert!(
        form.contains("value=\"Monday notes\"") && form.contains("value=\"monday_notes.v2\""),
        "{form}"
    );

    // A page in a folder that does not exist either, and names that no page may have.
    let page = site.browse("GET", "/guides/a/b").await.text();
    assert!(
        page.contains(folder) && !page.contains("Create this page"),
        "{page}"
    );
    for path in ["/guides/%20a", "/@@nothing", "/guides//"] {
        let page = site.browse("GET", path).await.text();
        assert!(!page.contains("Create this page"), "{path} {page}");
    }
    let markup = site.browse("GET", "/%3Cb%3E").await.text();
    assert!(
        markup.contains("&amp;name=%3Cb%3E") && !markup.contains("<b>"),
        "{markup}"
    );
    let problem = site.get("/nothing").await.text();
    let problem: serde_json::Value = serde_json::from_str(&problem).unwrap();
    assert!(
        problem["detail"].is_string() && problem["status"] == 404,
        "{problem}"
    );
    site.end().await;
    let reading = Site::start_with(2, &["--allow-writes=false"]).await;
    let page = reading
        .browse("GET", "/guides/monday_notes.v2")
        .await
        .text();
    assert!(
        page.contains(search) && page.contains(folder) && !page.contains("Create this page"),
        "{page}"
    );
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_with_contents_is_not_offered_for_deletion() {
    let site = Site::start(2).await;
    let page = site.browse("GET", "/guides?delete").await.text();
    assert!(
        page.contains("There are pages or files in this folder. Delete them first.")
            && !page.contains("<button class=\"danger\""),
        "{page}"
    );
    let page = site.browse("GET", "/guides/cap?delete").await.text();
    assert!(page.contains("<button class=\"danger\""), "{page}");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_lists_each_page_once() {
    let site = Site::start(2).await;
    let links = |page: &str, to: &str| page.matches(&format!("href=\"{to}\"")).count();
    let page = site.browse("GET", "/guides").await.text();
    for child in ["/guides/cap", "/guides/uploads", "/guides/pages"] {
        assert_eq!(links(&page, child), 1, "{child} in {page}");
    }
    assert!(page.contains("Search in this folder"), "{page}");
    assert!(!page.contains("Delete this page"), "{page}");

    // A page without a link in the text is listed below it.
    let made = site.fill_in("/guides", "name=&title=New+one&body=").await;
    assert_eq!(made.status, 303);
    let page = site.browse("GET", "/guides").await.text();
    let below = page.split("<nav class=\"children\"").nth(1).unwrap();
    assert_eq!(links(below, "/guides/new-one"), 1, "{below}");
    assert_eq!(links(below, "/guides/cap"), 0, "{below}");
    let list = site.browse("GET", "/guides?list=1").await.text();
    assert_eq!(links(&list, "/guides/cap"), 1, "all of them: {list}");

    let changed = site
        .fill_in(
            "/guides",
            "title=Guides&body=[a](/guides/new-one%23part)+/guides/cap",
        )
        .await;
    assert_eq!(changed.status, 303);
    let page = site.browse("GET", "/guides").await.text();
    let below = page.split("<nav class=\"children\"").nth(1).unwrap();
    assert_eq!(links(below, "/guides/new-one"), 0, "{below}");
    assert_eq!(links(below, "/guides/cap"), 1, "{below}");
    let html = "UPDATE document SET format = 'html', \
                body = '<a class=x href=\"/guides/cap?q=1\">c</a>' WHERE path = '/guides'";
    site.other_program().execute_batch(html).unwrap();
    let page = site.browse("GET", "/guides").await.text();
    let below = page.split("<nav class=\"children\"").nth(1).unwrap();
    assert_eq!(links(below, "/guides/cap"), 0, "{below}");
    assert_eq!(links(below, "/guides/uploads"), 1, "{below}");
    site.end().await;
}
