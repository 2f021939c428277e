//! The site on PostgreSQL.

use euryale_test::engines::Postgres;

use super::{Site, header};
use crate::store::Place;

/// A site on a new database of the server that the tests share.
async fn site(flags: &[&str]) -> Option<Site> {
    let server = Postgres::shared()?;
    let place = Place::Postgres(server.url(&server.create_database()));
    Some(Site::start_on(Some(place), 2, flags).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_shown_changed_found_and_removed() {
    let Some(site) = site(&[]).await else {
        return;
    };
    let home = site.get("/").await;
    assert_eq!(home.status, 200);
    assert!(home.text().contains("Euryale"), "{}", home.text());

    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let body = "name=letter&title=A+letter&body=The+Gr%C3%BC%C3%9Fe+of+an+unicorn";
    let added = site.send("POST", "/", form, body).await;
    assert_eq!(added.status, 201, "{}", added.text());
    assert_eq!(header(&added, "location"), "/letter");
    let page = site.get("/letter").await;
    assert!(page.text().contains("of an unicorn"), "{}", page.text());
    let again = site.send("POST", "/", form, body).await;
    assert_eq!(again.status, 409, "{}", again.text());

    let found = site.get("/?q=unicorns").await;
    assert!(
        found.text().contains("<mark>unicorn</mark>"),
        "{}",
        found.text()
    );
    let body = "title=A+letter&body=The+Gr%C3%BC%C3%9Fe+of+a+dragon";
    let changed = site.send("POST", "/letter", form, body).await;
    assert_eq!(changed.status, 204, "{}", changed.text());
    assert!(site.get("/letter").await.text().contains("of a dragon"));
    assert!(!site.get("/?q=unicorns").await.text().contains("<mark>"));

    let counted = site.post("/@@counter").await;
    assert_eq!(counted.text(), "1\n");
    // A reader that writes is published again as a writer.
    assert_eq!(site.get("/@@counter?mode=late").await.text(), "2\n");

    let export = site.get("/@@export").await;
    assert_eq!(export.status, 200);
    assert_eq!(site.send("DELETE", "/letter", "", "").await.status, 204);
    assert_eq!(site.get("/letter").await.status, 404);
    site.end().await;
}
