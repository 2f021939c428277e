//! Tests of peers that only stay connected, by the point at which they stop: before the handshake,
//! before the first byte, in the preface, in a head, in a body, after a request, before an answer.
//! Each is tested over plain sockets and TLS, with HTTP/1.1 and HTTP/2.

use euryale_core::{Body, Error};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::http2::PREFACE;
use super::tls::{Certificate, listening};
use super::*;

const TIMEOUT: Duration = Duration::from_millis(150);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A class of peers: the bytes that it sends before it falls silent, whether it reads, and how its
/// socket ends.
struct Class {
    name: &'static str,
    sends: Vec<u8>,
    reads: bool,
    reason: &'static str,
}

fn class(
    name: &'static str,
    sends: impl Into<Vec<u8>>,
    reads: bool,
    reason: &'static str,
) -> Class {
    Class {
        name,
        sends: sends.into(),
        reads,
        reason,
    }
}

fn http1() -> Vec<Class> {
    let get = |path| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf";
    vec![
        class("nothing", "", true, "silent"),
        class("a part of the preface", "PRI * HT", true, "head_elapsed"),
        class(
            "half a head",
            "GET / HTTP/1.1\r\nhost:",
            true,
            "head_elapsed",
        ),
        class(
            "half a second head",
            format!("{}GET / HT", get("/")),
            true,
            "head_elapsed",
        ),
        class("half a body", post, true, "body_elapsed"),
        class("no further request", get("/"), true, "idle"),
        class("no eyes for the answer", get("/large"), false, "stalled"),
    ]
}

fn http2() -> Vec<Class> {
    let begin = |settings: &[u8]| {
        [
            PREFACE,
            &[0, 0, settings.len() as u8, 4, 0, 0, 0, 0, 0],
            settings,
        ]
        .concat()
    };
    let with = |frames: &[u8]| [&begin(&[]), frames].concat();
    // GET or POST, `/` or `/large`, at `a` (RFC 7541 Appendix A).
    let get = [0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x84, 0x86, 0x01, 1, b'a'];
    let large = [
        &[
            0, 0, 13, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x01, 1, b'a', 0x04, 6,
        ][..],
        b"/large",
    ]
    .concat();
    let post = [0, 0, 6, 1, 4, 0, 0, 0, 1, 0x83, 0x84, 0x86, 0x01, 1, b'a'];
    let half = [&post[..], &[0, 0, 4, 0, 0, 0, 0, 0, 1], b"half"].concat();
    let half_a_head = [0, 0, 2, 1, 0, 0, 0, 0, 1, 0x82, 0x84];
    let wide = [0, 4, 0x7f, 0xff, 0xff, 0xff];
    let widened = [
        &begin(&wide)[..],
        &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0x40, 0, 0, 0],
        &large,
    ]
    .concat();
    vec![
        class("nothing", "", true, "silent"),
        class("a part of the preface", "PRI * HT", true, "head_elapsed"),
        class("no request", begin(&[]), true, "head_elapsed"),
        class("half a head", with(&half_a_head), true, "head_elapsed"),
        // Its stream is answered with 408, and no further request follows.
        class("half a body", with(&half), true, "idle"),
        class("no further request", with(&get), true, "idle"),
        // Its stream is reset.
        class(
            "no window for the answer",
            [&begin(&[0, 4, 0, 0, 0, 0])[..], &large].concat(),
            true,
            "idle",
        ),
        class("no eyes for the answer", widened, false, "stalled"),
    ]
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let large = request.uri().path() == "/large";
    let mut response = match request.into_body().collect().await {
        Ok(_) if large => Response::new(Body::from(vec![b'x'; 64 << 20])),
        Ok(_) => Response::new(Body::from("hello")),
        Err(error) => Response::builder()
            .status(Error::from(error).class().status())
            .body(Body::empty())
            .unwrap(),
    };
    response
        .headers_mut()
        .insert("x-seen", http::HeaderValue::from_static("yes"));
    Ok(response)
}

fn hasty() -> Server {
    Server::new()
        .handshake_timeout(TIMEOUT)
        .head_timeout(TIMEOUT)
        .idle_timeout(TIMEOUT)
        .body_timeout(TIMEOUT)
        .write_timeout(TIMEOUT)
}

/// Sends the bytes, and stays until the server closes the socket.
async fn stays(site: Site, mut stream: impl Stream, began: Instant, class: &Class, over: &str) {
    let what = format!("{} over {over}", class.name);
    // The TLS session may have ended by then.
    let _ = within(stream.write_all(&class.sends)).await;
    if class.reads {
        let _ = within(stream.read_to_end(&mut Vec::new())).await;
        drop(stream);
    } else {
        eventually(|| !site.closed().is_empty()).await;
        drop(stream);
    }
    site.all_closed().await;
    assert!(began.elapsed() >= TIMEOUT, "{what}");
    assert_eq!(site.closed(), format!("{} 1", class.reason), "{what}");
    assert_eq!(site.ledger.unsettled(), Vec::<String>::new(), "{what}");
    site.end().await;
}

#[tokio::test]
async fn over_plain_sockets() {
    for (classes, over) in [(http1(), "HTTP/1.1"), (http2(), "HTTP/2")] {
        for class in classes {
            let site = Site::start(hasty(), tower::service_fn(answer)).await;
            let began = Instant::now();
            let stream = site.peer().await.client.into_stream();
            stays(site, stream, began, &class, over).await;
        }
    }
}

#[tokio::test]
async fn over_tls() {
    let certificate = Certificate::new();
    for (classes, over) in [(http1(), "http/1.1"), (http2(), "h2")] {
        for class in classes {
            let (site, address, _) =
                listening(hasty(), &certificate, tower::service_fn(answer)).await;
            let began = Instant::now();
            let stream = certificate.connect(address, &[over]).await.unwrap();
            stays(site, stream, began, &class, over).await;
        }
    }
    for (name, begin) in [
        ("nothing", &b""[..]),
        ("half a handshake", &[22, 3, 1, 1, 0, 1]),
    ] {
        let (site, address, _) = listening(hasty(), &certificate, tower::service_fn(answer)).await;
        let began = Instant::now();
        let stream = Peer::new(address).await.client.into_stream();
        stays(
            site,
            stream,
            began,
            &class(name, begin, true, "handshake"),
            "TCP",
        )
        .await;
    }
}
