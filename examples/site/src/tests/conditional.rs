//! Conditional changes (RFC 9110 §13), and partial ones (§14.5).

use euryale_test::Answer;

use super::{Site, header, uploading};

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const MULTIPART: &str = "content-type: multipart/form-data; boundary=X-X\r\n";
const OLD: &str = "if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
const LATER: &str = "if-unmodified-since: Fri, 31 Dec 9999 23:59:59 GMT\r\n";

async fn status(site: &Site, method: &str, path: &str, headers: &str) -> u16 {
    site.send(method, path, headers, "").await.status.as_u16()
}

async fn upload(site: &Site, condition: &str, text: &str) -> Answer {
    let headers = format!("{MULTIPART}{condition}");
    let body = uploading::form(&[("f.txt", text)]);
    site.send("POST", "/", &headers, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_page_is_not_deleted_under_a_condition() {
    let site = Site::start(2).await;
    let page = site.send("POST", "/p", FORM, "title=P&body=x").await;
    assert_eq!(page.status, 201);
    assert_eq!(upload(&site, "", "one").await.status, 201);
    let tag = header(&site.get("/f.txt").await, "etag").to_owned();
    for path in ["/p", "/f.txt"] {
        for condition in ["if-match: \"other\"\r\n", "if-none-match: *\r\n", OLD] {
            for (method, query) in [("DELETE", ""), ("POST", "?delete")] {
                let place = format!("{path}{query}");
                assert_eq!(
                    status(&site, method, &place, condition).await,
                    412,
                    "{method} {place} {condition}"
                );
            }
        }
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
    let known = format!("if-none-match: W/{tag}\r\n");
    assert_eq!(status(&site, "DELETE", "/f.txt", &known).await, 412);
    // A request that would fail anyway is answered as it would be without conditions (§13.2.1).
    assert_eq!(
        status(&site, "DELETE", "/none", "if-match: *\r\n").await,
        404
    );
    assert_eq!(status(&site, "DELETE", "/", OLD).await, 409);
    // RFC 9110 §13.1.4: If-Match wins over a date, and an invalid date is ignored.
    let both = format!("{OLD}if-match: {tag}\r\n");
    assert_eq!(status(&site, "DELETE", "/f.txt", &both).await, 204);
    let nonsense = "if-unmodified-since: yesterday\r\nif-match: *\r\n";
    assert_eq!(status(&site, "DELETE", "/p", nonsense).await, 204);
    let page = site.send("POST", "/p", FORM, "title=P&body=x").await;
    assert_eq!(page.status, 201);
    assert_eq!(status(&site, "DELETE", "/p", LATER).await, 204);
    site.end().await;
}

/// The conditions are those of the file, not of the folder that the form is sent to: as for the
/// form that makes a page.
#[tokio::test(flavor = "multi_thread")]
async fn file_replaces_only_the_version_that_its_sender_has_seen() {
    let site = Site::start(2).await;
    let before = site.blobs().len();
    assert_eq!(upload(&site, "if-match: *\r\n", "0").await.status, 412);
    assert_eq!(site.get("/f.txt").await.status, 404);
    assert_eq!(upload(&site, "if-none-match: *\r\n", "1").await.status, 201);
    let tag = header(&site.get("/f.txt").await, "etag").to_owned();
    let known = format!("if-none-match: {tag}\r\n");
    for condition in ["if-none-match: *\r\n", "if-match: \"x\"\r\n", OLD, &known] {
        let refused = upload(&site, condition, "2").await;
        assert_eq!(refused.status, 412, "{condition}");
    }
    assert_eq!(site.get("/f.txt").await.text(), "1");
    // One of two exists, so neither is stored.
    let two = uploading::form(&[("g.txt", "g"), ("f.txt", "f")]);
    let headers = format!("{MULTIPART}if-none-match: *\r\n");
    assert_eq!(site.send("POST", "/", &headers, &two).await.status, 412);
    assert_eq!(site.get("/g.txt").await.status, 404);
    assert_eq!(site.blobs().len(), before + 1);
    let same = format!("if-match: {tag}\r\n");
    assert_eq!(upload(&site, &same, "3").await.status, 201);
    assert_eq!(upload(&site, &same, "4").await.status, 412);
    assert_eq!(upload(&site, LATER, "5").await.status, 201);
    assert_eq!(site.get("/f.txt").await.text(), "5");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_changed_in_the_meantime_is_not_overwritten_and_not_counted() {
    let site = Site::start(2).await;
    let form = async |condition: &str| {
        let headers = format!("{FORM}{condition}");
        let answer = site.send("POST", "/p", &headers, "title=P&body=x").await;
        answer.status.as_u16()
    };
    assert_eq!(form("").await, 201);
    assert_eq!(form(OLD).await, 412);
    assert_eq!(form(LATER).await, 204);
    assert_eq!(site.send("PUT", "/p?text", OLD, "y").await.status, 412);
    assert_eq!(site.send("PUT", "/p?text", LATER, "y").await.status, 204);
    for condition in ["if-none-match: *\r\n", "if-match: \"x\"\r\n"] {
        assert_eq!(status(&site, "POST", "/@@counter", condition).await, 412);
    }
    assert_eq!(site.get("/@@counter").await.text(), "0\n");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn put_of_a_part_is_refused() {
    let site = Site::start(1).await;
    let page = site.send("POST", "/p", FORM, "title=P&body=whole").await;
    assert_eq!(page.status, 201);
    for range in ["bytes 0-0/5", "bytes 0-4/5", "nonsense", ""] {
        let headers = format!("content-range: {range}\r\n");
        let refused = site.send("PUT", "/p?text", &headers, "x").await;
        assert_eq!(refused.status, 400, "{range}");
    }
    assert_eq!(site.get("/p?text").await.text(), "whole");
    site.end().await;
}
