use super::*;

const TABLE: &str = "
    # What is shown where.
    http://www.example.org/site
    www.example.org:8080/site/admin # another port
    *.example.org/tenants
    *.deep.example.org/deep
    new.test/VirtualHostBase/https/public.test:443/site/VirtualHostRoot/_vh_shown
    inside.test/site/VirtualHostRoot/_vh_part
    all.test/
";

#[tokio::test]
async fn each_host_has_its_root() {
    for (host, target, home, path) in [
        (
            "www.example.org",
            "/doc?x",
            "http://www.example.org/",
            "/site/doc?x",
        ),
        (
            "WWW.Example.org:80",
            "/",
            "http://www.example.org/",
            "/site",
        ),
        (
            "www.example.org:8080",
            "/doc",
            "http://www.example.org:8080/",
            "/site/admin/doc",
        ),
        (
            "www.example.org:81",
            "/doc",
            "http://www.example.org:81/",
            "/site/doc",
        ),
        ("example.org", "/doc", "http://example.org/", "/tenants/doc"),
        (
            "a.b.example.org",
            "/doc",
            "http://a.b.example.org/",
            "/tenants/doc",
        ),
        (
            "a.deep.example.org",
            "/doc",
            "http://a.deep.example.org/",
            "/deep/doc",
        ),
        (
            "new.test",
            "/doc",
            "https://public.test/shown/",
            "/site/doc",
        ),
        (
            "inside.test",
            "/doc",
            "http://inside.test/part/",
            "/site/doc",
        ),
        ("all.test", "/doc", "http://all.test/", "/doc"),
        ("other.test", "/doc", "http://other.test/", "/doc"),
        ("notexample.org", "/doc", "http://notexample.org/", "/doc"),
        ("192.0.2.1", "/doc", "http://192.0.2.1/", "/doc"),
        (
            "inside.test",
            "/_vh_evil/VirtualHostRoot/doc",
            "http://inside.test/part/",
            "/site/_vh_evil/VirtualHostRoot/doc",
        ),
        (
            "www.example.org",
            "/VirtualHostBase/https/evil/x",
            "http://www.example.org/",
            "/site/VirtualHostBase/https/evil/x",
        ),
    ] {
        let seen = by_table(TABLE, host, target).await.unwrap();
        assert_eq!(
            (seen.home.as_str(), seen.target.to_string().as_str()),
            (home, path),
            "{host}{target}"
        );
    }
    let out = by_table(TABLE, "www.example.org", "/a/../../secret").await;
    assert_eq!(out, Err(StatusCode::BAD_REQUEST));
}

#[test]
fn invalid_lines_are_refused() {
    for line in [
        "example.org",
        "192.0.2.1/site",
        "[::1]/site",
        "/site",
        "exa mple.org/site",
        "example.org/VirtualHostBase/http",
        "example.org/site/VirtualHostRoot/more",
        "example.org/a/../b",
    ] {
        let error = line.parse::<HostTable>().unwrap_err();
        assert!(error.to_string().contains(line), "{error}");
    }
}
