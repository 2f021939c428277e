use super::*;

/// A target, and the expected public home, root, and path of the application.
const CASES: [(&str, &str, &str, &str); 30] = [
    // The named tests of Zope's `testVirtualHostMonster`.
    (
        "/VirtualHostBase/http/www.mysite.com:80/folder/",
        "http://www.mysite.com/",
        "",
        "/folder/",
    ),
    (
        "/VirtualHostBase/http/www.mysite.com:80/folder",
        "http://www.mysite.com/",
        "",
        "/folder",
    ),
    (
        "/VirtualHostBase/http/www.mysite.com:80/folder/doc/",
        "http://www.mysite.com/",
        "",
        "/folder/doc/",
    ),
    (
        "/VirtualHostBase/http/www.mysite.com:80/folder/doc",
        "http://www.mysite.com/",
        "",
        "/folder/doc",
    ),
    (
        "/VirtualHostBase/http/www.mysite.com:80/folder/VirtualHostRoot/doc/",
        "http://www.mysite.com/",
        "/folder",
        "/folder/doc/",
    ),
    (
        "/VirtualHostBase/http/www.mysite.com:80/folder/VirtualHostRoot/doc",
        "http://www.mysite.com/",
        "/folder",
        "/folder/doc",
    ),
    (
        "/VirtualHostBase/http/www.mysite.com:80/folder/VirtualHostRoot/",
        "http://www.mysite.com/",
        "/folder",
        "/folder",
    ),
    (
        "/VirtualHostBase/http/www.mysite.com:80/folder/VirtualHostRoot",
        "http://www.mysite.com/",
        "/folder",
        "/folder",
    ),
    (
        "/VirtualHostBase/http/www.mysite.com/folder/",
        "http://www.mysite.com/",
        "",
        "/folder/",
    ),
    (
        "/VirtualHostBase/http/www.mysite.com:81/folder/",
        "http://www.mysite.com:81/",
        "",
        "/folder/",
    ),
    (
        "/VirtualHostBase/http/[::1]:80/folder/",
        "http://[::1]/",
        "",
        "/folder/",
    ),
    (
        "/VirtualHostBase/http/[::1]/folder/",
        "http://[::1]/",
        "",
        "/folder/",
    ),
    (
        "/VirtualHostBase/http/[::1]:81/folder/",
        "http://[::1]:81/",
        "",
        "/folder/",
    ),
    // The generated tests of that module: with and without a base, a root, and a prefix.
    ("/folder/doc", "http://nohost/", "", "/folder/doc"),
    (
        "/folder/VirtualHostRoot/doc",
        "http://nohost/",
        "/folder",
        "/folder/doc",
    ),
    (
        "/folder/VirtualHostRoot/_vh_foo/doc",
        "http://nohost/foo/",
        "/folder",
        "/folder/doc",
    ),
    (
        "/VirtualHostRoot/_vh_foo/folder/doc",
        "http://nohost/foo/",
        "",
        "/folder/doc",
    ),
    (
        "/VirtualHostBase/http/example.com:80/folder/doc",
        "http://example.com/",
        "",
        "/folder/doc",
    ),
    (
        "/VirtualHostBase/http/example.com:80/folder/VirtualHostRoot/_vh_foo/doc",
        "http://example.com/foo/",
        "/folder",
        "/folder/doc",
    ),
    (
        "/VirtualHostBase/http/example.com:80/VirtualHostRoot/_vh_foo/folder/doc",
        "http://example.com/foo/",
        "",
        "/folder/doc",
    ),
    // Our own cases.
    (
        "/VirtualHostBase/https/example.com:443/VirtualHostRoot/_vh_a/_vh_b/doc",
        "https://example.com/a/b/",
        "",
        "/doc",
    ),
    (
        "/VirtualHostBase/https/example.com:80/VirtualHostRoot",
        "https://example.com:80/",
        "",
        "/",
    ),
    (
        "/VirtualHostBase/http/tenant.example.com:80/sites/*/VirtualHostRoot/x",
        "http://tenant.example.com/",
        "/sites/tenant",
        "/sites/tenant/x",
    ),
    (
        "/VirtualHostBase/http/example.com:80//folder//VirtualHostRoot//doc",
        "http://example.com/",
        "/folder",
        "/folder/doc",
    ),
    (
        "//VirtualHostBase/http/example.com/VirtualHostRoot//_vh_a//doc//x",
        "http://example.com/a/",
        "",
        "/doc//x",
    ),
    (
        "/VirtualHostBase/http/h/a/VirtualHostRoot/x/VirtualHostRoot/y",
        "http://h/",
        "/a",
        "/a/x/VirtualHostRoot/y",
    ),
    (
        "/VirtualHostBase/http/h/VirtualHostRoot/VirtualHostBase/https/evil/x",
        "http://h/",
        "",
        "/VirtualHostBase/https/evil/x",
    ),
    (
        "/VirtualHostBase/http/h/a/VirtualHostRoot/doc/_vh_b?q=/../VirtualHostRoot",
        "http://h/",
        "/a",
        "/a/doc/_vh_b?q=/../VirtualHostRoot",
    ),
    (
        "/doc/_vh_a/*/VirtualHostBase/http/h",
        "http://nohost/",
        "",
        "/doc/_vh_a/*/VirtualHostBase/http/h",
    ),
    (
        "/VirtualHostBase/http/h/VirtualHostRoot/_vh_/_vh_a/doc",
        "http://h/a/",
        "",
        "/doc",
    ),
];

#[tokio::test]
async fn paths_have_the_same_meaning_as_in_zope() {
    for (target, home, root, path) in CASES {
        let seen = by_path(target).await.unwrap();
        assert_eq!(
            (
                seen.home.as_str(),
                seen.root.as_str(),
                seen.target.to_string().as_str()
            ),
            (home, root, path),
            "{target}"
        );
        let host = home.split('/').nth(2).unwrap().to_owned();
        assert_eq!(seen.headers, [("host".to_owned(), host)]);
    }
}

#[tokio::test]
async fn malformed_values_are_refused() {
    for target in [
        "/VirtualHostBase",
        "/VirtualHostBase/http",
        "/VirtualHostBase/ftp/example.com/x",
        "/VirtualHostBase/http//x",
        "/VirtualHostBase/http/user@example.com/x",
        "/VirtualHostBase/http/example.com:x/x",
        "/VirtualHostBase/http/example.com:99999/x",
        "/VirtualHostBase/http/[::1]:80/*/VirtualHostRoot/x",
        "/VirtualHostBase/http/h/a/../VirtualHostRoot/x",
        "/VirtualHostBase/http/h/VirtualHostRoot/_vh_%2e%2e/x",
        "/VirtualHostBase/http/h/VirtualHostRoot/_vh_../x",
        "/VirtualHostBase/http/h/a/VirtualHostRoot/../secret",
        "/VirtualHostBase/http/h/a/VirtualHostRoot/x/%2E./../secret",
        "/a/VirtualHostRoot/%2e%2e/secret",
    ] {
        assert_eq!(
            by_path(target).await,
            Err(StatusCode::BAD_REQUEST),
            "{target}"
        );
    }
}

#[tokio::test]
async fn paths_of_other_peers_are_not_decoded() {
    for (target, ..) in CASES {
        let layers = (
            ForwardedLayer::new(proxies()),
            VirtualHostLayer::new(proxies()),
        );
        let seen = pass(layers, Peer::new(stranger()), target, &[("host", "nohost")])
            .await
            .unwrap();
        assert_eq!(
            (seen.home.as_str(), seen.root.as_str()),
            ("http://nohost/", "")
        );
        assert_eq!(seen.target, target);
    }
}

#[tokio::test]
async fn a_prefix_may_be_in_a_header_and_in_the_path() {
    let layers = (
        ForwardedLayer::new(proxies()),
        VirtualHostLayer::new(proxies()),
    );
    let fields = [
        ("host", "h"),
        ("x-forwarded-prefix", "/outer"),
        ("x-forwarded-proto", "https"),
    ];
    let seen = pass(
        layers,
        Peer::new(proxy()),
        "/VirtualHostRoot/_vh_inner/doc",
        &fields,
    )
    .await
    .unwrap();
    assert_eq!(seen.home, "https://h/outer/inner/");
}

#[test]
fn urls_are_built_below_the_prefix_and_inside_the_root() {
    let facts = crate::public_url::Facts {
        is_https: true,
        host: crate::host::Host::parse("h:8443"),
        prefix: "/a".into(),
        root: "/folder".into(),
    };
    let url = PublicUrl::new(facts);
    for (path, expected) in [
        ("/folder", Some("/a/")),
        ("/folder/", Some("/a/")),
        ("/folder?q=1", Some("/a/?q=1")),
        ("/folder/doc?edit", Some("/a/doc?edit")),
        ("/folders", None),
        ("/", None),
        ("/other", None),
    ] {
        assert_eq!(url.path(path).as_deref(), expected, "{path}");
        assert_eq!(
            url.url(path),
            expected.map(|path| format!("https://h:8443{path}"))
        );
    }
    assert_eq!(
        (url.scheme(), url.host(), url.port()),
        ("https", Some("h"), 8443)
    );
    assert_eq!(url.cookie_attributes(), "Path=/a; Secure");
}
