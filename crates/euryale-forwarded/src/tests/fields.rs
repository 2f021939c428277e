use super::*;

#[tokio::test]
async fn the_last_address_that_is_not_a_proxy_is_the_client() {
    let cases: [(&str, &str); 17] = [
        ("192.0.2.1", "192.0.2.1"),
        ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.2.3.4", "192.0.2.1"),
        ("203.0.113.9, 192.0.2.1, 10.2.3.4, 10.0.0.2", "192.0.2.1"),
        ("what the client made up, 192.0.2.1", "192.0.2.1"),
        ("10.9.9.9, 10.0.0.2", "10.9.9.9"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:db9::1", "2001:db9::1"),
        ("[2001:db9::1]", "2001:db9::1"),
        ("[2001:db9::1]:80", "2001:db9::1"),
        ("192.0.2.1, 2001:db8::5", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, unix:", "192.0.2.1"),
        ("192.0.2.1, unknown", "unknown"),
        ("192.0.2.1, _hidden, 10.0.0.2", "unknown"),
        (" , 192.0.2.1 ,, ", "192.0.2.1"),
        ("", "10.0.0.1"),
    ];
    for (list, client) in cases {
        let seen = forwarded(&[("x-forwarded-for", list)]).await.unwrap();
        assert_eq!(
            (seen.client.as_str(), seen.is_proxied),
            (client, true),
            "{list}"
        );
        assert_eq!(seen.home, "http://inside:8080/");
    }
    let lines = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-for", "192.0.2.1, 10.0.0.2"),
    ];
    assert_eq!(
        forwarded(&lines).await.unwrap().client,
        "192.0.2.1",
        "lines are one list"
    );
}

#[tokio::test]
async fn scheme_host_port_and_prefix_are_those_of_the_first_proxy() {
    let cases: [(&[(&str, &str)], &str); 16] = [
        (&[("proto", "https")], "https://inside:8080/"),
        (
            &[("proto", "HTTPS"), ("host", "Example.ORG")],
            "https://example.org/",
        ),
        (
            &[("proto", "wss"), ("host", "example.org:443")],
            "https://example.org/",
        ),
        (
            &[("proto", "ws"), ("host", "example.org:443")],
            "http://example.org:443/",
        ),
        (
            &[("host", "example.org"), ("port", "80")],
            "http://example.org/",
        ),
        (
            &[
                ("host", "example.org"),
                ("port", "8443"),
                ("proto", "https"),
            ],
            "https://example.org:8443/",
        ),
        (
            &[("host", "example.org:1"), ("port", "2")],
            "http://example.org:1/",
        ),
        (&[("host", "[2001:DB8::1]:81")], "http://[2001:db8::1]:81/"),
        (&[("prefix", "/app")], "http://inside:8080/app/"),
        (&[("prefix", "/a/b/")], "http://inside:8080/a/b/"),
        (&[("prefix", "/")], "http://inside:8080/"),
        (
            &[("proto", "https, http"), ("host", "x.test, y.test")],
            "http://y.test/",
        ),
        (
            &[
                ("for", "192.0.2.1, 10.0.0.2"),
                ("proto", "https, http"),
                ("host", "x.test, y.test"),
            ],
            "https://x.test/",
        ),
        (
            &[
                ("for", "203.0.113.9, 192.0.2.1, 10.0.0.2"),
                ("host", "evil.test, x.test, y.test"),
            ],
            "http://x.test/",
        ),
        (
            &[("for", "192.0.2.1, 10.0.0.3, 10.0.0.2"), ("host", "x.test")],
            "http://x.test/",
        ),
        (
            &[("proto", ""), ("host", ""), ("port", ""), ("prefix", "")],
            "http://inside:8080/",
        ),
    ];
    for (told, home) in cases {
        let fields: Vec<(String, &str)> = told
            .iter()
            .map(|(name, value)| (format!("x-forwarded-{name}"), *value))
            .collect();
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        let seen = forwarded(&fields).await.unwrap();
        assert_eq!(seen.home, home, "{told:?}");
        let host = home.split('/').nth(2).unwrap();
        assert_eq!(
            seen.headers,
            [("host".to_owned(), host.to_owned())],
            "Host agrees, the rest is gone"
        );
    }
}

#[tokio::test]
async fn malformed_values_are_refused() {
    let cases = [
        ("for", "example.org"),
        ("for", "192.0.2.256"),
        ("for", "192.0.2.1, 192.0.2"),
        ("for", "192.0.2.1:70000"),
        ("for", "[2001:db8::1"),
        ("for", "fe80::1%eth0"),
        ("for", "\u{e9}"),
        ("proto", "gopher"),
        ("proto", "https;"),
        ("host", "example.org/x"),
        ("host", "user@example.org"),
        ("host", "a b"),
        ("host", "\"><script>"),
        ("host", "[::1"),
        ("host", "example.org:0"),
        ("host", "example.org:65536"),
        ("host", "example.org:+80"),
        ("port", "0"),
        ("port", "443x"),
        ("prefix", "app"),
        ("prefix", "//evil.test"),
        ("prefix", "/a//b"),
        ("prefix", "/a/../b"),
        ("prefix", "/%2e%2E"),
        ("prefix", "/a?b"),
        ("prefix", "/a;Secure"),
        ("prefix", "/\"><script>"),
        ("prefix", "https://evil.test/"),
    ];
    for (name, value) in cases {
        let name = format!("x-forwarded-{name}");
        let refused = forwarded(&[(&name, value)]).await;
        assert_eq!(refused, Err(StatusCode::BAD_REQUEST), "{name}: {value}");
    }
    let loops = vec!["10.0.0.2"; 33].join(",");
    assert_eq!(
        forwarded(&[("x-forwarded-for", &loops)]).await,
        Err(StatusCode::BAD_REQUEST)
    );
}

#[tokio::test]
async fn the_standard_field_is_parsed_by_the_rfc() {
    let cases = [
        ("for=192.0.2.1", "192.0.2.1", "http://inside:8080/"),
        (
            "for=192.0.2.1;proto=https;host=example.org;by=203.0.113.43",
            "192.0.2.1",
            "https://example.org/",
        ),
        (
            "For=\"[2001:db9::17]:4711\"; Proto=https",
            "2001:db9::17",
            "https://inside:8080/",
        ),
        (
            "for=203.0.113.1;host=evil.test, for=192.0.2.1;host=x.test",
            "192.0.2.1",
            "http://x.test/",
        ),
        (
            "for=192.0.2.1;host=\"x.test:81\";proto=https, for=10.0.0.2;host=y.test",
            "192.0.2.1",
            "https://x.test:81/",
        ),
        (
            "for=192.0.2.1, for=10.0.0.2;host=y.test;proto=https",
            "192.0.2.1",
            "https://y.test/",
        ),
        ("for=\"_gazonk\"", "unknown", "http://inside:8080/"),
        ("for=unknown;host=x.test", "unknown", "http://x.test/"),
        ("proto=https", "unknown", "https://inside:8080/"),
        (
            "for=192.0.2.1;ext=\"a, b; for=1\\\"\"",
            "192.0.2.1",
            "http://inside:8080/",
        ),
        (", ,for=192.0.2.1,;,", "192.0.2.1", "http://inside:8080/"),
        ("", "10.0.0.1", "http://inside:8080/"),
    ];
    for (field, client, home) in cases {
        let seen = by_rfc(field).await.unwrap();
        assert_eq!(
            (seen.client.as_str(), seen.home.as_str()),
            (client, home),
            "{field}"
        );
    }
    for malformed in [
        "for=\"192.0.2.1",
        "for=\"evil, for=192.0.2.1",
        "for",
        "for=",
        "for=[2001:db8::1]",
        "for=192.0.2.1:80",
        "for=192.0.2.1;for=192.0.2.2",
        "for=192.0.2.1;proto=ftp",
        "for=192.0.2.1;host=\"a/b\"",
        "for=192.0.2.1 proto=https",
        "for =192.0.2.1",
        "=x",
        "for=example",
    ] {
        assert_eq!(
            by_rfc(malformed).await,
            Err(StatusCode::BAD_REQUEST),
            "{malformed}"
        );
    }
}

#[tokio::test]
async fn the_target_of_http_2_is_changed() {
    let layers = (
        ForwardedLayer::new(proxies()),
        VirtualHostLayer::new(TrustedProxies::none()),
    );
    let fields = [
        ("x-forwarded-host", "example.org"),
        ("x-forwarded-proto", "https"),
    ];
    let seen = pass(
        layers,
        Peer::new(PeerAddr::Unix),
        "http://inside:1/page?x",
        &fields,
    )
    .await
    .unwrap();
    assert_eq!(seen.target, "https://example.org/page?x");
    assert_eq!(seen.client, "unknown", "a Unix socket has no address");
}

#[tokio::test]
async fn a_socket_with_tls_is_https() {
    let layers = || {
        (
            ForwardedLayer::new(proxies()),
            VirtualHostLayer::new(TrustedProxies::none()),
        )
    };
    for (target, fields, home) in [
        (
            "/",
            &[("host", "Example.org:443")][..],
            "https://example.org/",
        ),
        (
            "https://a.test:80/",
            &[("host", "b.test")],
            "https://a.test:80/",
        ),
        ("/", &[], "/"),
        ("/", &[("host", "a/b")], "/"),
        ("/", &[("host", "a.test"), ("host", "b.test")], "/"),
    ] {
        let seen = pass(
            layers(),
            Peer::new(stranger()).over_tls(None),
            target,
            fields,
        )
        .await
        .unwrap();
        assert_eq!(seen.home, home);
    }
    let seen = pass(layers(), Peer::new(stranger()), "https://a.test/", &[])
        .await
        .unwrap();
    assert_eq!(
        seen.home, "http://a.test/",
        "the scheme of a target is the client's word"
    );
}

#[test]
fn networks_are_read_and_written() {
    for text in [
        "10.0.0.0/8",
        "0.0.0.0/0",
        "192.0.2.1",
        "2001:db8::/32",
        "::/0",
        "::1",
        "unix",
    ] {
        assert_eq!(
            text.parse::<crate::TrustedProxy>().unwrap().to_string(),
            text
        );
    }
    for text in [
        "",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "localhost",
        "10.0/8",
    ] {
        assert!(text.parse::<crate::TrustedProxy>().is_err(), "{text}");
    }
    let all: TrustedProxies = "0.0.0.0/0".parse().unwrap();
    assert!(
        all.contain(stranger()) && !all.contain(PeerAddr::Unix) && !all.contain(PeerAddr::Unknown)
    );
    let mapped: std::net::SocketAddr = "[::ffff:10.1.1.1]:1".parse().unwrap();
    assert!(
        proxies().contain(mapped.into()),
        "IPv4 is never written as IPv6"
    );
}
