//! Tests of TLS from the client's side: the peers that are served, and those that are closed.

use std::io;

use axum::Router;
use axum::routing::{get, post};
use euryale_core::request::Peer as Sender;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::*;
use crate::{Listener, ServerBook, Tls};

const TIMEOUT: Duration = Duration::from_millis(150);

pub(super) struct Certificate {
    chain: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    pub(super) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["site.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        Self {
            chain: made.cert.der().clone(),
            key,
        }
    }

    fn server(&self) -> ServerConfig {
        ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.chain.clone()], self.key.clone_key())
            .unwrap()
    }

    /// Returns a client that trusts only this certificate.
    fn client(&self, protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.chain.clone()).unwrap();
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Arc::new(config).into()
    }

    pub(super) async fn connect(
        &self,
        to: SocketAddr,
        protocols: &[&str],
    ) -> io::Result<TlsStream<TcpStream>> {
        self.shake(TcpStream::connect(to).await?, protocols).await
    }

    async fn shake(
        &self,
        stream: TcpStream,
        protocols: &[&str],
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("site.example").unwrap();
        within(self.client(protocols).connect(name, stream)).await
    }
}

/// A site behind TLS; its plain address is not used.
async fn site(server: Server, certificate: &Certificate, app: Router) -> (Site, SocketAddr, Tls) {
    listening(server, certificate, app).await
}

pub(super) async fn listening<S, B>(
    server: Server,
    certificate: &Certificate,
    service: S,
) -> (Site, SocketAddr, Tls)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (tcp, address) = bind().await;
    let tls = Tls::new(certificate.server());
    let site = Site::start(server.listen(Listener::from(tcp).tls(&tls)), service).await;
    (site, address, tls)
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/large", get(|| async { vec![b'x'; 64 << 20] }))
        .route("/", post(|body: String| async { body }))
}

async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn the_handshake_chooses_the_protocol() {
    let certificate = Certificate::new();
    let seen = |request: axum::extract::Request| async move {
        let peer = request.extensions().get::<Sender>().unwrap().clone();
        format!(
            "{:?} {} {:?}",
            request.version(),
            peer.is_tls(),
            peer.server_name()
        )
    };
    let (site, address, _) = site(
        Server::new(),
        &certificate,
        Router::new().route("/", get(seen)),
    )
    .await;
    let mut http1 = certificate.connect(address, &["http/1.1"]).await.unwrap();
    http1
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(
        rest(&mut http1)
            .await
            .ends_with("HTTP/1.1 true Some(\"site.example\")")
    );
    let http2 = certificate
        .connect(address, &["h2", "http/1.1"])
        .await
        .unwrap();
    assert_eq!(http2.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, driver) = handshake(TokioExecutor::new(), TokioIo::new(http2))
        .await
        .unwrap();
    tokio::spawn(driver);
    let response = within(client.send_request(super::http2::request("GET", "/")))
        .await
        .unwrap();
    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, "HTTP/2.0 true Some(\"site.example\")");
    drop(client);
    site.all_closed().await;
    assert_eq!(site.closed(), "finished 2");
    site.end().await;
}

#[tokio::test]
async fn certificates_are_exchanged_while_sockets_are_open() {
    let old = Certificate::new();
    let new = Certificate::new();
    let (site, address, tls) = site(Server::new(), &old, app()).await;
    let mut open = old.connect(address, &[]).await.unwrap();
    tls.replace(new.server());
    assert!(old.connect(address, &[]).await.is_err());
    assert!(new.connect(address, &[]).await.is_ok());
    open.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut open).await.ends_with("hello"));
    site.all_closed().await;
    site.end().await;
}

#[tokio::test]
async fn silent_peers_are_closed_in_time() {
    let certificate = Certificate::new();
    let server = || {
        Server::new()
            .handshake_timeout(TIMEOUT)
            .head_timeout(TIMEOUT)
            .idle_timeout(TIMEOUT)
            .body_timeout(TIMEOUT)
            .write_timeout(TIMEOUT)
    };
    // Before the handshake is complete: no bytes, a part of a record, and bytes that are not TLS.
    for beginning in [
        &b""[..],
        &[22, 3, 1, 1, 0, 1],
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let (site, address, _) = site(server(), &certificate, app()).await;
        let mut peer = Peer::new(address).await;
        peer.send(beginning).await;
        peer.rest().await;
        site.all_closed().await;
        assert_eq!(site.closed(), "handshake 1", "{beginning:?}");
        site.end().await;
    }
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf";
    for (request, reason, answer) in [
        ("", "silent 1", ""),
        ("GET / HT", "head_elapsed 1", "HTTP/1.1 408 "),
        ("PRI * HT", "head_elapsed 1", ""),
        (post, "body_elapsed 1", "HTTP/1.1 400 "),
        (
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "idle 1",
            "HTTP/1.1 200 ",
        ),
    ] {
        let (site, address, _) = site(server(), &certificate, app()).await;
        let mut peer = certificate.connect(address, &[]).await.unwrap();
        peer.write_all(request.as_bytes()).await.unwrap();
        let answered = rest(&mut peer).await;
        assert!(answered.starts_with(answer), "{request:?}: {answered}");
        assert_eq!(
            answered.is_empty(),
            answer.is_empty(),
            "{request:?}: {answered}"
        );
        drop(peer);
        site.all_closed().await;
        assert_eq!(site.closed(), reason, "{request:?}");
        site.end().await;
    }
    let (site, address, _) = site(server(), &certificate, app()).await;
    let mut peer = certificate.connect(address, &[]).await.unwrap();
    peer.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    site.all_closed().await;
    assert_eq!(site.closed(), "stalled 1");
    site.end().await;
}

#[tokio::test]
async fn a_peer_whose_upload_is_refused_can_read_the_reason() {
    let certificate = Certificate::new();
    let (site, address, _) = site(Server::new(), &certificate, app()).await;
    let mut peer = certificate.connect(address, &[]).await.unwrap();
    let length = 8 << 20;
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    peer.write_all(head.as_bytes()).await.unwrap();
    // The client's library may see the end first. Only the answer has to be readable.
    let _ = within(peer.write_all(&vec![b'x'; length])).await;
    assert!(rest(&mut peer).await.starts_with("HTTP/1.1 413 "));
    site.all_closed().await;
    site.end().await;
}

#[tokio::test]
async fn a_drain_does_not_wait_for_handshakes() {
    let certificate = Certificate::new();
    let (site, address, _) = site(Server::new(), &certificate, app()).await;
    let mut peer = Peer::new(address).await;
    eventually(|| site.ledger.of::<ServerBook>().sockets.open.get() == 1).await;
    assert!(site.end().await.is_complete());
    assert_eq!(peer.rest().await, b"");
}

#[tokio::test]
async fn a_peer_accepted_before_the_drain_may_finish_its_handshake_and_one_request() {
    let certificate = Certificate::new();
    let (site, address, _) = site(Server::new(), &certificate, app()).await;
    let raw = Peer::new(address).await;
    eventually(|| site.ledger.of::<ServerBook>().sockets.open.get() == 1).await;
    site.shutdown.drain();
    let mut peer = certificate
        .shake(raw.client.into_stream(), &[])
        .await
        .unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut peer).await.ends_with("hello"));
    assert!(site.end().await.is_complete());
}

#[tokio::test]
async fn handshakes_end_with_the_server() {
    let certificate = Certificate::new();
    let server = Server::new().handshake_timeout(Duration::MAX);
    let (site, address, _) = site(server, &certificate, app()).await;
    let mut peer = Peer::new(address).await;
    eventually(|| site.ledger.of::<ServerBook>().sockets.open.get() == 1).await;
    site.serving.abort();
    assert_eq!(peer.rest().await, b"");
    site.all_closed().await;
    assert_eq!(site.closed(), "cut 1");
}

#[tokio::test]
async fn a_peer_holds_a_place_during_its_handshake() {
    let certificate = Certificate::new();
    let server = Server::new()
        .max_sockets_per_peer(1)
        .handshake_timeout(Duration::MAX);
    let (site, address, _) = site(server, &certificate, app()).await;
    let silent = Peer::new(address).await;
    eventually(|| site.ledger.of::<ServerBook>().sockets.open.get() == 1).await;
    assert_eq!(Peer::new(address).await.rest().await, b"");
    eventually(|| site.closed() == "refused 1").await;
    drop(silent);
    site.all_closed().await;
    let mut again = certificate.connect(address, &[]).await.unwrap();
    again
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut again).await.ends_with("hello"));
    site.all_closed().await;
    site.end().await;
}
