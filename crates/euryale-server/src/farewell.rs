//! The end of a socket that hyper has finished with.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::socket::{Ending, Socket, SocketCell};
use crate::transport::Transport;

/// The silence after which a peer is taken to have read the answer.
const SILENCE: Duration = Duration::from_secs(2);
/// The maximum time for which its bytes are read,
const LONGEST: Duration = Duration::from_secs(10);
/// and no more than that.
const MOST: usize = 64 << 20;

const TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

const URI_TOO_LONG: &[u8] =
    b"HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 §6.8, §7): nothing is said about which streams were
/// worked on.
const GOAWAY: &[u8] = &[
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 11,
];

/// Writes what is still to be written, and closes in a way that lets the peer read it.
///
/// A socket that is closed while it holds unread bytes is reset, and the reset may overtake the
/// answer: a peer that is refused while it sends would never see the reason (RFC 9112 §9.6). So
/// arriving bytes are read and discarded, for a while.
pub(crate) async fn part(mut socket: Socket<Transport>, ending: Ending, cell: &SocketCell) {
    let word = match ending {
        Ending::HeadElapsed if cell.awaits_rest_of_head() => Some(TIMEOUT),
        Ending::Flood if cell.can_be_told() => Some(GOAWAY),
        Ending::TargetTooLong if cell.has_long_target() => Some(URI_TOO_LONG),
        _ => None,
    };
    let lingers = match ending {
        Ending::Stalled => {
            socket.io.forget();
            false
        }
        Ending::Malformed | Ending::HeadTooLarge | Ending::TargetTooLong | Ending::Flood => true,
        Ending::Cut | Ending::Silent | Ending::Idle => false,
        _ => word.is_some() || cell.is_unread() || cell.is_upgraded_and_open(),
    };
    if !lingers {
        return;
    }
    let until = Instant::now() + LONGEST;
    let speak = async {
        socket.io.write_all(word.unwrap_or_default()).await?;
        socket.io.shutdown().await
    };
    if matches!(timeout(SILENCE, speak).await, Ok(Ok(()))) {
        // The peer closed, fell silent or used up its time.
        let _ = timeout_at(until, listen(&socket.io)).await;
    }
}

async fn listen(io: &Transport) {
    let mut buffer = vec![0; 16 << 10];
    let mut left = MOST;
    while let Ok(Some(count)) = timeout(SILENCE, io.discard(&mut buffer)).await {
        let Some(rest) = left.checked_sub(count) else {
            return;
        };
        left = rest;
    }
}
