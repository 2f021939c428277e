//! `/@@echo`: a WebSocket, beside the stack. It holds no worker and no connection, however long it
//! is open.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use euryale::forwarded::PublicUrl;
use euryale_server::Shutdown;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::{sleep, timeout};
use tungstenite::Error as WebSocketError;
use tungstenite::error::ProtocolError;

use crate::cli::edge::Edge;

/// A longer message ends the socket, in bytes.
const LARGEST: usize = 64 << 10;
/// The read buffer of each socket, in bytes; it grows for longer messages. tungstenite allocates
/// 128 KiB by default, at once.
const READ_BUFFER: usize = 4 << 10;
/// How long the peer may take to answer a Close.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a socket is kept. The server's own deadlines end with the upgrade; from then on the
/// route is responsible.
#[derive(Clone, Debug)]
struct Terms {
    shutdown: Shutdown,
    /// The silence after which a peer gets a ping, and then has the same time again.
    idle: Duration,
    /// How long the peer may read nothing.
    write: Duration,
}

/// The route, with `site` for everything else.
pub(crate) fn beside(site: Router, shutdown: &Shutdown, edge: &Edge) -> Router {
    let terms = Terms {
        shutdown: shutdown.clone(),
        idle: edge.idle_timeout,
        write: edge.write_timeout,
    };
    Router::new()
        .route("/@@echo", any(upgrade))
        .with_state(terms)
        .fallback_service(site)
}

/// Browsers let every site open sockets to any other, and send the origin, which is checked here
/// (RFC 6455 §10.2). Clients other than browsers do not send it.
async fn upgrade(
    State(terms): State<Terms>,
    here: PublicUrl,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) if has_key(&headers) => upgrade,
        Ok(_) => {
            return (
                StatusCode::BAD_REQUEST,
                "Sec-WebSocket-Key must be 16 bytes in base64.\n",
            )
                .into_response();
        }
        Err(rejection) => return rejected(rejection),
    };
    if !is_from_here(&headers, &here) {
        return (
            StatusCode::FORBIDDEN,
            "Another site requested this socket.\n",
        )
            .into_response();
    }
    if terms.shutdown.is_draining() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "1")],
        )
            .into_response();
    }
    let bounded = upgrade
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
        .read_buffer_size(READ_BUFFER);
    bounded.on_upgrade(async move |socket| {
        echo(socket, &terms).await;
    })
}

/// The answer to another version names the supported one (RFC 6455 §4.4).
fn rejected(rejection: WebSocketUpgradeRejection) -> Response {
    let is_version = matches!(
        rejection,
        WebSocketUpgradeRejection::InvalidWebSocketVersionHeader(_)
    );
    let mut response = rejection.into_response();
    if is_version {
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        let headers = response.headers_mut();
        headers.insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
        // RFC 9110 §15.5.22 and §7.8.
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    response
}

/// Returns whether the key of the request is 16 bytes in base64 (RFC 6455 §4.2.1), which are 22
/// characters and two of padding.
fn has_key(headers: &HeaderMap) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    headers.get(header::SEC_WEBSOCKET_KEY).is_some_and(|key| {
        let digits = key.as_bytes().strip_suffix(b"==");
        digits.is_some_and(|digits| digits.len() == 22 && digits.iter().all(is_base64))
    })
}

/// Exactly the origin that the browser sees, including scheme and port: a page without TLS may come
/// from anyone.
fn is_from_here(headers: &HeaderMap, here: &PublicUrl) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return true;
    };
    let origin = origin.to_str().map(str::to_ascii_lowercase).ok();
    origins.next().is_none() && origin.is_some() && origin == here.origin()
}

/// Echoes until the peer or the site closes, and closes as in RFC 6455 §7.1.
async fn echo(mut socket: WebSocket, terms: &Terms) {
    let farewell = match talk(&mut socket, terms).await {
        Ending::Gone => return,
        Ending::ClosedByPeer => None,
        Ending::Ours(code, reason) => Some(Message::Close(Some(CloseFrame {
            code,
            reason: reason.into(),
        }))),
    };
    // Reading on flushes the answer to the peer's Close (§5.5.1), or waits for the answer to ours.
    let _ = timeout(FAREWELL, async {
        if let Some(farewell) = farewell {
            socket.send(farewell).await?;
        }
        while let Some(Ok(_)) = socket.recv().await {}
        Ok::<_, axum::Error>(())
    })
    .await;
}

/// How a socket ends.
enum Ending {
    /// The peer is gone.
    Gone,
    /// The peer has sent Close.
    ClosedByPeer,
    /// The site closes, with this code and for this reason.
    Ours(u16, &'static str),
}

async fn talk(socket: &mut WebSocket, terms: &Terms) -> Ending {
    const AWAY: Ending = Ending::Ours(close_code::AWAY, "the site is going down");
    let mut was_asked = false;
    loop {
        let answer = tokio::select! {
            message = socket.recv() => {
                was_asked = false;
                match message {
                    Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => message,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_))) => return Ending::ClosedByPeer,
                    Some(Err(error)) => return ending_after(error),
                    None => return Ending::Gone,
                }
            }
            () = sleep(terms.idle) => {
                if was_asked {
                    return Ending::Ours(close_code::AWAY, "nothing was heard");
                }
                was_asked = true;
                Message::Ping(Vec::new().into())
            }
            () = terms.shutdown.draining() => return AWAY,
        };
        tokio::select! {
            sent = timeout(terms.write, socket.send(answer)) => {
                // A peer that does not read does not get a Close either.
                let Ok(Ok(())) = sent else { return Ending::Gone };
            }
            () = terms.shutdown.draining() => return AWAY,
        }
    }
}

/// The code for a peer's mistake (RFC 6455 §7.4.1).
fn ending_after(error: axum::Error) -> Ending {
    let error = error.into_inner();
    match error.downcast_ref() {
        Some(WebSocketError::Capacity(_)) => {
            Ending::Ours(close_code::SIZE, "messages have at most 64 KiB")
        }
        Some(WebSocketError::Utf8(_)) => Ending::Ours(close_code::INVALID, "a text is not UTF-8"),
        Some(WebSocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Ending::Gone,
        Some(WebSocketError::Protocol(_)) => {
            Ending::Ours(close_code::PROTOCOL, "a frame breaks RFC 6455")
        }
        _ => Ending::Gone,
    }
}
