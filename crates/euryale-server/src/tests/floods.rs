//! Tests of HTTP/2 peers that send endless handmade frames (RFC 9113 §10.5).

use std::io;

use euryale_core::Body;
use tokio::io::AsyncWrite;
use tokio::net::TcpSocket;

use super::http2::{Endless, PREFACE, SETTINGS, frame_from};
use super::sendfile::zeros;
use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS_FRAME: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ENHANCE_YOUR_CALM: u32 = 11;

/// `GET /` of http at `a`, from the static table (RFC 7541 Appendix A); and the same as POST.
const GET: [u8; 6] = [0x82, 0x84, 0x86, 0x01, 1, b'a'];
const POST: [u8; 6] = [0x83, 0x84, 0x86, 0x01, 1, b'a'];
/// SETTINGS_INITIAL_WINDOW_SIZE 0.
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns the id of a client's stream, which is odd.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// A service with handlers that never answer and bodies that never end, which counts both.
#[derive(Clone)]
struct Never {
    at_work: Arc<Semaphore>,
    ended: Arc<Semaphore>,
}

impl Never {
    fn new() -> Self {
        let count = || Arc::new(Semaphore::new(0));
        Self {
            at_work: count(),
            ended: count(),
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        self.at_work.add_permits(1);
        let guard = Dropped(self.ended.clone());
        match request.method().as_str() {
            "GET" => Ok(Response::new(Body::new(Endless { _guard: guard }))),
            _ => {
                // The handler would read its body, if there were one.
                let _request = request;
                std::future::pending::<()>().await;
                drop(guard);
                Ok(Response::new(Body::empty()))
            }
        }
    }

    /// Waits until all handlers and bodies have ended.
    async fn quiet(&self) {
        eventually(|| self.at_work.available_permits() == self.ended.available_permits()).await;
    }

    async fn site(&self, server: Server) -> Site {
        let never = self.clone();
        Site::start(
            server,
            tower::service_fn(move |request| never.clone().answer(request)),
        )
        .await
    }
}

/// Sends `begin` and then the frames of `more`, until the server does not accept any more.
async fn sends(
    mut stream: impl AsyncWrite + Unpin,
    begin: Vec<u8>,
    more: impl Fn(u32) -> Vec<u8>,
) -> io::Result<()> {
    stream
        .write_all(&[PREFACE, SETTINGS, &begin].concat())
        .await?;
    let mut numbers = 0..;
    loop {
        // Many frames are sent at a time, so that the flood is not limited by system calls.
        let frames: Vec<u8> = numbers.by_ref().take(100).flat_map(&more).collect();
        stream.write_all(&frames).await?;
    }
}

/// Returns the code of the last GOAWAY after the server has closed.
async fn told(
    site: &Site,
    begin: Vec<u8>,
    more: impl Fn(u32) -> Vec<u8> + Send + 'static,
) -> Option<u32> {
    let (mut from, to) = site.peer().await.client.into_stream().into_split();
    let sending = tokio::spawn(sends(to, begin, more));
    let mut code = None;
    while let Some((kind, _, payload)) = frame_from(&mut from).await {
        if kind == GOAWAY {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
    sending.abort();
    let _ = sending.await;
    code
}

type Flood = (&'static str, Vec<u8>, fn(u32) -> Vec<u8>);

fn floods() -> Vec<Flood> {
    let get = frame(HEADERS, END_HEADERS | END_STREAM, 1, &GET);
    let post = frame(HEADERS, END_HEADERS, 1, &POST);
    let without_window = [frame(SETTINGS_FRAME, 0, 0, &NO_WINDOW), get.clone()].concat();
    vec![
        // Frames that h2 answers (CVE-2019-9512, CVE-2019-9515), and frames that it records.
        ("ping", vec![], |_| frame(PING, 0, 0, &[0; 8])),
        ("pong", vec![], |_| frame(PING, 1, 0, &[0; 8])),
        ("settings", vec![], |_| frame(SETTINGS_FRAME, 0, 0, &[])),
        ("settings that change", vec![], |n| {
            frame(SETTINGS_FRAME, 0, 0, &[0, 4, 0, 0, 0, n as u8])
        }),
        ("priority", vec![], |n| {
            frame(PRIORITY, 0, stream(n % 1000), &[0, 0, 0, 0, 1])
        }),
        ("window", vec![], |_| {
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])
        }),
        ("window of a stream", get.clone(), |_| {
            frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])
        }),
        // A byte at a time (CVE-2019-9511).
        ("dribble", without_window, |_| {
            frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])
        }),
        ("unknown", vec![], |_| frame(0xee, 0, 0, &[0; 100])),
        ("reset again", get, |_| {
            frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])
        }),
        // CVE-2019-9518.
        ("empty data", post.clone(), |_| frame(DATA, 0, 1, &[])),
        ("padding", post.clone(), |_| {
            frame(DATA, 8, 1, &[3, 0, 0, 0])
        }),
        ("small data", post, |_| frame(DATA, 0, 1, b"x")),
        // CVE-2024-27316.
        ("continuation", frame(HEADERS, 0, 1, &GET), |_| {
            frame(CONTINUATION, 0, 1, &[])
        }),
        (
            "continuation with fields",
            frame(HEADERS, 0, 1, &GET),
            |_| {
                // A new field, `a`, of 8 KiB, not indexed.
                let field = [&[0x00, 1, b'a', 0x7f, 0x81, 0x3f][..], &[b'x'; 8192]].concat();
                frame(CONTINUATION, 0, 1, &field)
            },
        ),
        // CVE-2023-44487.
        ("rapid reset", vec![], |n| {
            let reset = frame(RST_STREAM, 0, stream(n), &[0, 0, 0, 8]);
            [
                frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &GET),
                reset,
            ]
            .concat()
        }),
        // CVE-2025-8671: a window that is too large makes the server reset (RFC 9113 §6.9.1).
        ("made to reset", vec![], |n| {
            let wrong = frame(WINDOW_UPDATE, 0, stream(n), &[0x7f, 0xff, 0xff, 0xff]);
            [frame(HEADERS, END_HEADERS, stream(n), &POST), wrong].concat()
        }),
    ]
}

#[tokio::test]
async fn floods_end_with_enhance_your_calm() {
    for (name, begin, more) in floods() {
        let never = Never::new();
        let site = never.site(Server::new()).await;
        let code = told(&site, begin, more).await;
        assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{name}");
        site.all_closed().await;
        assert_eq!(site.closed(), "flood 1", "{name}");
        never.quiet().await;
        site.end().await;
    }
}

/// Nothing is kept for a peer that does not read: the server stops reading, and closes it after the
/// time-out.
#[tokio::test]
async fn unread_answers_do_not_pile_up() {
    const TIMEOUT: Duration = Duration::from_millis(150);
    for (name, begin, more) in floods() {
        if !["ping", "settings"].contains(&name) {
            continue;
        }
        let never = Never::new();
        let server = Server::new()
            .max_control_frames(u32::MAX)
            .write_timeout(TIMEOUT);
        let site = never.site(server).await;
        let socket = TcpSocket::new_v4().unwrap();
        // Otherwise the kernel would keep about 30 MB of answers.
        socket.set_recv_buffer_size(4096).unwrap();
        let peer = within(socket.connect(site.address)).await.unwrap();
        let (from, to) = peer.into_split();
        let sent = tokio::time::timeout(PATIENCE, sends(to, begin, more))
            .await
            .expect(name);
        assert!(sent.is_err(), "{name}");
        drop(from);
        site.all_closed().await;
        assert_eq!(site.closed(), "stalled 1", "{name}");
        never.quiet().await;
        site.end().await;
    }
}

/// Streams beyond the limit are refused one by one, and no handler runs for them.
#[tokio::test]
async fn streams_beyond_the_limit_are_refused() {
    let never = Never::new();
    let site = never.site(Server::new().max_concurrent_streams(10)).await;
    let code = told(&site, vec![], |n| {
        frame(HEADERS, END_HEADERS, stream(n), &POST)
    })
    .await;
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    site.all_closed().await;
    assert_eq!(site.closed(), "flood 1");
    assert!(never.at_work.available_permits() <= 10);
    never.quiet().await;
    site.end().await;
}

/// A peer that opens no window requests a hundred files and a hundred pages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_window_files_and_pages_end() {
    const TIMEOUT: Duration = Duration::from_millis(150);
    for path in [&b"/f"[..], b"/p"] {
        let ledger = Ledger::new();
        let blob = zeros(1 << 20);
        let counted = ledger.clone();
        let service = tower::service_fn(move |request: Request<Incoming>| {
            let body = if request.uri().path() == "/f" {
                blob.clone().into()
            } else {
                Body::from("page")
            };
            let mut response = Response::new(body);
            Body::publish_handle(&mut response, &counted);
            async { Ok(response) }
        });
        let server = Server::new().write_timeout(TIMEOUT).idle_timeout(TIMEOUT);
        let site = Site::start(server, service).await;
        let mut peer = site.peer().await;
        peer.send([PREFACE, &frame(SETTINGS_FRAME, 0, 0, &NO_WINDOW)].concat())
            .await;
        let head = [&[0x82, 0x86, 0x01, 1, b'a', 0x04, 2], path].concat();
        for number in 0..100 {
            peer.send(frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream(number),
                &head,
            ))
            .await;
        }
        let mut heads = 0;
        let mut resets = 0;
        let mut goaway = false;
        while let Some((kind, ..)) = frame_from(peer.stream()).await {
            assert_ne!(kind, DATA);
            heads += u32::from(kind == HEADERS);
            resets += u32::from(kind == RST_STREAM);
            goaway |= kind == GOAWAY;
        }
        assert_eq!((resets, goaway), (100, true));
        // A file that waits for its turn is reset before it has a head.
        let at_least = if path == b"/p" { 100 } else { 32 };
        assert!(heads >= at_least, "{heads}");
        site.all_closed().await;
        eventually(|| ledger.unsettled().is_empty()).await;
        site.end().await;
    }
}
