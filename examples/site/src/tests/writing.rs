//! Documents are created, changed and removed by programs and by browsers, but not by other sites.

use euryale_test::Answer;

use super::{Site, header};
use crate::pages::address;
use crate::pages::form::{self, Draft};
use crate::store;

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const BROWSER: &str = "content-type: application/x-www-form-urlencoded\r\n\
    accept: text/html,*/*;q=0.8\r\n\
                       origin: http://localhost\r\nsec-fetch-site: same-origin\r\n";

impl Site {
    async fn save(&self, path: &str, form: &str) -> Answer {
        self.send("POST", path, FORM, form).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, "", "").await
    }
}

fn detail(answer: &Answer) -> String {
    let problem: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_makes_changes_and_removes_a_page() {
    let site = Site::start(2).await;
    let made = site
        .save(
            "/guides/a%20%C3%BC",
            "title=A+%3Cpage%3E&body=One+*zorilla*",
        )
        .await;
    assert_eq!(
        (made.status.as_u16(), header(&made, "location")),
        (201, "/guides/a%20%C3%BC")
    );
    let page = site.get("/guides/a%20%C3%BC").await.text();
    assert!(
        page.contains("<h1>A &lt;page&gt;</h1>") && page.contains("<em>zorilla</em>"),
        "{page}"
    );
    let folder = site.get("/guides").await.text();
    let last = folder.rsplit("<nav class=\"children\"").next().unwrap();
    assert!(
        last.contains("<a href=\"/guides/a%20%C3%BC\">"),
        "it stands in its folder: {folder}"
    );
    assert!(
        site.get("/?q=zorilla")
            .await
            .text()
            .contains("A &lt;page&gt;"),
        "and it is found"
    );

    let changed = site.save("/guides/a%20%C3%BC", "body=Two&title=B").await;
    let place = header(&changed, "content-location");
    assert_eq!(
        (changed.status.as_u16(), place),
        (204, "/guides/a%20%C3%BC")
    );
    assert!(
        site.get("/guides/a%20%C3%BC")
            .await
            .text()
            .contains("<h1>B</h1>\n    <p>Two</p>")
    );
    assert!(site.get("/?q=zorilla").await.text().contains("No page has"));

    assert_eq!(site.delete("/guides/a%20%C3%BC").await.status, 204);
    assert_eq!(site.get("/guides/a%20%C3%BC").await.status, 404);
    assert_eq!(site.delete("/guides/a%20%C3%BC").await.status, 404);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_finds_the_forms_and_is_redirected_to_the_page() {
    let site = Site::start(2).await;
    let page = site.browse("GET", "/guides").await.text();
    assert!(
        page.contains("<a href=\"/guides?edit\">") && page.contains("<a href=\"/guides?new\">"),
        "{page}"
    );
    let form = site.browse("GET", "/guides?new").await.text();
    assert!(
        form.contains("action=\"/guides\" method=\"post\""),
        "{form}"
    );
    for id in ["name", "title", "body"] {
        let label = format!("<label for=\"{id}\">");
        let field = format!("id=\"{id}\" name=\"{id}\"");
        assert!(
            form.contains(&label) && form.contains(&field),
            "{id} in {form}"
        );
    }
    let made = site
        .send(
            "POST",
            "/guides",
            BROWSER,
            "name=new&title=New&body=a%0D%0Ab%3C%2Ftextarea%3E",
        )
        .await;
    assert_eq!(
        (made.status.as_u16(), header(&made, "location")),
        (303, "/guides/new")
    );
    let form = site.browse("GET", "/guides/new?edit").await.text();
    assert!(
        form.contains("value=\"New\"") && form.contains("Text, in Markdown"),
        "{form}"
    );
    assert!(
        form.contains("\na\nb&lt;&#x2f;textarea&gt;</textarea>"),
        "{form}"
    );
    assert!(!form.contains("id=\"name\""), "{form}");
    let changed = site
        .send("POST", "/guides/new", BROWSER, "title=Newer&body=")
        .await;
    assert_eq!(
        (changed.status.as_u16(), header(&changed, "location")),
        (303, "/guides/new")
    );
    assert!(
        site.get("/guides/new")
            .await
            .text()
            .contains("<h1>Newer</h1>")
    );
    assert_eq!(site.browse("GET", "/nothing?edit").await.status, 404);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_form_keeps_the_typed_text() {
    let site = Site::start(2).await;
    for (path, form, status, says) in [
        (
            "/guides",
            "name=a%2Fb&title=T&body=kept+text",
            400,
            "A name must not contain a slash.",
        ),
        (
            "/guides",
            "name=cap&title=T&body=kept+text",
            409,
            "Choose another name.",
        ),
        (
            "/guides/cap",
            "title=+&body=kept+text",
            400,
            "A page needs a title.",
        ),
    ] {
        let answer = site.send("POST", path, BROWSER, form).await;
        let page = answer.text();
        assert_eq!(answer.status, status, "{form}");
        let alert = page
            .split("role=\"alert\">")
            .nth(1)
            .and_then(|rest| rest.split("</p>").next());
        assert!(alert.is_some_and(|alert| alert.contains(says)), "{page}");
        assert!(page.contains("kept text</textarea>"), "{page}");
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_pages_are_refused_and_change_nothing() {
    let site = Site::start(2).await;
    let long_title = format!("title={}&body=", "t".repeat(201));
    let long_body = "b".repeat((1 << 20) + 1);
    let long_body = format!("title=T&body={long_body}");
    let long_name = format!("/{}", "n".repeat(101));
    let good = "title=T&body=B";
    let cases = [
        ("/a", "", 400, "The field title is missing."),
        ("/a", "title=T", 400, "The field body is missing."),
        (
            "/a",
            "title=T&title=T&body=",
            400,
            "The field title was given twice; give it once.",
        ),
        (
            "/a",
            "title=T&body=&path=x",
            400,
            "The form has an unknown field: its fields are name, title, body and version.",
        ),
        ("/a", "title=&body=", 400, "A page needs a title."),
        ("/a", "title=a%0Ab&body=", 400, "A title is one line."),
        (
            "/a",
            &long_title,
            400,
            "A title has at most 200 characters.",
        ),
        ("/a", &long_body, 413, "A text has at most 1024 KiB."),
        (
            "/a/b",
            good,
            409,
            "There is no page at /a to put this one in. Make that first.",
        ),
        (
            "/guides//a",
            good,
            400,
            "A name must not be empty: neither two slashes in a row, nor one at the end.",
        ),
        (
            "/a/",
            good,
            400,
            "A name must not be empty: neither two slashes in a row, nor one at the end.",
        ),
        (
            "/guides/%2E%2E",
            good,
            400,
            "A name must not be . or .., which stand for folders.",
        ),
        (
            "/guides/a@@b",
            good,
            400,
            "A name must not contain @@: such addresses belong to the site itself.",
        ),
        (
            "/a%00",
            good,
            400,
            "A name must not contain control characters, or begin or end with a space.",
        ),
        (
            "/%20a",
            good,
            400,
            "A name must not contain control characters, or begin or end with a space.",
        ),
        ("/%FF", good, 400, "The address is not written in UTF-8."),
        (&long_name, good, 400, "A name has at most 100 characters."),
        (
            "/",
            "name=&title=%21%3F&body=",
            400,
            "This title has no letters for an address. Write the address.",
        ),
        (
            "/guides",
            "name=cap&title=T&body=",
            409,
            "There is a page at /guides/cap already. Choose another name.",
        ),
    ];
    let state = || -> (i64, i64) {
        let select = "SELECT count(*), sum(length(title) + length(body)) FROM document";
        site.other_program()
            .query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
    };
    let before = state();
    for (path, form, status, says) in cases {
        let answer = site.save(path, form).await;
        assert_eq!(
            (answer.status.as_u16(), detail(&answer).as_str()),
            (status, says),
            "{path}"
        );
    }
    for (content_type, status) in [
        ("", 415),
        ("content-type: text/plain\r\n", 415),
        ("content-type: multipart/form-data\r\n", 400),
        ("content-type: multipart/form-data; boundary=x\r\n", 400),
    ] {
        assert_eq!(
            site.send("POST", "/a", content_type, good).await.status,
            status,
            "{content_type}"
        );
    }
    let huge = format!(
        "POST /a HTTP/1.1\r\nhost: localhost\r\n{FORM}content-length: {}\r\n\r\n",
        form::LARGEST_FORM + 1
    );
    let mut peer = site.peer().await;
    peer.send(huge).await.unwrap();
    assert_eq!(peer.read_answer(false).await.unwrap().status, 413);
    drop(peer);
    assert_eq!(state(), before);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_form_needs_no_connection() {
    let site = Site::start(2).await;
    assert_eq!(site.save("/guides//a", "title=T&body=").await.status, 400);
    assert_eq!(site.save("/a", "title=").await.status, 400);
    assert_eq!(site.send("POST", "/a", "", "").await.status, 415);
    assert_eq!(site.ledger.transactions.begun.get(), 0);
    assert_eq!(site.save("/a", "title=T&body=").await.status, 201);
    assert_eq!(site.ledger.transactions.begun.get(), 1);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_is_deleted_only_when_empty_and_the_root_never() {
    let site = Site::start(2).await;
    for path in ["/a", "/a/b"] {
        assert_eq!(site.save(path, "title=T&body=").await.status, 201);
    }
    let refused = site.delete("/a").await;
    let says = "There are pages or files in this folder. Delete them first.";
    assert_eq!(
        (refused.status.as_u16(), detail(&refused).as_str()),
        (409, says)
    );
    assert_eq!(site.delete("/").await.status, 409);
    for path in ["/a/b", "/a"] {
        assert_eq!(site.delete(path).await.status, 204, "{path}");
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_writers_lose_nothing() {
    let site = Site::start(8).await;
    let address = site.address;
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            tokio::spawn(async move {
                let mut peer = euryale_test::RawClient::connect(address).await.unwrap();
                let body = "title=T&body=";
                let head = format!(
                    "POST /{number} HTTP/1.1\r\nhost: localhost\r\n{FORM}content-length: 13\r\n\r\n"
                );
                peer.send(head + body).await.unwrap();
                peer.read_answer(false).await.unwrap().status.as_u16()
            })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            201 => made += 1,
            status => assert_eq!(status, 503),
        }
    }
    let select = "SELECT count(*), count(DISTINCT position) FROM document WHERE title = 'T'";
    let other = site.other_program();
    let found: (i64, i64) = other
        .query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(found, (made, made), "each at a place of its own");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_are_refused() {
    let site = Site::start(2).await;
    for foreign in [
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
        "sec-fetch-site: cross-site\r\norigin: http://localhost\r\n",
        "origin: http://evil.example\r\n",
        "origin: http://localhost:8080\r\n",
        "origin: null\r\n",
    ] {
        for (method, path) in [
            ("POST", "/a"),
            ("DELETE", "/history"),
            ("POST", "/@@counter"),
        ] {
            let headers = format!("{FORM}{foreign}");
            let answer = site.send(method, path, &headers, "title=T&body=").await;
            assert_eq!(answer.status, 403, "{method} {path} {foreign}");
            assert!(detail(&answer).starts_with("Another site sent this request."));
            let page = site
                .send(method, path, &format!("{headers}accept: text/html\r\n"), "")
                .await;
            assert!(
                page.text().contains("<h1>Forbidden</h1>"),
                "{}",
                page.text()
            );
        }
        assert_eq!(
            site.send("GET", "/history", foreign, "").await.status,
            200,
            "links are welcome: {foreign}"
        );
    }
    assert_eq!(site.get("/@@counter").await.text(), "0\n");
    assert_eq!(site.get("/a").await.status, 404);
    for own in [
        "sec-fetch-site: same-origin\r\n",
        "sec-fetch-site: none\r\n",
        "origin: http://localhost\r\n",
        "",
    ] {
        assert_eq!(
            site.send("POST", "/@@counter", own, "").await.status,
            200,
            "{own}"
        );
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_in_html_stays_in_html() {
    let site = Site::start(2).await;
    add_html(&site);
    assert!(site.get("/h?edit").await.text().contains("Text, in HTML"));
    assert_eq!(
        site.save("/h", "title=H&body=%3Cp%3E*two*%3C%2Fp%3E")
            .await
            .status,
        204
    );
    assert!(site.get("/h").await.text().contains("<p>*two*</p>"));
    site.end().await;
}

/// The version in a form.
fn version(form: &str) -> String {
    let (_, rest) = form.split_once("name=\"version\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

fn alert(page: &str) -> &str {
    let (_, rest) = page.split_once("role=\"alert\">").unwrap();
    rest.split("</p>").next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_editors_of_a_page_keep_their_texts() {
    let site = Site::start(2).await;
    site.save("/a", "title=T&body=old").await;
    let version_of_both = version(&site.browse("GET", "/a?edit").await.text());
    let form = |body: &str, version: &str| format!("title=T&body={body}&version={version}");
    let save = async |form: &str| site.send("POST", "/a", BROWSER, form).await;
    assert_eq!(save(&form("first", &version_of_both)).await.status, 303);

    let second = save(&form("second", &version_of_both)).await;
    let page = second.text();
    assert_eq!(second.status, 409);
    assert!(
        alert(&page).contains("was changed after you opened it"),
        "{page}"
    );
    assert!(
        page.contains("name=\"body\" rows=\"16\">\nsecond</textarea>"),
        "{page}"
    );
    assert!(
        page.contains("rows=\"16\" readonly>\nfirst</textarea>"),
        "{page}"
    );
    assert!(
        page.contains("<a href=\"/a?edit\">"),
        "a way to drop one's own: {page}"
    );
    assert!(
        site.get("/a?text").await.text() == "first",
        "nothing was written"
    );

    // Once both were shown, the form goes through.
    assert_eq!(save(&form("both", &version(&page))).await.status, 303);
    assert_eq!(site.get("/a?text").await.text(), "both");
    // A program gets the conflict as well; without a version it replaces the current text.
    let refused = site.save("/a", &form("late", &version_of_both)).await;
    assert_eq!(refused.status, 409);
    assert!(detail(&refused).contains("was changed after you opened it"));
    assert_eq!(site.save("/a", "title=T&body=last").await.status, 204);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_whose_answer_was_lost_may_be_sent_again() {
    let site = Site::start(2).await;
    site.save("/a", "title=T&body=old").await;
    let version = version(&site.browse("GET", "/a?edit").await.text());
    let form = format!("title=T&body=new&version={version}");
    for _ in 0..2 {
        assert_eq!(site.send("POST", "/a", BROWSER, &form).await.status, 303);
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_page_is_made_again_only_after_a_warning() {
    let site = Site::start(2).await;
    site.save("/a", "title=T&body=old").await;
    let version = version(&site.browse("GET", "/a?edit").await.text());
    site.delete("/a").await;
    let form = format!("title=T&body=new&version={version}");
    let refused = site.send("POST", "/a", BROWSER, &form).await;
    let page = refused.text();
    assert_eq!(refused.status, 409);
    assert!(
        alert(&page).contains("was deleted after you opened it"),
        "{page}"
    );
    assert!(
        page.contains("\nnew</textarea>") && !page.contains("name=\"version\""),
        "{page}"
    );
    assert_eq!(site.get("/a").await.status, 404);
    let form = "title=T&body=new";
    assert_eq!(site.send("POST", "/a", BROWSER, form).await.status, 303);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_form_keeps_the_navigation_and_says_the_format() {
    let site = Site::start(2).await;
    add_html(&site);
    let long = format!("title=T&body=kept{}", "x".repeat(1 << 20));
    for (path, form, status, format) in [
        ("/h", "title=+&body=kept", 400, "Text, in HTML"),
        ("/guides/cap", "title=+&body=kept", 400, "Text, in Markdown"),
        (
            "/guides",
            "name=cap&title=T&body=kept",
            409,
            "Text, in Markdown",
        ),
        ("/guides/cap", &long, 413, "Text, in Markdown"),
    ] {
        let refused = site.send("POST", path, BROWSER, form).await;
        let page = refused.text();
        assert_eq!(refused.status, status, "{path}");
        for part in ["<a href=\"/guides\"", format, "\nkept"] {
            assert!(page.contains(part), "{part} in the answer from {path}");
        }
    }
    // If there is no form to show again, the page still has the navigation.
    for (method, path, headers, status) in [
        ("POST", "/guides//a", BROWSER, 400),
        ("POST", "/guides?delete", BROWSER, 409),
        ("POST", "/guides", "accept: text/html\r\n", 415),
    ] {
        let refused = site.send(method, path, headers, "title=T&body=").await;
        assert_eq!(refused.status, status, "{path}");
        assert!(refused.text().contains("<a href=\"/guides\""), "{path}");
    }
    site.end().await;
}

fn add_html(site: &Site) {
    let insert = "INSERT INTO document VALUES ('/h', '/', 99, 'H', 'html', '<p>*one*</p>', 0)";
    site.other_program().execute_batch(insert).unwrap();
}

/// The field of a text as a browser sends it: each line break is two characters, and each of them
/// is encoded.
fn field(text: &str) -> String {
    form_urlencoded::byte_serialize(text.replace('\n', "\r\n").as_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mebibyte_of_short_lines_is_saved_by_a_browser() {
    let site = Site::start(2).await;
    for line in ["\n", "1234567\n", "é\u{1f40d}\n"] {
        let text = line.repeat((1 << 20) / line.len());
        let form = format!("name=long&title=T&body={}", field(&text));
        let made = site.send("POST", "/", BROWSER, &form).await;
        assert_eq!(made.status, 303, "{line:?}: {}", made.text());
        assert!(site.get("/long?text").await.text() == text, "{line:?}");
        // Opened and saved unchanged.
        let page = site.browse("GET", "/long?edit").await.text();
        let form = format!("title=T&body={}&version={}", field(&text), version(&page));
        assert_eq!(site.send("POST", "/long", BROWSER, &form).await.status, 303);
        assert!(site.get("/long?text").await.text() == text, "{line:?}");
        site.delete("/long").await;
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_of_a_long_text_names_the_limit_and_keeps_the_text() {
    let site = Site::start(2).await;
    let text = "kept\n".repeat((1 << 20) / 5 + 1);
    let form = format!("name=long&title=T&body={}", field(&text));
    let refused = site.send("POST", "/", BROWSER, &form).await;
    let page = refused.text();
    assert_eq!(refused.status, 413);
    assert!(
        alert(&page).contains("at most 1024 KiB"),
        "{}",
        alert(&page)
    );
    assert!(page.contains(&format!("\n{text}</textarea>")));
    // If a form exceeds what the stack reads, the text only remains in the browser.
    let form = format!("name=long&title=T&body={}", "x".repeat(3 << 20));
    let refused = site.send("POST", "/", BROWSER, &form).await;
    let page = refused.text();
    assert_eq!(refused.status, 413);
    assert!(
        page.contains("is the limit. Go back: your browser still has it."),
        "{page}"
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_changed_only_if_its_current_version_was_read() {
    let site = Site::start(2).await;
    site.save("/a", "title=T&body=one%0A").await;
    add_html(&site);
    let read = site.get("/a?text").await;
    let tag = header(&read, "etag").to_owned();
    assert_eq!(read.text(), "one\n");
    assert_eq!(
        header(&read, "content-type"),
        "text/markdown; charset=utf-8"
    );
    assert!(tag.starts_with('"'), "strong: {tag}");
    assert_eq!(
        header(&site.get("/h?text").await, "content-type"),
        "text/plain; charset=utf-8"
    );
    let get = async |headers: &str| {
        site.send("GET", "/a?text", headers, "")
            .await
            .status
            .as_u16()
    };
    assert_eq!(
        get(&format!("if-none-match: W/{tag}, \"x\"\r\n")).await,
        304
    );
    assert_eq!(get(&format!("if-match: {tag}\r\n")).await, 200);
    assert_eq!(get("if-match: \"x\"\r\n").await, 412);

    let put = async |headers: &str, body: &str| site.send("PUT", "/a?text", headers, body).await;
    let changed = put(&format!("if-match: \"x\", {tag}\r\n"), "two").await;
    let new = header(&changed, "etag").to_owned();
    assert_eq!(changed.status, 204);
    assert!(new != tag && new == header(&site.get("/a?text").await, "etag"));
    for condition in [
        format!("if-match: {tag}\r\n"),
        format!("if-match: W/{new}\r\n"),
        "if-match: \r\n".to_owned(),
        format!("if-none-match: {new}\r\n"),
        "if-none-match: *\r\n".to_owned(),
    ] {
        let refused = put(&condition, "late").await;
        assert_eq!(refused.status, 412, "{condition}");
    }
    assert_eq!(site.get("/a?text").await.text(), "two");
    assert!(
        site.get("/a").await.text().contains("<h1>T</h1>"),
        "the title stays"
    );

    // A text that is not stored exactly as it was sent gets no tag.
    let changed = put("content-type: text/markdown\r\nif-match: *\r\n", "a\r\nb").await;
    assert_eq!(
        (changed.status.as_u16(), header(&changed, "etag")),
        (204, "")
    );
    assert_eq!(site.get("/a?text").await.text(), "a\nb");
    let long = "x".repeat((1 << 20) + 1);
    for (headers, body, status) in [(FORM, "a=b", 415), ("", "a\0", 400), ("", &*long, 413)] {
        assert_eq!(put(headers, body).await.status, status);
    }
    for (method, path, status) in [
        ("PUT", "/nothing?text", 404),
        ("DELETE", "/a?text", 405),
        ("PUT", "/a", 405),
    ] {
        assert_eq!(
            site.send(method, path, "", "x").await.status,
            status,
            "{method} {path}"
        );
    }
    site.end().await;
}

/// The tag of a page is weak, and no `If-Match` names it (RFC 9110 §13.1.1).
#[tokio::test(flavor = "multi_thread")]
async fn form_with_if_match_is_conditional() {
    let site = Site::start(2).await;
    let made = site
        .send(
            "POST",
            "/a",
            &format!("{FORM}if-match: *\r\n"),
            "title=T&body=",
        )
        .await;
    assert_eq!(made.status, 412);
    let form = async |condition: &str| {
        let headers = format!("{FORM}{condition}\r\n");
        site.send("POST", "/a", &headers, "title=T&body=x")
            .await
            .status
            .as_u16()
    };
    assert_eq!(form("if-none-match: *").await, 201);
    assert_eq!(form("if-none-match: *").await, 412);
    let tag = header(&site.get("/a").await, "etag").to_owned();
    assert_eq!(form(&format!("if-match: {tag}")).await, 412);
    assert_eq!(form("if-match: *").await, 204);
    site.end().await;
}

#[test]
fn forms_are_read() {
    let form =
        form::page([("title", " A&b "), ("body", "1\r\n2 "), ("name", "n")].into_iter()).unwrap();
    let expected = Draft {
        name: Some("n".to_owned()),
        title: "A&b".to_owned(),
        body: "1\n2 ".to_owned(),
        version: None,
    };
    assert_eq!(form, expected);
    assert_eq!(
        form::page([("body", ""), ("title", "")].into_iter()).unwrap(),
        Draft::default()
    );
}

#[test]
fn names_make_paths_that_are_read_back() {
    for (folder, name, path) in [
        ("/", "a", "/a"),
        ("/a", "b c?%", "/a/b c?%"),
        ("/a/b", "ü", "/a/b/ü"),
    ] {
        assert_eq!(address::join(folder, name).as_deref(), Ok(path));
        assert_eq!(
            address::writable(&crate::pages::page::encoded(path)).as_deref(),
            Ok(path)
        );
        assert_eq!(store::parent(path), Some(folder));
    }
    assert!(
        address::writable(&"/a".repeat(251))
            .unwrap_err()
            .contains("500")
    );
    assert!(address::writable("*").is_err());
}
