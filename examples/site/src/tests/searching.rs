//! Full-text search: the results, their snippets, and words with a meaning in FTS5's language.

use std::time::{Duration, Instant};

use euryale_test::Answer;

use super::{Site, connection, header};
use crate::demo::content;
use crate::store;
use crate::store::data::Data;

/// The paths that a page of results lists, best first.
fn found(page: &Answer) -> Vec<String> {
    let text = page.text();
    let places = text.split("<p class=\"place\">").skip(1);
    places
        .filter_map(|rest| rest.split("</p>").next())
        .map(|path| path.replace("&#x2f;", "/"))
        .collect()
}

fn add(site: &Site, path: &str, title: &str, format: &str, body: &str) {
    site.other_program()
        .execute(
            "INSERT INTO document (path, parent, position, title, format, body, modified)
             VALUES (?1, ?2, 0, ?3, ?4, ?5, 0)",
            (path, store::parent(path), title, format, body),
        )
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_is_found_by_its_title() {
    let site = Site::start(2).await;
    for sample in content::samples() {
        let query = form_urlencoded::byte_serialize(sample.title.as_bytes()).collect::<String>();
        let page = site.browse("GET", &format!("/?q={query}")).await;
        assert_eq!(
            (page.status.as_u16(), header(&page, "content-type")),
            (200, "text/html; charset=utf-8")
        );
        assert!(
            found(&page).contains(&sample.path.to_owned()),
            "{}: {}",
            sample.title,
            page.text()
        );
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_stays_at_and_below_its_folder() {
    let site = Site::start(2).await;
    for path in ["/guides/zebra", "/guides-2", "/guides/zebra/foal"] {
        add(&site, path, "Zebra", "markdown", "");
    }
    let cases: [(&str, &[&str]); 5] = [
        ("/", &["/guides-2", "/guides/zebra", "/guides/zebra/foal"]),
        ("/guides", &["/guides/zebra", "/guides/zebra/foal"]),
        ("/guides/zebra", &["/guides/zebra", "/guides/zebra/foal"]),
        ("/guides-2", &["/guides-2"]),
        ("/try", &[]),
    ];
    for (folder, expected) in cases {
        let page = site.get(&format!("{folder}?q=zebras")).await;
        let mut paths = found(&page);
        paths.sort();
        assert_eq!(paths, expected, "{folder}");
        let form =
            format!("<form class=\"search\" role=\"search\" action=\"{folder}\" method=\"get\">");
        assert!(page.text().contains(&form), "{}", page.text());
        assert_eq!(
            page.text().contains("<a href=\"/?q=zebras\">"),
            folder != "/",
            "a way to search all"
        );
    }
    assert_eq!(site.get("/nothing?q=zebra").await.status, 404);
    assert_eq!(site.get("/guides/?q=zebra").await.status, 308);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_follows_every_change() {
    let site = Site::start(2).await;
    let other = site.other_program();
    let all = async |words: &str| found(&site.get(&format!("/?q={words}")).await);
    assert!(all("okapi").await.is_empty());
    add(&site, "/animals", "Animals", "markdown", "An okapi.");
    assert_eq!(all("okapi").await, ["/animals"]);
    other
        .execute_batch("UPDATE document SET body = 'A gnu.' WHERE path = '/animals'")
        .unwrap();
    assert!(all("okapi").await.is_empty());
    assert_eq!(
        all("GNU+anim%C3%A1ls").await,
        ["/animals"],
        "all words, whatever their case and accents"
    );
    assert!(all("gnu+okapi").await.is_empty());
    other
        .execute_batch("UPDATE document SET path = '/beasts' WHERE path = '/animals'")
        .unwrap();
    assert_eq!(all("gnu").await, ["/beasts"]);
    other
        .execute_batch("DELETE FROM document WHERE path = '/beasts'")
        .unwrap();
    assert!(all("gnu").await.is_empty());
    // An index that disagrees with its documents is an error here.
    other
        .execute_batch("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")
        .unwrap();
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_words_are_an_error() {
    let site = Site::start(2).await;
    add(&site, "/odd", "Odd", "markdown", "What of C++ and e-mail?");
    let long = "a+".repeat(500);
    let words = [
        "%22",
        "%22%22%22",
        "AND",
        "OR+NOT",
        "NEAR%28",
        "%28%29",
        "*",
        "-",
        "%5E",
        "title%3Acap",
        "%7Btitle%7D%3A",
        "cap+AND",
        "%27%3B--",
        "%00",
        "cap%00%22",
        "%ff",
        "%EF%B7%90",
        "%F0%9F%90%8D",
        "%3Cscript%3Ealert%281%29%3C/script%3E",
        &long,
    ];
    for words in words {
        let page = site.browse("GET", &format!("/?q={words}")).await;
        assert_eq!(page.status, 200, "{words}");
        assert!(!page.text().contains("<script"), "{}", page.text());
        assert!(page.text().contains("<h1>Search</h1>"), "{}", page.text());
    }
    for words in [
        "C%2B%2B+odd",
        "e-mail",
        "%22e-mail%3F%22",
        "*+mail+odd",
        "odd%00",
    ] {
        assert_eq!(
            found(&site.get(&format!("/?q={words}")).await),
            ["/odd"],
            "{words}"
        );
    }
    assert_eq!(site.get("/?q=a&q=b").await.status, 400);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shown_parts_of_a_document_are_escaped() {
    let site = Site::start(2).await;
    add(
        &site,
        "/a",
        "A <b>bold</b> quokka",
        "markdown",
        "`<script>` & *quokka* [here](/quokka)<i>",
    );
    add(
        &site,
        "/b",
        "B",
        "html",
        "<p title=\"quokka\">5 &lt; 6 <em>quokka</em></p>",
    );
    let page = site.get("/?q=quokka").await.text();
    assert!(
        page.contains("A &lt;b&gt;bold&lt;&#x2f;b&gt; <mark>quokka</mark>"),
        "{page}"
    );
    assert!(
        page.contains("<p>&lt;script&gt; &amp; <mark>quokka</mark> here</p>"),
        "{page}"
    );
    assert!(
        page.contains("<p>5 &lt; 6 <mark>quokka</mark></p>"),
        "{page}"
    );
    let page = site.get("/?q=%22%3E%3Cimg%20src%3D1%3E").await.text();
    assert!(
        page.contains("value=\"&quot;&gt;&lt;img src=1&gt;\"") && !page.contains("<img src=1"),
        "{page}"
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn search_without_words_and_search_without_results_are_explained() {
    let site = Site::start(2).await;
    for (path, says) in [
        (
            "/?q=",
            "<p>Type one or more words into the field above.</p>",
        ),
        (
            "/guides?q=%20",
            " to find pages in <a href=\"/guides\">Guides</a>.</p>",
        ),
        (
            "/guides?q=wombat",
            "<p>No page in <a href=\"/guides\">Guides</a> has “wombat”.</p>",
        ),
    ] {
        let page = site.get(path).await.text();
        assert!(page.contains(says), "{page}");
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn number_of_pages_is_shown_up_to_a_bound() {
    let site = Site::start(2).await;
    add(&site, "/zoo", "Zoo", "markdown", "wombat");
    let insert = "WITH RECURSIVE number (n) AS (VALUES (?1) UNION ALL \
        SELECT n + 1 FROM number WHERE n < ?2)
        INSERT INTO document (path, parent, position, title, format, body, modified)
        SELECT '/zoo/' || n, '/zoo', n, 'Wombat', 'markdown', '', 0 FROM number";
    let narrow = " Add words to narrow the search.";
    for (first, last, says) in [
        (1, 1, "2 pages for “wombat”."),
        (2, 19, "20 pages for “wombat”."),
        (20, 20, "20 best of 21 pages for “wombat”."),
        (21, 999, "20 best of 1,000 pages for “wombat”."),
        (1000, 1000, "20 best of more than 1,000 pages for “wombat”."),
    ] {
        let range = [first, last].map(|number| i64::try_from(number).unwrap());
        let inserted = site.other_program().execute(insert, range).unwrap();
        assert_eq!(inserted, last - first + 1);
        let page = site.get("/?q=wombat").await;
        let more = if last > 19 { narrow } else { "" };
        let sentence = format!("<p>{says}{more}</p>");
        assert!(page.text().contains(&sentence), "{says} {}", page.text());
        assert_eq!(found(&page).len(), (last + 1).min(20));
    }
    let page = site.get("/zoo/7?q=wombat").await.text();
    let sentence = "<p>1 page for “wombat” in <a href=\"/zoo/7\">Wombat</a>.</p>";
    assert!(page.contains(sentence), "{page}");
    let page = site.get("/zoo?q=wombat").await.text();
    let sentence = "pages for “wombat” in <a href=\"/zoo\">Zoo</a>. Add words";
    assert!(page.contains(sentence), "{page}");
    site.end().await;
}

#[test]
fn older_database_gets_the_index_with_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = euryale_sqlite::Sqlite::open(folder.path().join("site.db")).unwrap();
    sqlite.migrate(&store::SQLITE_STEPS[..1]).unwrap();
    let insert = "INSERT INTO document VALUES ('/old', NULL, 0, 'Old', 'markdown', 'A dodo.', 0);
                  INSERT INTO imported VALUES ('samples', 0);";
    connection(folder.path()).execute_batch(insert).unwrap();
    drop(Data::open(folder.path()).unwrap());
    let select = "SELECT count(*) FROM search WHERE search MATCH 'dodos'";
    let count: i64 = connection(folder.path())
        .query_row(select, [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_fills_a_page_does_not_hold_up_its_search() {
    let site = Site::start(1).await;
    add(&site, "/full", "Full", "markdown", &"a ".repeat(250_000));
    add(&site, "/lines", "Lines", "html", &"a b\n".repeat(125_000));
    for words in ["a", "a-a-a", "b+a"] {
        let began = Instant::now();
        let page = site.get(&format!("/?q={words}")).await;
        let took = began.elapsed();
        assert!(!found(&page).is_empty(), "{words}");
        assert!(page.text().contains("<mark>a"), "{words}: {}", page.text());
        // A debug build takes 0.2 s on a busy machine, and more than a minute with `highlight()`.
        assert!(took < Duration::from_secs(2), "{words}: {took:?}");
    }
    site.end().await;
}
