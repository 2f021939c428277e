use super::*;
use crate::{AllowedHost, AllowedHosts, CheckHostLayer};

/// Returns the status of a request to this host.
async fn ask(hosts: &str, peer: PeerAddr, target: &str, fields: &[(&str, &str)]) -> u16 {
    let service = ServiceBuilder::new()
        .layer(ForwardedLayer::new(proxies()))
        .layer(VirtualHostLayer::new(proxies()))
        .layer(CheckHostLayer::new(hosts.parse().unwrap()))
        .service(service_fn(see));
    let request = Request::get(target).extension(Peer::new(peer));
    let request = fields.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    service
        .oneshot(request.body(()).unwrap())
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn other_hosts_are_answered_421() {
    const HOSTS: &str = "example.org, *.tenants.test, port.test:8443, 192.0.2.1, [2001:db8::1]";
    for (host, status) in [
        ("example.org", 200),
        ("EXAMPLE.org:8080", 200),
        ("example.org.", 200),
        ("www.example.org", 421),
        ("notexample.org", 421),
        ("example.org.evil.test", 421),
        ("tenants.test", 200),
        ("a.b.tenants.test", 200),
        ("eviltenants.test", 421),
        ("port.test:8443", 200),
        ("port.test", 421),
        ("192.0.2.1:80", 200),
        ("192.0.2.2", 421),
        ("[2001:DB8::1]:8080", 200),
        ("[2001:db8::2]", 421),
        ("a b", 421),
        ("user@example.org", 421),
        ("", 421),
    ] {
        assert_eq!(
            ask(HOSTS, stranger(), "/", &[("host", host)]).await,
            status,
            "{host}"
        );
    }
    assert_eq!(ask(HOSTS, stranger(), "/", &[]).await, 421);
    assert_eq!(
        ask(
            HOSTS,
            stranger(),
            "/",
            &[("host", "example.org"), ("host", "evil.test")]
        )
        .await,
        421
    );
    // The target overrides Host (RFC 9112 §3.2.2).
    assert_eq!(
        ask(
            HOSTS,
            stranger(),
            "http://evil.test/",
            &[("host", "example.org")]
        )
        .await,
        421
    );
    assert_eq!(
        ask("", stranger(), "/", &[("host", "example.org")]).await,
        421
    );
}

#[tokio::test]
async fn the_host_that_the_client_sees_is_checked() {
    let told = [("host", "inside:8080"), ("x-forwarded-host", "example.org")];
    assert_eq!(ask("example.org", proxy(), "/", &told).await, 200);
    assert_eq!(ask("inside", proxy(), "/", &told).await, 421);
    // A peer that is not a proxy is not trusted.
    assert_eq!(ask("example.org", stranger(), "/", &told).await, 421);
    let path = "/VirtualHostBase/https/example.org:443/VirtualHostRoot/doc";
    assert_eq!(
        ask("example.org", proxy(), path, &[("host", "inside")]).await,
        200
    );
    assert_eq!(
        ask("example.org", stranger(), path, &[("host", "inside")]).await,
        421
    );
}

/// Returns the status with which a local program answers a request of this version with these
/// hosts.
async fn ask_local(version: Version, target: &str, hosts: &[&str]) -> u16 {
    let service = ServiceBuilder::new()
        .layer(CheckHostLayer::new(AllowedHosts::local()))
        .service(service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }));
    let request = Request::get(target).version(version);
    let request = hosts
        .iter()
        .fold(request, |request, host| request.header("host", *host));
    let answer = service.oneshot(request.body(()).unwrap()).await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn local_hosts_are_localhost_and_addresses_only() {
    for (host, status) in [
        ("localhost", 200),
        ("LocalHost:8080", 200),
        ("localhost.", 200),
        ("127.0.0.1", 200),
        ("127.0.0.1:8080", 200),
        ("192.0.2.7:80", 200),
        ("[::1]:8080", 200),
        ("[2001:db8::1]", 200),
        ("evil.example", 421),
        ("evil.example:8080", 421),
        ("localhost.evil.example", 421),
        ("evil.localhost", 421),
        ("notlocalhost", 421),
        ("127.0.0.1.evil.example", 421),
        ("1.2.3", 421),
        ("[::1", 421),
        ("a b", 421),
        ("user@localhost", 421),
        ("", 421),
    ] {
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert_eq!(ask_local(version, "/", &[host]).await, status, "{host}");
        }
    }
    let both = ["localhost", "evil.example"];
    assert_eq!(ask_local(Version::HTTP_11, "/", &both).await, 421);
    // The target overrides Host (RFC 9112 §3.2.2).
    let target = "http://evil.example/";
    assert_eq!(
        ask_local(Version::HTTP_11, target, &["localhost"]).await,
        421
    );
    assert_eq!(ask_local(Version::HTTP_2, target, &[]).await, 421);
    let target = "http://localhost:8080/";
    assert_eq!(ask_local(Version::HTTP_2, target, &[]).await, 200);
}

#[tokio::test]
async fn local_program_answers_http_1_0_without_host() {
    assert_eq!(ask_local(Version::HTTP_10, "/", &[]).await, 200);
    assert_eq!(ask_local(Version::HTTP_11, "/", &[]).await, 421);
    assert_eq!(
        ask_local(Version::HTTP_10, "http://evil.example/", &[]).await,
        421
    );
}

#[test]
fn invalid_hosts_are_refused() {
    for text in [
        "*",
        "*.",
        "*.192.0.2.1",
        "a b",
        "http://example.org",
        "example.org/path",
        "a:0",
        "[::1",
        "",
    ] {
        let error = text.parse::<AllowedHost>().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("`{text}` is no host: ")),
            "{error}"
        );
    }
    for text in ["example.org", "*.example.org:8443", "[2001:db8::1]:80"] {
        assert_eq!(text.parse::<AllowedHost>().unwrap().to_string(), text);
    }
}
