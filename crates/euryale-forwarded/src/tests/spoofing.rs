use proptest::prelude::*;

use super::*;

/// Header fields that some program might trust.
const FIELDS: [(&str, &str); 22] = [
    ("forwarded", "for=127.0.0.1;host=evil.test;proto=https"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "evil.test"),
    ("x-forwarded-port", "666"),
    ("x-forwarded-prefix", "/evil"),
    ("x-forwarded-server", "evil.test"),
    ("x-forwarded-ssl", "on"),
    ("x-forwarded-scheme", "https"),
    ("x-forwarded-by", "10.0.0.1"),
    ("x-forwarded-path", "/evil"),
    ("x-forwarded-uri", "/evil"),
    ("x-forwarded-user", "admin"),
    ("x-forwarded", "evil"),
    ("x-real-ip", "127.0.0.1"),
    ("x-original-url", "/admin"),
    ("x-rewrite-url", "/admin"),
    ("x-euryale-internal", "1"),
    ("x-euryale-attempt", "2"),
    ("x-euryale-peer", "10.0.0.1"),
    ("x-forwarded-for", "unreadable \u{e9}"),
    ("forwarded", "for=\""),
];

fn strangers() -> [Peer; 5] {
    let at = |address: &str| PeerAddr::Tcp(address.parse().unwrap());
    [
        Peer::new(stranger()),
        Peer::new(at("[2001:db9::1]:1")),
        Peer::new(PeerAddr::Unknown),
        // The balancer is trusted, but the peer that it reports is not, and the headers are that
        // peer's.
        Peer::new(proxy()).speaks_for(stranger()),
        Peer::new(PeerAddr::Unix).speaks_for(PeerAddr::Unknown),
    ]
}

async fn from(peer: Peer, target: &str, fields: &[(&str, &str)]) -> Result<Seen, StatusCode> {
    let layers = (
        ForwardedLayer::new(proxies()),
        VirtualHostLayer::new(proxies()),
    );
    pass(layers, peer, target, fields).await
}

#[tokio::test]
async fn fields_of_an_untrusted_peer_are_ignored() {
    for peer in strangers() {
        let honest = from(peer.clone(), "/page", &[("host", "h")]).await.unwrap();
        assert!(!honest.is_proxied && honest.home == "http://h/");
        for field in FIELDS {
            assert_eq!(
                from(peer.clone(), "/page", &[("host", "h"), field]).await,
                Ok(honest_copy(&honest))
            );
        }
        let all = [&[("host", "h")][..], &FIELDS].concat();
        assert_eq!(from(peer.clone(), "/page", &all).await, Ok(honest));
    }
}

/// Fields that are not listed are ignored, even from a trusted proxy.
#[tokio::test]
async fn fields_that_are_not_listed_are_ignored() {
    let quiet = || {
        let layer = ForwardedLayer::new(proxies()).fields([Field::XForwardedFor]);
        (layer, VirtualHostLayer::new(TrustedProxies::none()))
    };
    let path = "/VirtualHostBase/https/evil/VirtualHostRoot/x";
    let fields = [&[("host", "h")][..], &FIELDS[..20]].concat();
    let seen = pass(quiet(), Peer::new(proxy()), path, &fields)
        .await
        .unwrap();
    assert_eq!(
        (seen.home.as_str(), seen.client.as_str()),
        ("http://h/", "127.0.0.1")
    );
    assert_eq!((seen.target.path(), seen.headers.len()), (path, 1));
}

/// Every address is trusted, as in a network where the proxies' addresses are unknown.
#[tokio::test]
async fn hops_are_counted_if_every_address_is_trusted() {
    let fields = [
        ("host", "inside"),
        ("x-forwarded-for", "203.0.113.66, 203.0.113.2, 203.0.113.3"),
        ("x-forwarded-host", "evil, second, third"),
    ];
    for (hops, client, home) in [
        (1, "203.0.113.3", "http://third/"),
        (2, "203.0.113.2", "http://second/"),
    ] {
        let everybody = "0.0.0.0/0, ::/0, unix".parse().unwrap();
        let layer = ForwardedLayer::new(everybody).max_hops(hops);
        let layers = (layer, VirtualHostLayer::new(TrustedProxies::none()));
        let seen = pass(layers, Peer::new(proxy()), "/page", &fields).await;
        let seen = seen.unwrap();
        assert_eq!(seen.client, client);
        assert_eq!(seen.home, home);
    }
}

fn honest_copy(seen: &Seen) -> Seen {
    Seen {
        client: seen.client.clone(),
        home: seen.home.clone(),
        root: seen.root.clone(),
        target: seen.target.clone(),
        headers: seen.headers.clone(),
        ..*seen
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    /// Random values, in any number and order, with any path.
    #[test]
    fn no_combination_of_an_untrusted_peers_fields_is_accepted(
        words in proptest::collection::vec((0..FIELDS.len(), "[ -~]{0,40}"), 0..8),
        names in proptest::collection::vec(
            prop_oneof![
                Just("VirtualHostBase".to_owned()),
                Just("VirtualHostRoot".to_owned()),
                Just("https".to_owned()),
                Just("evil.test:443".to_owned()),
                Just("_vh_evil".to_owned()),
                Just("*".to_owned()),
                "[a-z.%]{0,4}",
            ],
            0..8,
        ),
        who in 0..5_usize,
    ) {
        let target = format!("/{}", names.join("/"));
        prop_assume!(target.parse::<Uri>().is_ok() && !target.starts_with("//"));
        let peer = strangers()[who].clone();
        let fields: Vec<(&str, &str)> =
            words.iter().map(|(at, value)| (FIELDS[*at].0, value.as_str()))
                .chain([("host", "h")])
                .collect();
        let honest = run(from(peer.clone(), &target, &[("host", "h")])).unwrap();
        prop_assert_eq!(honest.target.to_string(), target.clone());
        prop_assert_eq!(run(from(peer, &target, &fields)).unwrap(), honest);
    }

    /// Whatever a proxy sends, the result is a valid request or a refusal, and the client's address
    /// is never one that the client forged.
    #[test]
    fn fields_of_a_proxy_are_valid_or_refused(
        invented in "[ -~]{0,60}",
        proto in "[ -~]{0,8}",
        host in "[ -~]{0,20}",
        prefix in "[ -~]{0,20}",
        path in "(/[A-Za-z_.*%0-9]{0,8}){0,6}",
    ) {
        let list = format!("{invented}, 192.0.2.1");
        let seen = run(forwarded(&[
            ("x-forwarded-for", &list), ("x-forwarded-proto", &proto),
            ("x-forwarded-host", &host), ("x-forwarded-prefix", &prefix),
        ]));
        match seen {
            Ok(seen) => {
                prop_assert_eq!(seen.client, "192.0.2.1");
                prop_assert!(seen.home.parse::<Uri>().is_ok(), "{}", seen.home);
            }
            Err(status) => prop_assert_eq!(status, 400),
        }
        let target = format!("/VirtualHostBase/http/h/root/VirtualHostRoot{path}");
        prop_assume!(target.parse::<Uri>().is_ok());
        match run(by_path(&target)) {
            Ok(seen) => prop_assert!(seen.target.path().starts_with("/root"), "{}", seen.target),
            Err(status) => prop_assert_eq!(status, 400),
        }
    }
}
