//! Tests of Unix sockets, and of balancers that name their clients.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as Std;

use axum::Router;
use axum::routing::get;
use euryale_core::request::Peer as Sender;
use proptest::prelude::*;
use tokio::net::UnixStream;

use super::*;
use crate::{Listener, ServerBook, UnixSocket};

fn app() -> Router {
    let who = |request: axum::extract::Request| async move {
        let peer = request.extensions().get::<Sender>().unwrap();
        let balancer = peer
            .balancer()
            .map_or("none".to_owned(), |balancer| balancer.to_string());
        format!("{} by {balancer}", peer.address())
    };
    Router::new().route("/", get(who))
}

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn ask_unix(path: &std::path::Path) -> String {
    let mut peer = within(UnixStream::connect(path)).await.unwrap();
    peer.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(peer.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn a_unix_socket_is_served_and_removed_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.sock");
    let listener = UnixSocket::new(&path).mode(0o600).bind().unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let site = Site::start(Server::new().listen(listener), app()).await;
    assert!(ask_unix(&path).await.ends_with("unix by none"));
    // The file exists, and another process listens on it.
    assert_eq!(
        UnixSocket::new(&path).bind().unwrap_err().kind(),
        std::io::ErrorKind::AddrInUse
    );
    site.end().await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.sock");
    drop(Std::bind(&path).unwrap());
    let listener = UnixSocket::new(&path).bind().unwrap();
    let site = Site::start(Server::new().listen(listener), app()).await;
    assert!(ask_unix(&path).await.starts_with("HTTP/1.1 200 "));
    // Another process takes the name, whose file is then not removed.
    std::fs::remove_file(&path).unwrap();
    let other = Std::bind(&path).unwrap();
    site.end().await;
    assert!(path.exists());
    drop(other);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "notes").unwrap();
    assert_eq!(
        UnixSocket::new(&path).bind().unwrap_err().kind(),
        std::io::ErrorKind::AlreadyExists
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A site whose second listener accepts PROXY headers.
async fn balanced(are_balancers: bool, server: Server) -> (Site, SocketAddr) {
    let (tcp, address) = bind().await;
    let listener = Listener::from(tcp).proxy_protocol(move |_| are_balancers);
    (Site::start(server.listen(listener), app()).await, address)
}

#[tokio::test]
async fn a_balancer_announces_the_address_of_its_client() {
    let (site, address) = balanced(true, Server::new()).await;
    let v2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x50";
    let local: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (header, source) in [
        (
            &b"PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n"[..],
            "192.0.2.1:1",
        ),
        (v2, "192.0.2.1:1"),
        (local, ""),
    ] {
        let mut peer = Peer::new(address).await;
        let own = peer.address();
        peer.send([header, REQUEST.as_bytes()].concat()).await;
        let answer = String::from_utf8(peer.rest().await).unwrap();
        let expected = if source.is_empty() {
            format!("{own} by none")
        } else {
            format!("{source} by {own}")
        };
        assert!(answer.ends_with(&expected), "{answer}");
    }
    site.all_closed().await;
    assert_eq!(site.closed(), "finished 3");
    site.end().await;
}

#[tokio::test]
async fn a_balancer_without_a_header_is_closed() {
    let (site, address) = balanced(
        true,
        Server::new().handshake_timeout(Duration::from_millis(100)),
    )
    .await;
    let beginnings = [
        "",
        "PROXY TCP4 192",
        REQUEST,
        "PROXY TCP4 a b c d\r\n",
        "\r\n\r\n\0\r\nQUIT\n\x21\x11",
    ];
    for beginning in beginnings {
        let mut peer = Peer::new(address).await;
        peer.send(beginning).await;
        assert_eq!(peer.rest().await, b"", "{beginning:?}");
    }
    site.all_closed().await;
    assert_eq!(site.closed(), format!("proxy {}", beginnings.len()));
    site.end().await;
}

#[tokio::test]
async fn a_proxy_header_from_another_peer_is_refused() {
    let (site, address) = balanced(false, Server::new()).await;
    let v2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x50";
    for header in [&b"PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n"[..], v2] {
        let mut peer = Peer::new(address).await;
        peer.send([header, REQUEST.as_bytes()].concat()).await;
        let answer = String::from_utf8(peer.rest().await).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/").count() == 1,
            "{answer}"
        );
    }
    let mut plain = Peer::new(address).await;
    let own = plain.address();
    plain.send(REQUEST).await;
    assert!(
        String::from_utf8(plain.rest().await)
            .unwrap()
            .ends_with(&format!("{own} by none"))
    );
    site.end().await;
}

/// Generates headers of both versions, valid and invalid.
fn headers() -> impl Strategy<Value = Vec<u8>> {
    let text =
        (any::<SocketAddr>(), any::<SocketAddr>(), "[ -~]{0,8}").prop_map(|(from, to, more)| {
            let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
            let ips = (from.ip(), to.ip());
            let ports = (from.port(), to.port());
            format!(
                "PROXY {family} {} {} {} {}{more}\r\n",
                ips.0, ips.1, ports.0, ports.1
            )
            .into_bytes()
        });
    let pairs = prop::collection::vec(any::<u8>(), 0..60);
    let binary = (0x20..0x22_u8, any::<u8>(), pairs).prop_map(|(command, family, rest)| {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [
            b"\r\n\r\n\0\r\nQUIT\n",
            &[command, family][..],
            &length,
            &rest,
        ]
        .concat()
    });
    prop_oneof![text, binary]
}

#[test]
fn no_first_bytes_of_a_stranger_change_its_address() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (site, address) = runtime.block_on(balanced(false, Server::new().head_timeout(PATIENCE)));
    proptest!(ProptestConfig::with_cases(64), |(header in headers())| {
        let answer = runtime.block_on(async {
            let mut peer = Peer::new(address).await;
            peer.send([&header, REQUEST.as_bytes()].concat()).await;
            // The length of a head that seems to continue is still limited.
            let _ = peer.stream().shutdown().await;
            String::from_utf8(peer.rest().await).unwrap()
        });
        prop_assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{}", answer);
    });
    runtime.block_on(site.end());
}

/// Sockets are counted by the client's address and not by the balancer's.
#[tokio::test]
async fn peers_behind_a_balancer_are_counted_separately() {
    let (site, address) = balanced(true, Server::new().max_sockets_per_peer(1)).await;
    let ask = async |source: &str| {
        let mut peer = Peer::new(address).await;
        peer.send(format!(
            "PROXY TCP4 {source} 192.0.2.2 1 80\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"
        ))
        .await;
        peer
    };
    let mut one = ask("192.0.2.1").await;
    one.response().await;
    let mut two = ask("192.0.2.9").await;
    two.response().await;
    assert_eq!(ask("192.0.2.1").await.rest().await, b"");
    assert_eq!(site.closed(), "refused 1");
    site.end().await;
}

#[tokio::test]
async fn a_balancer_that_was_accepted_before_the_drain_may_speak() {
    let (site, address) = balanced(true, Server::new()).await;
    let mut peer = Peer::new(address).await;
    eventually(|| site.ledger.of::<ServerBook>().sockets.open.get() == 1).await;
    site.shutdown.drain();
    peer.send(format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n{REQUEST}"))
        .await;
    let answer = String::from_utf8(peer.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(site.end().await.is_complete());
}
