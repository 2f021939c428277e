//! The site's handling of a proxy's fields. `127.0.0.1`, from which these tests send requests, is
//! the proxy.

use serde_json::Value;

use euryale::blob::BlobBook;

use super::{Answer, Site, header};

const TRUSTED: &str = "--trusted-proxy=127.0.0.1";
const FORWARDED: &str = "x-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\n\
    x-forwarded-host: example.org\r\nx-forwarded-prefix: /app\r\n";

async fn told(site: &Site, path: &str, more: &str) -> Answer {
    site.send(
        "GET",
        path,
        &format!("{FORWARDED}accept: text/html\r\n{more}"),
        "",
    )
    .await
}

/// The addresses of this site to which a page has links.
pub(super) fn links(page: &str) -> Vec<&str> {
    let attributes = [" href=\"", " src=\"", " action=\""];
    let links = attributes
        .iter()
        .flat_map(|attribute| page.split(attribute).skip(1));
    links
        .filter_map(|rest| rest.split('"').next())
        .filter(|link| link.starts_with('/'))
        .collect()
}

fn seen(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn cookie_of_another_application_hides_no_other() {
    let site = Site::start_with(1, &[TRUSTED, "--demo"]).await;
    for line in [
        "name=Jürgen; visits=1",
        "visits=1; name=Jürgen",
        "visits=1;name",
    ] {
        let answer = told(&site, "/@@visitor", &format!("cookie: {line}\r\n")).await;
        assert_eq!(seen(&answer)["visits"], 2, "{line}");
    }
    site.end().await;
}

#[tokio::test]
async fn links_redirects_and_cookies_have_the_prefix() {
    let site = Site::start_with(1, &[TRUSTED, "--allow-writes", "--demo"]).await;
    for path in [
        "/",
        "/guides/request",
        "/?q=worker",
        "/guides?q=worker",
        "/?new",
        "/guides?edit",
        "/nothing",
    ] {
        let page = told(&site, path, "").await.text();
        let links = links(&page);
        assert!(
            links.len() > 5 && links.iter().all(|link| link.starts_with("/app/")),
            "{path}: {links:?}"
        );
    }
    let style = told(&site, "/", "").await.text();
    let style = links(&style)
        .into_iter()
        .find(|link| link.ends_with(".css"))
        .unwrap()
        .to_owned();
    assert_eq!(
        told(&site, style.strip_prefix("/app").unwrap(), "")
            .await
            .status,
        200
    );
    let slash = told(&site, "/guides/?x=1", "").await;
    assert_eq!(
        (slash.status.as_u16(), header(&slash, "location")),
        (308, "/app/guides?x=1")
    );
    let form = format!("{FORWARDED}content-type: application/x-www-form-urlencoded\r\n");
    // As sent by a browser without `Sec-Fetch-Site`: the origin is that of the host it asked.
    let made = site
        .send(
            "POST",
            "/",
            &format!("{form}origin: https://example.org\r\n"),
            "name=x&title=X&body=",
        )
        .await;
    assert_eq!(
        (made.status.as_u16(), header(&made, "location")),
        (201, "/app/x")
    );
    let foreign = site
        .send(
            "POST",
            "/",
            &format!("{form}origin: https://other.org\r\n"),
            "name=y&title=Y",
        )
        .await;
    assert_eq!(foreign.status, 403);
    let changed = site.send("POST", "/x", &form, "title=Y&body=").await;
    assert_eq!(
        (
            changed.status.as_u16(),
            header(&changed, "content-location")
        ),
        (204, "/app/x")
    );
    let gone = site
        .send(
            "DELETE",
            "/x",
            &format!("{FORWARDED}accept: text/html\r\n"),
            "",
        )
        .await;
    assert_eq!(
        (gone.status.as_u16(), header(&gone, "location")),
        (303, "/app/")
    );

    let first = told(&site, "/@@visitor", "").await;
    let expected = serde_json::json!({
        "client": "192.0.2.7", "site": "https://example.org/app/",
        "here": "https://example.org/app/@@visitor", "visits": 1,
    });
    assert_eq!(seen(&first), expected);
    assert_eq!(
        header(&first, "set-cookie"),
        "visits=1; Path=/app; Secure; HttpOnly; SameSite=Lax"
    );
    assert_eq!(
        seen(&told(&site, "/@@visitor", "cookie: a=b; visits=1\r\n").await)["visits"],
        2
    );
    assert_eq!(
        told(&site, "/", "x-forwarded-for: nonsense\r\n")
            .await
            .status,
        400
    );
    site.end().await;
}

#[tokio::test]
async fn fields_of_an_untrusted_peer_are_ignored() {
    let site = Site::start_with(
        1,
        &[
            "--trusted-proxy=192.0.2.0/24",
            "--virtual-host-proxy=unix",
            "--demo",
        ],
    )
    .await;
    let answer = told(&site, "/@@visitor", "").await;
    assert_eq!(
        (
            seen(&answer)["client"].as_str(),
            seen(&answer)["site"].as_str()
        ),
        (Some("127.0.0.1"), Some("http://localhost/"))
    );
    assert_eq!(
        header(&answer, "set-cookie"),
        "visits=1; Path=/; HttpOnly; SameSite=Lax"
    );
    assert!(
        links(&told(&site, "/", "").await.text())
            .iter()
            .all(|link| !link.starts_with("/app"))
    );
    let path = "/VirtualHostBase/https/evil.test/VirtualHostRoot/_vh_evil/guides";
    let answer = told(&site, path, "").await;
    assert_eq!(answer.status, 404);
    assert!(!answer.text().contains("evil"), "{}", answer.text());
    let offers = format!("{FORWARDED}x-sendfile-type: X-Sendfile\r\n");
    let file = site.send("GET", "/pictures/chord.wav", &offers, "").await;
    assert!(file.body.len() > 1000 && !file.headers.contains_key("x-sendfile"));
    site.end().await;
}

#[tokio::test]
async fn a_folder_is_the_whole_site() {
    let site = Site::start_with(
        1,
        &[
            "--virtual-host-proxy=127.0.0.1",
            "--virtual-host=shown.test/guides",
            "--demo",
        ],
    )
    .await;
    let base = "/VirtualHostBase/https/example.org:443/guides/VirtualHostRoot/_vh_a";
    let page = site.browse("GET", base).await.text();
    let addresses = links(&page);
    assert!(
        addresses.contains(&"/a/request") && addresses.contains(&"/a/"),
        "{addresses:?}"
    );
    // That link is in the text and leads outside: the site has no better address for it.
    let others: Vec<_> = addresses
        .iter()
        .filter(|link| !link.starts_with("/a/"))
        .collect();
    assert_eq!(others, [&"/layers"]);
    let style = addresses
        .iter()
        .find(|link| link.ends_with(".css"))
        .unwrap();
    assert_eq!(site.get(&style.replacen("/a", base, 1)).await.status, 200);
    let visitor = seen(&site.get(&format!("{base}/@@visitor")).await);
    assert_eq!(visitor["here"], "https://example.org/a/@@visitor");
    let slash = site.get(&format!("{base}/request/")).await;
    assert_eq!(
        (slash.status.as_u16(), header(&slash, "location")),
        (308, "/a/request")
    );
    let mut peer = site.peer().await;
    peer.send("GET /request HTTP/1.1\r\nhost: shown.test\r\n\r\n")
        .await
        .unwrap();
    let shown = peer.read_answer(false).await.unwrap();
    assert_eq!(shown.status, 200);
    assert!(
        links(&shown.text())
            .iter()
            .all(|link| !link.starts_with("/guides")),
        "{}",
        shown.text()
    );
    site.end().await;
}

#[tokio::test]
async fn a_page_that_a_layer_makes_has_the_prefix() {
    let site = Site::start_with(1, &[TRUSTED, "--allow-writes"]).await;
    let mut peer = site.peer().await;
    let fields = "accept: text/html\r\ncontent-type: multipart/form-data; boundary=b\r\n";
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 20000000\r\n{FORWARDED}{fields}\r\n"
    );
    peer.send(head).await.unwrap();
    let refused = peer.read_answer(false).await.unwrap();
    assert_eq!(refused.status, 413);
    let page = refused.text();
    assert!(
        links(&page).iter().all(|link| link.starts_with("/app/")) && page.contains("/app/"),
        "{page}"
    );
    site.end().await;
}

#[tokio::test]
async fn files_are_left_to_a_proxy_that_sends_them() {
    let site = Site::start_with(1, &[TRUSTED, "--offload=/internal"]).await;
    let offers = "x-sendfile-type: X-Accel-Redirect\r\n";
    let file = site.send("GET", "/pictures/chord.wav", offers, "").await;
    let place = header(&file, "x-accel-redirect")
        .strip_prefix("/internal/")
        .unwrap()
        .to_owned();
    assert!(file.body.is_empty() && site.folder.path().join("blobs").join(place).is_file());
    let file = site
        .send(
            "GET",
            "/pictures/chord.wav",
            "x-sendfile-type: X-Sendfile\r\n",
            "",
        )
        .await;
    let place = header(&file, "x-sendfile").to_owned();
    assert!(std::path::Path::new(&place).is_file(), "{place}");
    // A drawing may hold a script; its policy goes with it.
    let drawing = site.send("GET", "/pictures/onion.svg", offers, "").await;
    assert!(
        !drawing.body.is_empty() && header(&drawing, "content-security-policy").contains("sandbox")
    );
    assert_eq!(site.ledger.of::<BlobBook>().offload.get(), 2);
    site.end().await;
}

impl Site {
    /// A request to this host.
    async fn to_host(&self, host: &str, head: &str, more: &str, body: &str) -> Answer {
        let length = body.len();
        let head = format!(
            "{head} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n{more}\r\n{body}"
        );
        let mut peer = self.peer().await;
        peer.send(head).await.unwrap();
        peer.read_answer(false).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_nothing_outside_of_its_host() {
    let site = Site::start_with(1, &["--virtual-host=shown.test/guides"]).await;
    let export = async |query: &str| {
        let head = format!("GET /@@export{query}");
        site.to_host("shown.test", &head, "", "").await
    };
    for path in [
        "/operate",
        "/guides",
        "/guides/cap",
        "/../operate",
        "/%2e%2e/operate",
    ] {
        let answer = export(&format!("?path={path}")).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("guides/"), "{}", answer.text());
    }
    let names = |answer: &Answer| -> Vec<String> {
        let mut archive = tar::Archive::new(&*answer.body);
        let entries = archive.entries().unwrap();
        entries
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect()
    };
    let is_inside =
        |name: &String| name.starts_with("guides") || name == crate::pages::archive::LIST;
    for query in ["", "?path=/"] {
        let all = export(query).await;
        assert_eq!(all.status, 200);
        let all = names(&all);
        assert!(all.iter().all(is_inside), "{all:?}");
        assert!(all.contains(&"guides/cap.md".to_owned()), "{all:?}");
    }
    let cap = names(&export("?path=/cap").await);
    assert_eq!(cap, [crate::pages::archive::LIST, "guides/cap.md"]);
    assert_eq!(export("?path=cap").await.status, 400);
    // Another host shows the whole site.
    let all = site.to_host("other.test", "GET /@@export?path=/operate", "", "");
    assert_eq!(all.await.status, 200);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn written_page_has_the_address_that_its_host_sees() {
    let site = Site::start_with(1, &["--virtual-host=shown.test/guides", "--allow-writes"]).await;
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let post = async |path: &str, more: &str, body: &str| {
        let head = format!("POST {path}");
        site.to_host("shown.test", &head, more, body).await
    };
    let made = post("/", form, "name=v+new&title=X&body=").await;
    assert_eq!(made.status, 201);
    assert_eq!(
        (header(&made, "location"), &*made.text()),
        ("/v%20new", "/v new\n")
    );
    let again = post("/", form, "name=v+new&title=Y&body=").await.text();
    assert!(again.contains("a page at /v new"), "{again}");
    let lost = post("/none/x", form, "title=Y&body=").await.text();
    assert!(lost.contains("no page at /none to"), "{lost}");
    let multipart = "content-type: multipart/form-data; boundary=X-X\r\n";
    let files = super::uploading::form(&[("a.txt", "a")]);
    let sent = post("/", multipart, &files).await;
    assert_eq!(
        (header(&sent, "location"), &*sent.text()),
        ("/a.txt", "/a.txt\n")
    );
    let browser = "accept: text/html\r\n";
    let asks = site.to_host("shown.test", "GET /v%20new?delete", browser, "");
    let asks = asks.await.text();
    assert!(
        asks.contains(">/v new<") || asks.contains(">&#x2f;v new<"),
        "{asks}"
    );
    let gone = site.to_host("shown.test", "DELETE /v%20new", browser, "");
    let gone = gone.await;
    assert_eq!((header(&gone, "location"), &*gone.text()), ("/", "/\n"));
    for path in ["/?new", "/?edit", "/cap?edit"] {
        let head = format!("GET {path}");
        let page = site.to_host("shown.test", &head, browser, "").await.text();
        let around = page.split("<textarea").next().unwrap().to_owned()
            + page.rsplit("</textarea>").next().unwrap();
        assert!(!around.contains("guides"), "{path}: {around}");
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_leads_out_of_a_host() {
    let site = Site::start_with(1, &["--virtual-host=shown.test/guides", "--demo"]).await;
    let get = async |path: &str| {
        let head = format!("GET {path}");
        site.to_host("shown.test", &head, "", "").await
    };
    for path in [
        "/operate",
        "//operate",
        "/../operate",
        "/%2e%2e/operate",
        "/..%2foperate",
        "/operate?text",
        "/operate?list=1",
        "/operate?q=site",
        "/pictures/chord.wav",
        "/pictures/chord.wav/@@scale/64",
        "/@@scale/64",
        "/@@export/../operate",
        "/guides/@@export?path=/operate",
        "/@@tiles/recent",
        "/@@tiles/numbers",
    ] {
        let answer = get(path).await;
        let status = answer.status.as_u16();
        assert!((400..500).contains(&status), "{path}: {status}");
        assert!(!answer.text().contains("Running"), "{path}");
    }
    for path in ["/?q=the", "/?list=1", "/?list=1&path=/operate"] {
        let answer = get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text();
        let is_outside = |link: &&&str| link.starts_with("/operate");
        let links = links(&text);
        let outside: Vec<_> = links.iter().filter(is_outside).collect();
        assert!(outside.is_empty(), "{path}: {outside:?}");
    }
    site.end().await;
}
