//! Documents, folders, and missing pages.

use euryale::Ledger;

use super::{Site, header};
use crate::demo::content;
use crate::pages::markdown;
use crate::pages::markdown::Target;
use crate::store;

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_is_served_and_every_link_leads_somewhere() {
    let site = Site::start(2).await;
    for sample in content::samples() {
        let answer = site.browse("GET", sample.path).await;
        let page = answer.text();
        assert_eq!(answer.status, 200, "{}", sample.path);
        assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
        assert!(
            page.contains(&format!("<h1>{}</h1>", sample.title)),
            "{page}"
        );
        assert!(
            page.starts_with("<!doctype html>\n<html lang=\"en\">"),
            "{page}"
        );
        for link in page
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            if link.starts_with('/') {
                assert_eq!(
                    site.get(link).await.status,
                    200,
                    "{link} in {}",
                    sample.path
                );
            }
        }
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_lists_its_children_and_the_navigation_marks_the_page() {
    let site = Site::start(2).await;
    let folder = site.get("/guides").await.text();
    for child in content::samples().filter(|sample| store::parent(sample.path) == Some("/guides")) {
        let link = format!("<a href=\"{}\">{}</a>", child.path, child.title);
        assert!(folder.contains(&link), "{link} in {folder}");
    }
    let current = |page: &str| page.matches("aria-current").count();
    assert!(
        folder.contains("<a href=\"/guides\" aria-current=\"page\">"),
        "{folder}"
    );
    assert_eq!(current(&folder), 1);
    let page = site.get("/guides/cap").await.text();
    assert!(
        page.contains("<a href=\"/guides\" aria-current=\"true\">"),
        "{page}"
    );
    assert_eq!(current(&page), 1);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_page_is_answered_in_the_requested_format() {
    let site = Site::start(2).await;
    for path in [
        "/nothing",
        "/guides/nothing",
        "/@@nothing",
        "/guides/@@slow",
        "/%ff%00",
        "//guides",
    ] {
        let page = site.browse("GET", path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(
            page.text().contains("<h1>Not Found</h1>"),
            "{}",
            page.text()
        );
        assert!(
            page.text().contains("<a href=\"/guides\">Guides</a>"),
            "the navigation stays"
        );
        let problem = site.get(path).await;
        assert_eq!(problem.status, 404, "{path}");
        assert_eq!(header(&problem, "content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&problem.text()).unwrap();
        assert_eq!(problem["status"], 404);
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_a_path_does_not_know_are_refused() {
    let site = Site::start(2).await;
    let cases = [
        ("PUT", "/", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("PATCH", "/guides", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("PUT", "/@@counter", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/@@slow", "GET, HEAD, OPTIONS"),
        ("POST", "/@@deferred", "GET, HEAD, OPTIONS"),
        ("PUT", "/@@export", "GET, HEAD, OPTIONS"),
        ("BREW", "/history", "DELETE, GET, HEAD, OPTIONS, POST"),
    ];
    for (method, path, allow) in cases {
        let answer = site.browse(method, path).await;
        assert_eq!(
            (answer.status.as_u16(), header(&answer, "allow")),
            (405, allow),
            "{method} {path}"
        );
    }
    assert_eq!(site.browse("PUT", "/nothing").await.status, 404);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn options_names_the_methods_of_an_address_and_of_the_site() {
    let site = Site::start(1).await;
    let all = "DELETE, GET, HEAD, OPTIONS, POST";
    for (path, status, allow) in [
        ("*", 204, all),
        ("/", 204, all),
        ("/guides", 204, all),
        ("/pictures/chord.wav", 204, all),
        ("/@@counter", 204, "GET, HEAD, OPTIONS, POST"),
        ("/@@slow", 204, "GET, HEAD, OPTIONS"),
        ("/nothing", 404, ""),
    ] {
        let answer = site.browse("OPTIONS", path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(header(&answer, "allow"), allow, "{path}");
    }
    for target in ["GET *", "GET test:443"] {
        let (method, target) = target.split_once(' ').unwrap();
        assert_eq!(site.browse(method, target).await.status, 400, "{target}");
    }
    // The request of HAProxy's plain `option httpchk`.
    let mut peer = site.peer().await;
    peer.send("OPTIONS / HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(peer.read_answer(false).await.unwrap().status, 204);
    site.end().await;
}

/// The length of a themed page is not known in advance, so HEAD leaves it out (RFC 9110 §8.6).
#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_head_of_get() {
    for (theme, is_known) in [("--theme=none", true), ("--theme=euryale", false)] {
        let site = Site::start_with(2, &[theme]).await;
        for path in ["/guides", "/nothing", "/pictures/onion.svg"] {
            let mut head = site.browse("HEAD", path).await;
            let get = site.browse("GET", path).await;
            assert_eq!(head.status, get.status);
            assert_eq!(
                header(&get, "content-length"),
                get.body.len().to_string(),
                "{theme} {path}"
            );
            let length = head.headers.remove("content-length");
            let is_file = path.ends_with(".svg");
            assert_eq!(length.is_some(), is_known || is_file, "{theme} {path}");
            assert!(
                length.is_none_or(|length| length == get.headers["content-length"]),
                "{theme} {path}"
            );
            let mut others = get.headers.clone();
            for name in ["content-length", "date"] {
                others.remove(name);
                head.headers.remove(name);
            }
            assert_eq!(head.headers, others, "{theme} {path}");
        }
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slash_too_many_leads_to_the_page() {
    let site = Site::start(2).await;
    for (path, location) in [
        ("/guides/", "/guides"),
        ("/guides/cap/?a=b", "/guides/cap?a=b"),
    ] {
        let answer = site.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), header(&answer, "location")),
            (308, location),
            "{path}"
        );
    }
    assert_eq!(site.get("/guides//").await.status, 404);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_any_name_and_in_html_are_served_and_linked() {
    let site = Site::start(2).await;
    let insert =
        "INSERT INTO document VALUES ('/guides/a \"b\"? <ü>', '/guides', 99, 'Odd <name>', 'html',
                  '<p>plain <em>HTML</em></p>', 0)";
    site.other_program().execute_batch(insert).unwrap();
    let folder = site.get("/guides").await.text();
    let link = "/guides/a%20%22b%22%3F%20%3C%C3%BC%3E";
    assert!(
        folder.contains(&format!("<a href=\"{link}\">Odd &lt;name&gt;</a>")),
        "{folder}"
    );
    let page = site.get(link).await.text();
    assert!(
        page.contains("<h1>Odd &lt;name&gt;</h1>") && page.contains("<p>plain <em>HTML</em></p>"),
        "{page}"
    );
    assert!(
        page.contains("<time datetime=\"1970-01-01T00:00Z\">"),
        "{page}"
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_names_the_minute_of_its_last_change() {
    let site = Site::start(1).await;
    site.other_program()
        .execute(
            "UPDATE document SET modified = 1769860799 WHERE path = '/history'",
            [],
        )
        .unwrap();
    let page = site.browse("GET", "/history").await.text();
    let time = "Modified <time datetime=\"2026-01-31T11:59Z\">2026-01-31 11:59 UTC</time>";
    assert!(page.contains(time), "{page}");
    site.end().await;
}

#[test]
fn wide_content_has_a_box_that_a_keyboard_reaches() {
    for text in ["| a |\n|---|\n| b |\n", "```\ncode\n```\n"] {
        let html = markdown::render(text, |path| Target::At(path.to_owned()));
        assert!(
            html.starts_with("<div class=\"wide\" role=\"group\"") && html.ends_with("</div>\n"),
            "{html}"
        );
    }
    assert_eq!(
        markdown::render("one *two*", |_| Target::AsWritten),
        "<p>one <em>two</em></p>\n"
    );
}

#[test]
fn pictures_are_loaded_when_they_are_scrolled_to() {
    let text = "![a *b* ![c](/inner.png) \"d\"](/one.png \"Title\")\n\n    <img src=code>\n\n\
        [![linked](/two.png)](/two)\n";
    let html = markdown::render(text, |address| Target::At(format!("/app{address}")));
    let one = "<img loading=\"lazy\" src=\"/app/one.png\" alt=\"a b c &quot;d&quot;\" \
        title=\"Title\" />";
    let two =
        "<a href=\"/app/two\"><img loading=\"lazy\" src=\"/app/two.png\" alt=\"linked\" /></a>";
    assert!(html.contains(one) && html.contains(two), "{html}");
    assert_eq!(html.matches("<img").count(), 2, "{html}");
    assert!(html.contains("&lt;img src=code&gt;"), "{html}");
}

#[test]
fn link_that_would_be_refused_is_shown_as_its_text() {
    let text = "[a *b*](/x?new), [c](/y), ![d](/z?new)";
    let link = |path: &str| match path.ends_with("?new") {
        true => Target::Refused,
        false => Target::At(format!("/app{path}")),
    };
    assert_eq!(
        markdown::render(text, link),
        "<p>a <em>b</em>, <a href=\"/app/y\">c</a>, \
            <img loading=\"lazy\" src=\"/z?new\" alt=\"d\" /></p>\n"
    );
}

#[test]
fn parents() {
    let cases = [
        ("/", None),
        ("/a", Some("/")),
        ("/a/b", Some("/a")),
        ("/a/b/c", Some("/a/b")),
    ];
    for (path, parent) in cases {
        assert_eq!(store::parent(path), parent, "{path}");
    }
}

#[test]
fn samples_are_well_formed() {
    let paths: Vec<_> = content::samples().map(|sample| sample.path).collect();
    for sample in content::samples() {
        assert!(
            !sample.title.is_empty() && !sample.title.starts_with('#'),
            "{sample:?}"
        );
        assert!(
            !sample.body.is_empty() && !sample.body.starts_with("# "),
            "{sample:?}"
        );
        assert!(
            store::parent(sample.path).is_none_or(|folder| paths.contains(&folder)),
            "{sample:?}"
        );
    }
}

#[test]
fn the_page_of_the_metrics_has_all_of_them() {
    let page = content::samples()
        .find(|page| page.path == "/operate/metrics")
        .unwrap();
    let exposition = Ledger::new().exposition();
    let names = exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    // The peak is beside the value.
    let named = |name: &str| {
        page.body
            .contains(&format!("`{}`", name.trim_end_matches("_peak")))
    };
    let missing: Vec<&str> = names.filter(|name| !named(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn front_matter_is_not_shown() {
    let html = |text: &str| markdown::render(text, |_| Target::AsWritten);
    assert_eq!(
        html("---\ntitle: A\ntags: [b]\n---\n\nText"),
        "<p>Text</p>\n"
    );
    assert_eq!(html("---\r\ntitle: A\r\n---\r\nText"), "<p>Text</p>\n");
    // A text between two rules, and one that does not begin with them.
    assert!(html("---\nText\n---\n").contains("Text"));
    assert!(html("Text\n\n---\ntitle: A\n---\n").contains("title: A"));
    assert_eq!(markdown::plain("---\ntitle: A\n---\nText").trim(), "Text");
}

/// The address that `<a href="…"` before this attribute has.
fn link(page: &str, attribute: &str) -> Option<String> {
    let (before, _) = page.split_once(attribute)?;
    let (_, address) = before.rsplit_once("<a href=\"")?;
    Some(address.trim_end_matches(['"', ' ']).to_owned())
}

fn add_many(site: &Site, folder: &str, count: usize) {
    let mut other = site.other_program();
    let transaction = other.transaction().unwrap();
    for number in 0..count {
        let path = format!("{}/note-{number}", folder.trim_end_matches('/'));
        let title = format!("Note number {number} of a large folder");
        transaction
            .execute(
                "INSERT INTO document VALUES (?1, ?2, 1000, ?3, 'markdown', '', 0)",
                (path, folder, title),
            )
            .unwrap();
    }
    transaction.commit().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_pages_at_the_root_add_little_to_each_page_and_are_all_reachable() {
    let site = Site::start(2).await;
    let paths = [
        "/",
        "/guides/cap",
        "/nothing",
        "/?q=cap",
        "/guides?new",
        "/guides/cap?edit",
        "/guides/cap?delete",
    ];
    let mut before = Vec::new();
    for path in paths {
        before.push(site.browse("GET", path).await.body.len());
    }
    add_many(&site, "/", 3000);
    for (path, before) in paths.into_iter().zip(before) {
        let after = site.browse("GET", path).await.body.len();
        assert!(after <= before + 20_000, "{path}: {before}, then {after}");
    }
    let home = site.browse("GET", "/nothing").await.text();
    let mut next = link(&home, ">All pages</a>");
    assert_eq!(next.as_deref(), Some("/?list=1"));
    let mut notes = 0;
    while let Some(address) = next {
        let page = site.browse("GET", &address).await.text();
        assert!(page.len() < 40_000, "{address}: {}", page.len());
        let (_, list) = page.split_once("<nav class=\"children\"").unwrap();
        notes += list.matches("<a href=\"/note-").count();
        next = link(&page, "rel=\"next\"");
    }
    assert_eq!(notes, 3000);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_folder_is_listed_in_parts() {
    let site = Site::start(2).await;
    add_many(&site, "/guides", 150);
    let page = site.get("/guides").await.text();
    assert!(!page.contains(">All pages</a>"), "the root has few: {page}");
    assert_eq!(
        link(&page, "rel=\"next\"").as_deref(),
        Some("/guides?list=2")
    );
    let page = site.get("/guides?list=2").await.text();
    assert_eq!(
        link(&page, "rel=\"prev\"").as_deref(),
        Some("/guides?list=1")
    );
    assert_eq!(link(&page, "rel=\"next\""), None);
    for (path, status) in [
        ("/guides?list=3", 404),
        ("/guides?list=0", 400),
        ("/guides?list=x", 400),
        ("/guides?list=4294967295", 404),
    ] {
        assert_eq!(site.get(path).await.status, status, "{path}");
    }
    site.end().await;
}
