//! Themes, tiles, and responses that neither of them changes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use euryale::connection::PoolBook;
use euryale::tiles::TileBook;
use euryale::transform::TransformBook;
use euryale_test::Answer;

use super::{Site, header};
use crate::cli::settings::Settings;
use crate::cli::task::Task;
use crate::pages::theme::Theme;

/// Text that only the built-in themes have.
const EURYALE: &str = "<div class=\"bar\">";
const GAZETTE: &str = "<a class=\"masthead\"";

const RULES: &str = r##"<rules xmlns="http://namespaces.plone.org/diazo"
  xmlns:css="http://namespaces.plone.org/diazo/css">
  <theme href="theme.html"/>
  <replace css:theme-children="#main" css:content-children="main"/>
</rules>"##;

fn folder(version: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "rules.xml", RULES);
    write(folder.path(), "theme.html", &theme(version));
    write(folder.path(), "style.css", "p { margin: 0 }");
    folder
}

fn theme(version: &str) -> String {
    format!(
        "<!doctype html><head><link href=style.css rel=stylesheet></head><body><p>{version}</p><b \
            id=main></b>"
    )
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

fn count(answer: &Answer, text: &str) -> usize {
    answer.text().matches(text).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_the_theme_once_and_its_content() {
    for (flag, marker) in [("--theme=euryale", EURYALE), ("--theme=gazette", GAZETTE)] {
        let site = Site::start_with(2, &[flag]).await;
        for (path, content, status) in [
            ("/guides/cap", "<h1>A hard cap on connections</h1>", 200),
            ("/guides?q=connection", "<ol class=\"results\">", 200),
            ("/guides?new", "enctype=\"multipart/form-data\"", 200),
            ("/nothing", "<h1>Not Found</h1>", 404),
        ] {
            let page = site.browse("GET", path).await;
            assert_eq!(page.status, status, "{flag} {path}");
            for once in [marker, content, "</main>", "</html>", "href=\"/guides\""] {
                assert!(
                    count(&page, once) >= 1,
                    "{once} in {flag} {path}: {}",
                    page.text()
                );
            }
            assert_eq!(
                (count(&page, marker), count(&page, "</html>")),
                (1, 1),
                "{flag} {path}"
            );
        }
        assert_eq!(site.ledger.of::<TransformBook>().running.get(), 0);
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_theme_can_be_left_out() {
    let site = Site::start_with(2, &["--theme=none"]).await;
    let page = site.browse("GET", "/").await;
    assert!(
        !page.text().contains("stylesheet") && !page.text().contains("data-tile"),
        "{}",
        page.text()
    );
    assert_eq!(count(&page, "<section class=\"tile "), 2);
    site.end().await;
}

/// Refusals outside the stack are pages as well.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_errors_are_themed_and_keep_their_status() {
    let site = Site::start_with(1, &["--max-queue=1"]).await;
    let other = "accept: text/html\r\nsec-fetch-site: cross-site\r\n";
    let refused = site.send("POST", "/guides", other, "").await;
    assert_eq!(
        (refused.status.as_u16(), count(&refused, EURYALE)),
        (403, 1)
    );
    let file = site.folder.path().join("site.db");
    let away = site.folder.path().join("away.db");
    fs::rename(&file, &away).unwrap();
    let page = site.browse("GET", "/guides").await;
    assert_eq!(
        (page.status.as_u16(), header(&page, "retry-after")),
        (503, "1")
    );
    assert_eq!(
        (
            count(&page, EURYALE),
            count(&page, "<h1>Service Unavailable</h1>")
        ),
        (1, 1)
    );
    fs::rename(&away, &file).unwrap();
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_that_are_not_pages_are_unchanged() {
    let site = Site::start(2).await;
    let own = "<html><head></head><body class=home><main>mine</main>\
        <div data-tile=/@@tiles/recent></div></body></html>";
    assert_eq!(site.upload("/", &[("own.html", own)]).await.status, 201);
    assert_eq!(site.browse("GET", "/own.html").await.text(), own);
    assert_eq!(
        header(&site.get("/nothing").await, "content-type"),
        "application/problem+json"
    );
    assert_eq!(site.get("/@@counter").await.text(), "0\n");
    assert!(site.get("/@@visitor").await.text().starts_with('{'));
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_page_has_its_tiles_on_one_connection() {
    let site = Site::start(1).await;
    assert_eq!(site.post("/@@counter").await.text(), "1\n");
    let page = site.browse("GET", "/").await;
    let text = page.text();
    assert_eq!(page.status, 200);
    assert!(
        text.contains("<h2 id=\"recent\">Recently changed</h2>"),
        "{text}"
    );
    assert!(
        text.contains("<h2 id=\"numbers\">") && text.contains("Counter</a></dt><dd>1</dd>"),
        "{text}"
    );
    for none in ["data-tile", "tile-error", "id=\"news\""] {
        assert!(!text.contains(none), "{none} in {text}");
    }
    assert_eq!(
        text.matches("<time datetime=\"").count(),
        6,
        "five changes, and the page's own"
    );
    assert_eq!(site.ledger.of::<PoolBook>().publishers.running.peak(), 1);
    site.end().await;
}

/// There is no way in from outside: not by headers, not by the method, not by another spelling.
#[tokio::test(flavor = "multi_thread")]
async fn tiles_are_published_for_the_site_only() {
    let site = Site::start_with(1, &["--allow-writes", "--demo"]).await;
    let headers = [
        "",
        "accept: text/html\r\n",
        "internal: 1\r\ninternal-request: 1\r\nx-internal: true\r\nx-forwarded-for: 127.0.0.1\r\n",
        "x-original-url: /@@tiles/recent\r\nx-rewrite-url: /@@tiles/recent\r\n\
            forwarded: for=_internal\r\n",
        "sec-fetch-site: same-origin\r\norigin: http://localhost\r\nreferer: http://localhost/\r\n",
    ];
    for path in [
        "/@@tiles/recent",
        "/@@tiles/numbers",
        "/@@tiles/news",
        "/@@tiles/none",
        "/@@tiles/",
    ] {
        for headers in headers {
            for method in ["GET", "POST", "HEAD", "OPTIONS"] {
                let mut peer = site.peer().await;
                let head = format!(
                    "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\
                        {headers}\r\n"
                );
                peer.send(head).await.unwrap();
                let answer = peer.read_answer(method == "HEAD").await.unwrap();
                assert_eq!(answer.status, 404, "{method} {path} {headers}");
            }
        }
    }
    let tile = site.browse("GET", "/@@tiles/recent").await;
    let nothing = site.browse("GET", "/@@none").await;
    assert_eq!(tile.text(), nothing.text(), "as if there were none");
    site.end().await;
}

/// Text in a document requests no tiles, least of all on the home page, which has tiles.
#[tokio::test(flavor = "multi_thread")]
async fn documents_cannot_ask_for_tiles() {
    let site = Site::start(1).await;
    let body = "<p data-tile=\"/@@export?path=/\">one</p><p data-tile=\"/guides\">two</p>";
    let update = "UPDATE document SET format = 'html', body = ?1 WHERE path IN ('/', '/try')";
    assert_eq!(site.other_program().execute(update, [body]).unwrap(), 2);
    let home = site.browse("GET", "/").await;
    assert_eq!((home.status.as_u16(), count(&home, "tile-error")), (200, 2));
    assert_eq!(count(&home, "How the parts work"), 0);
    assert!(site.browse("GET", "/try").await.text().contains(body));
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_a_theme_and_is_read_again() {
    let folder = folder("first");
    let site = Site::start_with(2, &[&format!("--theme={}", folder.path().display())]).await;
    let page = site.browse("GET", "/guides").await;
    assert!(
        page.text().contains("<p>first</p>") && page.text().contains("<h1>Guides</h1>"),
        "{}",
        page.text()
    );
    assert!(
        page.text().contains("href=\"/@@theme/style.css\""),
        "{}",
        page.text()
    );
    let style = site.get("/@@theme/style.css").await;
    assert_eq!(
        (style.status.as_u16(), header(&style, "content-type")),
        (200, "text/css; charset=utf-8")
    );
    let tag = header(&style, "etag").to_owned();
    let again = site
        .send(
            "GET",
            "/@@theme/style.css",
            &format!("if-none-match: {tag}\r\n"),
            "",
        )
        .await;
    assert_eq!(again.status, 304);
    assert_eq!(site.get("/@@theme/../Cargo.toml").await.status, 404);

    write(folder.path(), "theme.html", &theme("the second one"));
    let follows = async {
        while !site
            .browse("GET", "/guides")
            .await
            .text()
            .contains("the second one")
        {}
    };
    tokio::time::timeout(Duration::from_secs(30), follows)
        .await
        .expect("the new theme is seen");
    assert!(
        site.browse("GET", "/guides")
            .await
            .text()
            .contains("<h1>Guides</h1>")
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_theme_serves_pages_as_they_are() {
    let folder = folder("first");
    write(folder.path(), "rules.xml", "<rules\n");
    let site = Site::start_with(2, &[&format!("--theme={}", folder.path().display())]).await;
    let page = site.browse("GET", "/guides").await;
    assert_eq!(page.status, 200);
    assert!(page.text().starts_with("<!doctype html>") && page.text().contains("<h1>Guides</h1>"));
    assert!(!page.text().contains("<p>first</p>"), "{}", page.text());
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_theme_of_plone_is_served_with_the_theme_that_it_is_made_of() {
    let base = folder("base");
    let own = tempfile::tempdir().unwrap();
    let manifest = "[theme]\nrules = /++theme++own/own.xml\nprefix = /++theme++own\n\
        production-css = ++theme++own/own.css\n[theme:parameters]\ncolor = python:1\n\
        portal_url = x\n";
    write(own.path(), "manifest.cfg", manifest);
    write(own.path(), "own.css", "p { margin: 1px }");
    let rules = "<rules xmlns=\"http://namespaces.plone.org/diazo\" \
        xmlns:xi=\"http://www.w3.org/2001/XInclude\">\
        <xi:include href=\"++theme++base/rules.xml\"/><notheme if=\"$ajax_load\"/>\
        <after theme=\"//p\"><i title=\"{$color} {$portal_url} {$host}\"/></after></rules>";
    write(own.path(), "own.xml", rules);
    let mount = format!("--theme-mount=base={}", base.path().display());
    let flags = [
        &format!("--theme={}", own.path().display()),
        &mount,
        "--theme-parameter=color=red",
    ];
    let site = Site::start_with(2, &flags).await;
    let page = site.browse("GET", "/guides").await.text();
    for part in [
        "<p>base</p>",
        "href=\"/@@theme/own.css\"",
        "title=\"red http://",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let part = site.browse("GET", "/guides?ajax_load=1").await.text();
    assert!(!part.contains("<p>base</p>"), "{part}");
    for file in [
        "/@@theme/own.css",
        "/++theme++base/style.css",
        "/@@theme/++theme++base/style.css",
    ] {
        assert_eq!(site.get(file).await.status, 200, "{file}");
    }
    site.end().await;

    let refused = |flags: &[&str]| {
        let flags = ["site"].iter().chain(flags);
        let settings = Settings::try_parse_from(flags).unwrap();
        settings.theme.try_out().unwrap_err().to_string()
    };
    let error = refused(&[flags[0]]);
    assert!(
        error.contains("with --theme-parameter color=VALUE"),
        "{error}"
    );
    let error = refused(&[flags[0], flags[2]]);
    assert!(error.contains("no theme base is mounted"), "{error}");
    let twice = refused(&[flags[0], "--theme-mount=a=/x", "--theme-mount=a=/y"]);
    assert!(twice.contains("two folders have the same name"), "{twice}");
}

#[test]
fn authors_try_a_theme_without_a_site() {
    let folder = folder("tried");
    let page = folder.path().join("page.html");
    write(folder.path(), "page.html", "<main><p>x</p></main>");
    let run = |rest: &[&str]| {
        let path = folder.path().display().to_string();
        let flags = ["site", "theme"].into_iter().chain(rest.iter().copied());
        let flags: Vec<&str> = flags
            .map(|flag| if flag == "FOLDER" { &path } else { flag })
            .collect();
        let settings = Settings::try_parse_from(flags).unwrap();
        let Some(Task::Theme { task }) = &settings.task else {
            panic!("another task");
        };
        crate::pages::theme::run(&settings.theme, task).map_err(|error| error.to_string())
    };
    let page = page.to_str().unwrap();
    assert!(run(&["check", "FOLDER"]).is_ok());
    assert!(run(&["apply", "FOLDER", page]).is_ok());
    assert!(run(&["apply", "--explain", "FOLDER", page, "--url=http://a/b"]).is_ok());
    let error = run(&["apply", "FOLDER", "missing.html"]).unwrap_err();
    assert!(error.starts_with("the page cannot be read: "), "{error}");
    let error = run(&["apply", "FOLDER", page, "--url=/b"]).unwrap_err();
    assert!(error.starts_with("the address has no host - /b"), "{error}");
    write(folder.path(), "rules.xml", "<rules\n");
    let error = run(&["check", "FOLDER"]).unwrap_err();
    assert!(
        error.contains("rules.xml:1: not well-formed XML"),
        "{error}"
    );
}

#[test]
fn missing_theme_is_named_in_one_line() {
    for (name, what) in [
        ("gazete", "there is no such theme - "),
        ("/nowhere", "there is no such theme - "),
        (".", "the folder has no theme - "),
    ] {
        let flags = ["site", &format!("--theme={name}")];
        let settings = Settings::try_parse_from(flags).unwrap();
        let error = Theme::open(&settings.theme).unwrap_err().to_string();
        assert!(error.starts_with(what), "{error}");
        assert!(
            error.contains(name) && error.contains("euryale, gazette, none"),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_theme_are_kept_for_long_and_need_no_worker() {
    let site = Site::start(1).await;
    let page = site.browse("GET", "/nothing").await.text();
    let attempts = site.ledger.transactions.attempts.get();
    let style = page
        .split('"')
        .find(|part| part.ends_with("/style.css"))
        .unwrap();
    let answer = site.get(style).await;
    assert_eq!(
        (answer.status.as_u16(), header(&answer, "content-type")),
        (200, "text/css; charset=utf-8")
    );
    assert!(header(&answer, "cache-control").contains("immutable"));
    assert_eq!(site.ledger.transactions.attempts.get(), attempts);
    for own in ["rules.xml", "page.html", "home.html"] {
        assert_eq!(
            site.get(&style.replace("style.css", own)).await.status,
            404,
            "{own}"
        );
    }
    site.end().await;
}

/// A tag of the page that the publisher made, and of the theme around it. With tiles there is none,
/// because their content is not known yet.
#[tokio::test(flavor = "multi_thread")]
async fn client_that_has_a_page_gets_304() {
    let folder = folder("first");
    let own = format!("--theme={}", folder.path().display());
    let mut tags = Vec::new();
    for (flag, has_tag) in [
        ("--theme=none", true),
        ("--theme=euryale", true),
        ("--theme=gazette", true),
        (&own, false),
    ] {
        let site = Site::start_with(1, &[flag]).await;
        let tag = header(&site.browse("GET", "/guides").await, "etag").to_owned();
        assert_eq!(
            (tag.starts_with("W/\""), tag.is_empty()),
            (has_tag, !has_tag),
            "{flag}"
        );
        assert_eq!(
            header(&site.browse("HEAD", "/guides").await, "etag"),
            tag,
            "{flag}"
        );
        assert_eq!(header(&site.browse("GET", "/").await, "etag"), "", "{flag}");
        if has_tag {
            let condition = format!("accept: text/html\r\nif-none-match: \"other\", {tag}\r\n");
            let known = site.send("GET", "/guides", &condition, "").await;
            assert_eq!(
                (known.status.as_u16(), known.body.len()),
                (304, 0),
                "{flag}"
            );
            assert_eq!(header(&known, "etag"), tag, "{flag}");
            let update = "UPDATE document SET title = 'New' WHERE path = '/guides'";
            site.other_program().execute_batch(update).unwrap();
            let changed = site.send("GET", "/guides", &condition, "").await;
            assert_eq!(
                (changed.status.as_u16(), count(&changed, "<h1>New</h1>")),
                (200, 1),
                "{flag}"
            );
            assert!(!tags.contains(&tag), "{flag}");
            tags.push(tag);
        }
        site.end().await;
    }
}

/// A browser's cached page is still valid after a restart of the program.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_outlives_a_restart() {
    let mut tags = Vec::new();
    for _ in 0..2 {
        let site = Site::start_with(1, &["--theme=gazette"]).await;
        let page = site.browse("GET", "/guides/cap").await;
        tags.push((header(&page, "etag").to_owned(), page.text()));
        site.end().await;
    }
    assert!(tags[0].0.starts_with("W/\""), "{tags:?}");
    assert_eq!(tags[0], tags[1]);
}

/// The links of a page, as a browser would follow them through a proxy that writes virtual hosts
/// into paths.
#[tokio::test(flavor = "multi_thread")]
async fn rules_have_the_address_that_the_browser_sees() {
    let own = folder("own");
    let rules = "<rules xmlns=\"http://namespaces.plone.org/diazo\"><theme href=\"theme.html\"/>\
        <after theme=\"//p\"><i title=\"{$url} {$host}\"/></after></rules>";
    write(own.path(), "rules.xml", rules);
    let theme = format!("--theme={}", own.path().display());
    let site = Site::start_with(1, &["--virtual-host-proxy=127.0.0.1", &theme]).await;
    let visible = "/VirtualHostBase/https/Example.org:443/guides/VirtualHostRoot/cap";
    let page = site.browse("GET", visible).await.text();
    assert!(
        page.contains("title=\"https://example.org/cap example.org\""),
        "{page}"
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_virtual_host_files_and_tiles_are_there() {
    for theme in ["euryale", "gazette"] {
        let theme = format!("--theme={theme}");
        let site = Site::start_with(
            1,
            &[
                "--virtual-host-proxy=127.0.0.1",
                "--allow-writes",
                "--demo",
                &theme,
            ],
        )
        .await;
        let proxied = |path: &str| {
            let path = path
                .strip_prefix("/shown/site")
                .unwrap_or_else(|| panic!("{path} leads out"));
            format!(
                "/VirtualHostBase/https/example.org:443/VirtualHostRoot/_vh_shown/_vh_site{path}"
            )
        };
        let attempts = || site.ledger.transactions.attempts.get();
        let before = attempts();
        let tiles = site.ledger.of::<TileBook>().parts.ok.get();
        let home = site.browse("GET", &proxied("/shown/site/")).await.text();
        assert_eq!(
            (
                attempts() - before,
                site.ledger.of::<TileBook>().parts.ok.get() - tiles
            ),
            (3, 2),
            "each tile once: {home}"
        );
        assert!(
            home.contains("id=\"recent\"") && home.contains("id=\"numbers\""),
            "{home}"
        );
        assert!(
            !home.contains("tile-error") && !home.contains("data-tile"),
            "{home}"
        );
        let links = super::proxying::links(&home);
        let own = |end: &str| {
            links
                .iter()
                .filter(|link| link.contains("/@@theme/") && link.ends_with(end))
                .count()
        };
        assert!(own("/style.css") == 1 && own("/icon.svg") >= 1, "{links:?}");
        for link in links {
            let link = link.split('#').next().unwrap_or_default();
            assert_eq!(
                site.browse("GET", &proxied(link)).await.status,
                200,
                "{link}"
            );
        }
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_prefix_the_files_of_the_theme_are_there_as_well() {
    let site = Site::start_with(
        1,
        &[
            "--trusted-proxy=127.0.0.1",
            "--forwarded-field=x-forwarded-prefix",
            "--demo",
        ],
    )
    .await;
    let prefixed = "accept: text/html\r\nx-forwarded-prefix: /below\r\n";
    for path in ["/", "/guides", "/nothing"] {
        let page = site.send("GET", path, prefixed, "").await.text();
        assert!(
            page.contains("href=\"/below/@@theme/") && page.contains("src=\"/below/@@theme/"),
            "{page}"
        );
        assert!(
            !page.contains("\"/@@theme/") && page.contains("href=\"/below/guides\""),
            "{page}"
        );
    }
    let home = site.send("GET", "/", prefixed, "").await.text();
    assert!(home.contains("<dt><a href=\"/below/@@counter\">"), "{home}");
    site.end().await;
}
