//! `/@@echo`: a WebSocket, beside the stack. It holds no worker and no connection, however long it is open.

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use euryale::forwarded::PublicUrl;
use euryale_server::Shutdown;
use http::{HeaderMap, StatusCode, header};

use crate::standing::Stands;

/// A longer message ends the socket.
const LARGEST: usize = 64 << 10;

/// The route, and for all else `site`.
pub(crate) fn beside(site: Router, shutdown: &Shutdown, stands: &Stands) -> Router {
    let state = (shutdown.clone(), stands.clone());
    Router::new().route("/@@echo", any(upgrade)).with_state(state).fallback_service(site)
}

/// Browsers let every site open sockets to any other, and say which one does: that is asked here (RFC 6455 §10.2). What
/// is no browser says nothing.
async fn upgrade(
    State((shutdown, stands)): State<(Shutdown, Stands)>,
    Extension(here): Extension<PublicUrl>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !is_from_here(&headers, &here) {
        return (StatusCode::FORBIDDEN, "Another site asked for this socket.\n").into_response();
    }
    if shutdown.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response();
    }
    let limited = upgrade.max_message_size(LARGEST).max_frame_size(LARGEST);
    limited.on_upgrade(async move |socket| {
        let _open = stands.websocket();
        echo(socket, &shutdown).await;
    })
}

/// The very origin that the browser sees, scheme and port included: a page that came without TLS may be anybody's.
fn is_from_here(headers: &HeaderMap, here: &PublicUrl) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let origin = origin.to_str().map(str::to_ascii_lowercase).ok();
    origins.next().is_none() && origin.is_some() && origin == here.origin()
}

/// Until the peer has had enough, or the site has.
async fn echo(mut socket: WebSocket, shutdown: &Shutdown) {
    let (code, reason) = loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = shutdown.draining() => break (close_code::AWAY, "the site is going down"),
        };
        match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                // A peer that does not read is cut by the drain.
                let sent = tokio::select! {
                    sent = socket.send(message) => sent,
                    () = shutdown.draining() => break (close_code::AWAY, "the site is going down"),
                };
                if sent.is_err() {
                    return;
                }
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Err(_)) => break (close_code::SIZE, "messages are of at most 64 KiB"),
            Some(Ok(Message::Close(_))) | None => return,
        }
    };
    let farewell = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    // Those who answer have heard it; others have had their time.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), async {
        socket.send(farewell).await?;
        while let Some(Ok(_)) = socket.recv().await {}
        Ok::<_, axum::Error>(())
    })
    .await;
}
