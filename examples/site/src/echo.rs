//! `/@@echo`: a WebSocket, beside the stack. It holds no worker and no connection, however long it
//! is open.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use euryale::forwarded::PublicUrl;
use euryale_server::Shutdown;
use http::{HeaderMap, StatusCode, header};
use tokio::time::{sleep, timeout};

use crate::edge::Edge;
use crate::standing::Stands;

/// A longer message ends the socket.
const LARGEST: usize = 64 << 10;
/// For a farewell to be heard.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a socket is kept. The server's own deadlines end with the upgrade: from there on they
/// are the route's.
#[derive(Clone, Debug)]
struct Terms {
    shutdown: Shutdown,
    /// A peer that is silent for so long is asked for a sign of life, and has as long again.
    idle: Duration,
    /// How long it may take nothing of what is sent.
    write: Duration,
}

/// The route, and for all else `site`.
pub(crate) fn beside(site: Router, shutdown: &Shutdown, stands: &Stands, edge: &Edge) -> Router {
    let terms = Terms {
        shutdown: shutdown.clone(),
        idle: edge.idle_timeout,
        write: edge.write_timeout,
    };
    let state = (terms, stands.clone());
    Router::new()
        .route("/@@echo", any(upgrade))
        .with_state(state)
        .fallback_service(site)
}

/// Browsers let every site open sockets to any other, and say which one does: that is asked here
/// (RFC 6455 §10.2). What is no browser says nothing.
async fn upgrade(
    State((terms, stands)): State<(Terms, Stands)>,
    here: PublicUrl,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !is_from_here(&headers, &here) {
        return (
            StatusCode::FORBIDDEN,
            "Another site asked for this socket.\n",
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
    let limited = upgrade.max_message_size(LARGEST).max_frame_size(LARGEST);
    limited.on_upgrade(async move |socket| {
        let _open = stands.websocket();
        echo(socket, &terms).await;
    })
}

/// The very origin that the browser sees, scheme and port included: a page that came without TLS
/// may be anybody's.
fn is_from_here(headers: &HeaderMap, here: &PublicUrl) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return true;
    };
    let origin = origin.to_str().map(str::to_ascii_lowercase).ok();
    origins.next().is_none() && origin.is_some() && origin == here.origin()
}

/// Until the peer has had enough, or the site has.
async fn echo(mut socket: WebSocket, terms: &Terms) {
    let Some((code, reason)) = talk(&mut socket, terms).await else {
        return;
    };
    let farewell = Message::Close(Some(CloseFrame {
        code,
        reason: reason.into(),
    }));
    // Those who answer have heard it; others have had their time.
    let _ = timeout(FAREWELL, async {
        socket.send(farewell).await?;
        while let Some(Ok(_)) = socket.recv().await {}
        Ok::<_, axum::Error>(())
    })
    .await;
}

/// Why it ends. None: there is nobody to tell.
async fn talk(socket: &mut WebSocket, terms: &Terms) -> Option<(u16, &'static str)> {
    const AWAY: (u16, &str) = (close_code::AWAY, "the site is going down");
    let mut was_asked = false;
    loop {
        let answer = tokio::select! {
            message = socket.recv() => {
                was_asked = false;
                match message {
                    Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => message,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Err(_)) => return Some((close_code::SIZE, "messages are of at most 64 \
                        KiB")),
                    Some(Ok(Message::Close(_))) | None => return None,
                }
            }
            () = sleep(terms.idle) => {
                if was_asked {
                    return Some((close_code::AWAY, "nothing was heard"));
                }
                was_asked = true;
                Message::Ping(Vec::new().into())
            }
            () = terms.shutdown.draining() => return Some(AWAY),
        };
        tokio::select! {
            sent = timeout(terms.write, socket.send(answer)) => {
                // Who does not read is not told, either.
                sent.ok()?.ok()?;
            }
            () = terms.shutdown.draining() => return Some(AWAY),
        }
    }
}
