use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;

use super::*;
use crate::{Listener, ServerBook};

const HOUR: Duration = Duration::from_secs(3600);

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn patient() -> Server {
    Server::new().lame_duck(HOUR).drain_deadline(2 * HOUR)
}

/// Connects a peer whose socket is between two requests.
async fn idle(site: &Site) -> Peer {
    let mut peer = site.peer().await;
    let (head, _) = peer.get("/").await;
    assert!(!head.contains("connection: close"), "{head}");
    peer
}

/// Waits until the drain has ended by itself, and checks that everything was returned.
async fn drained(site: Site) -> Drained {
    let drained = within(site.serving).await.unwrap();
    assert_eq!(site.ledger.of::<ServerBook>().sockets.open.get(), 0);
    drained
}

async fn last_answer(peer: &mut Peer) {
    let (head, body) = peer.get("/").await;
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert_eq!(body, "hello");
    assert_eq!(peer.rest().await, b"");
}

#[tokio::test]
async fn idle_sockets_and_new_peers_are_answered_once_more() {
    let site = Site::start(patient(), app()).await;
    let mut idle_one = idle(&site).await;
    let mut resting = idle(&site).await;
    eventually(|| site.ledger.of::<ServerBook>().sockets.resting.get() == 2).await;
    let mut silent = site.peer().await;
    eventually(|| site.ledger.of::<ServerBook>().sockets.open.get() == 3).await;

    site.shutdown.drain();
    last_answer(&mut idle_one).await;
    let mut new = site.peer().await;
    last_answer(&mut new).await;
    last_answer(&mut silent).await;
    assert!(!site.serving.is_finished(), "one peer has not been told");
    last_answer(&mut resting).await;
    // The drain does not wait for an hour.
    let address = site.address;
    let drained = drained(site).await;
    assert_eq!((drained.finished, drained.cut), (4, 0));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_drain_without_sockets_ends_at_once() {
    let site = Site::start(patient(), app()).await;
    site.shutdown.drain();
    assert_eq!(drained(site).await.finished, 0);
}

#[tokio::test]
async fn idle_sockets_close_when_it_is_over() {
    let server = Server::new().lame_duck(Duration::from_millis(50));
    let site = Site::start(server, app()).await;
    let mut idle = idle(&site).await;
    site.shutdown.drain();
    assert_eq!(idle.rest().await, b"");
    assert_eq!(site.closed(), "finished 1");
    assert!(drained(site).await.is_complete());
}

#[tokio::test]
async fn an_impatient_drain_skips_it() {
    for has_begun in [false, true] {
        let site = Site::start(patient(), app()).await;
        let mut first = idle(&site).await;
        let mut second = idle(&site).await;
        if has_begun {
            site.shutdown.drain();
            last_answer(&mut first).await;
        }
        site.shutdown.drain_at_once();
        assert_eq!(second.rest().await, b"");
        assert!(drained(site).await.is_complete());
    }
}

#[tokio::test]
async fn half_of_the_deadline_is_left_after_it() {
    let server = Server::new()
        .lame_duck(HOUR)
        .drain_deadline(Duration::from_secs(1));
    let site = Site::start(server, app()).await;
    let mut idle = idle(&site).await;
    site.shutdown.drain();
    assert_eq!(idle.rest().await, b"");
    let drained = drained(site).await;
    assert_eq!((drained.finished, drained.cut), (1, 0));
}

#[tokio::test]
async fn http2_peers_get_goaway_at_once() {
    let site = Site::start(patient(), app()).await;
    let mut client = super::http2::connect(&site).await;
    let request = || super::http2::request("GET", "/");
    let answer = within(client.send_request(request())).await.unwrap();
    assert_eq!(answer.status(), 200);
    site.shutdown.drain();
    within(async { while client.send_request(request()).await.is_ok() {} }).await;
    assert_eq!(drained(site).await.cut, 0);
}

#[tokio::test]
async fn an_upgraded_socket_needs_no_word() {
    let route = get(|request: axum::extract::Request| async {
        let mut request = request;
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move { drop(upgrade.await) });
        let fields = [("connection", "upgrade"), ("upgrade", "echo")];
        (http::StatusCode::SWITCHING_PROTOCOLS, fields)
    });
    let site = Site::start(patient(), Router::new().route("/", route)).await;
    let mut peer = site.peer().await;
    let upgrade = "connection: upgrade\r\nupgrade: echo";
    peer.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{upgrade}\r\n\r\n"))
        .await;
    assert!(peer.head().await.starts_with("HTTP/1.1 101 "));
    site.shutdown.drain();
    assert!(drained(site).await.is_complete());
}

#[tokio::test]
async fn an_inherited_listener_closes_at_once() {
    let std = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    std.set_nonblocking(true).unwrap();
    let kept = std.try_clone().unwrap();
    let address = std.local_addr().unwrap();
    let listener = Listener::from(TcpListener::from_std(std).unwrap()).inherited();
    let ledger = Ledger::new();
    let shutdown = Shutdown::new();
    let server = patient().listen(listener).ledger(ledger.clone());
    let serving = tokio::spawn(server.serve(app(), shutdown.clone()));
    let mut idle = Peer::new(address).await;
    idle.get("/").await;
    shutdown.drain();
    // The next process finds the new peer in the queue.
    let kept = TcpListener::from_std(kept).unwrap();
    let mut new = Peer::new(address).await;
    within(async {
        // The server may take one peer that arrives while it stops.
        loop {
            tokio::select! {
                accepted = kept.accept() => break drop(accepted.unwrap()),
                () = tokio::task::yield_now() => new = Peer::new(address).await,
            }
        }
    })
    .await;
    last_answer(&mut idle).await;
    drop(new);
    assert!(within(serving).await.unwrap().is_complete());
    assert_eq!(ledger.of::<ServerBook>().sockets.open.get(), 0);
}

/// Clients that keep their sockets and repeat no request are served by twenty processes in turn,
/// which inherit one listener.
#[tokio::test]
async fn rolls_lose_no_request() {
    roll_under_load(8, |address, load| async move {
        let mut peer = Peer::new(address).await;
        while !load.is_over() {
            let (head, body) = peer.get("/").await;
            assert_eq!(body, "hello");
            load.answered();
            if head.contains("connection: close") {
                break;
            }
        }
    })
    .await;
}

/// A request that has reached the server is answered. Clients have several requests under way, and
/// open another socket once they have read GOAWAY.
#[tokio::test]
async fn rolls_lose_no_request_of_http2_clients() {
    roll_under_load(4, |address, load| async move {
        let stream = TcpStream::connect(address).await.unwrap();
        let (client, driver) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(driver);
        let streams = (0..4).map(|_| tokio::spawn(ask_http2(client.clone(), load.clone())));
        for stream in streams.collect::<Vec<_>>() {
            within(stream).await.unwrap();
        }
    })
    .await;
}

/// The clients' side of a test with rolls.
#[derive(Clone, Default)]
struct Load {
    answers: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Load {
    fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Replaces a server twenty times while clients are answered. Each client calls `use_socket`
/// again whenever that has ended, and must have needed another socket for at least every second
/// server.
async fn roll_under_load<F>(clients: usize, use_socket: fn(SocketAddr, Load) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    const ROLLS: usize = 20;
    let std = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    std.set_nonblocking(true).unwrap();
    let address = std.local_addr().unwrap();
    let load = Load::default();
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let load = load.clone();
            tokio::spawn(async move {
                let mut sockets = 0;
                while !load.is_over() {
                    sockets += 1;
                    use_socket(address, load.clone()).await;
                }
                sockets
            })
        })
        .collect();
    let mut old = Rolling::start(&std);
    for _ in 0..ROLLS {
        let before = load.answers.load(Ordering::Relaxed);
        eventually(|| load.answers.load(Ordering::Relaxed) >= before + 100).await;
        let new = Rolling::start(&std);
        std::mem::replace(&mut old, new).end().await;
    }
    load.over.store(true, Ordering::Relaxed);
    for client in clients {
        let sockets = within(client).await.unwrap();
        assert!(sockets > ROLLS / 2, "a client saw {sockets} sockets only");
    }
    old.end().await;
}

/// One of several servers that follow each other.
struct Rolling {
    shutdown: Shutdown,
    serving: JoinHandle<Drained>,
}

impl Rolling {
    fn start(std: &std::net::TcpListener) -> Self {
        let listener = TcpListener::from_std(std.try_clone().unwrap()).unwrap();
        let shutdown = Shutdown::new();
        let server = Server::new().listen(Listener::from(listener).inherited());
        let serving = tokio::spawn(server.serve(app(), shutdown.clone()));
        Self { shutdown, serving }
    }

    async fn end(self) {
        self.shutdown.drain();
        assert!(within(self.serving).await.unwrap().is_complete());
    }
}

/// Sends one request after another until the socket takes no more.
async fn ask_http2(mut client: h2::client::SendRequest<Bytes>, load: Load) {
    while !load.is_over() {
        client = match client.ready().await {
            Ok(client) => client,
            Err(_) => return,
        };
        let request = Request::get("http://a/").body(()).unwrap();
        let Ok((answer, _)) = client.send_request(request, true) else {
            return; // it was not sent
        };
        let mut body = answer.await.unwrap().into_body();
        let mut text = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            text.extend_from_slice(&data);
        }
        assert_eq!(text, b"hello");
        load.answered();
    }
}
