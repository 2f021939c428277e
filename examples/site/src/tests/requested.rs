//! The default `/robots.txt` and `/favicon.ico`, and stored files in their place.

use super::{Site, header};

#[tokio::test(flavor = "multi_thread")]
async fn crawlers_and_browsers_find_what_they_request_from_every_site() {
    let site = Site::start(2).await;
    let rules = site.get("/robots.txt").await;
    assert_eq!(rules.status, 200);
    assert_eq!(header(&rules, "content-type"), "text/plain; charset=utf-8");
    assert!(rules.text().starts_with("User-agent: *\nDisallow: /@@\n"));
    let icon = site.browse("GET", "/favicon.ico").await;
    assert_eq!(icon.status, 200);
    assert_eq!(header(&icon, "content-type"), "image/svg+xml");
    assert!(icon.text().starts_with("<svg"), "{}", icon.text());
    for path in ["/robots.txt", "/favicon.ico"] {
        let head = site.browse("HEAD", path).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
        assert_eq!(
            site.send("DELETE", path, "", "").await.status,
            404,
            "{path}"
        );
        // Nothing is at these names in other folders.
        assert_eq!(
            site.get(&format!("/guides{path}")).await.status,
            404,
            "{path}"
        );
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_file_takes_the_place_of_a_default() {
    let site = Site::start(2).await;
    let files = [("robots.txt", "User-agent: *\n"), ("favicon.ico", "icon")];
    assert_eq!(site.upload("/", &files).await.status, 201);
    let rules = site.get("/robots.txt").await;
    assert_eq!(header(&rules, "content-type"), "text/plain; charset=utf-8");
    assert_eq!(rules.text(), "User-agent: *\n");
    assert_eq!(site.get("/favicon.ico").await.text(), "icon");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_page_is_read_by_crawlers_as_plain_text() {
    let site = Site::start(2).await;
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let body = "title=Robots&body=User-agent%3A+*%0ADisallow%3A+%2F";
    let made = site.send("POST", "/robots.txt", form, body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let rules = site.get("/robots.txt").await;
    assert_eq!(header(&rules, "content-type"), "text/plain; charset=utf-8");
    assert_eq!(rules.text(), "User-agent: *\nDisallow: /");
    let form = site.browse("GET", "/robots.txt?edit").await.text();
    assert!(form.contains("User-agent: *"), "{form}");
    site.end().await;
}
