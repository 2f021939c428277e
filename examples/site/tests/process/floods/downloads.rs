//! HTTP/2 downloads with a window of 0: each keeps a file open.

use std::io;

use euryale_test::H2Client;
use tokio::task::JoinSet;

use super::client::{Client, End, Life, STREAMS};
use super::probe::Sockets;
use super::{Flood, Size};

/// One of the sample files, with 20 MB.
const FILE: &str = "/pictures/chord.wav";

/// More downloads than the site may have files open, so it refuses some.
pub(super) const STALLED: Flood = Flood {
    name: "stalled downloads",
    full: Size {
        clients: 11,
        shell: "ulimit -n 1024",
        flags: &[],
        growth: 64,
    },
    small: Size {
        clients: 1,
        shell: "ulimit -n 192",
        flags: &[],
        growth: 32,
    },
    sockets: Sockets::New,
    prepare: |_, _| (),
    client: stalled,
    is_on: |site, _, _| site.metric("euryale_descriptors_refused_total") > 0,
};

fn stalled(client: Client) -> Life {
    Box::pin(async move { client.repeat(|| socket(&client)).await })
}

/// Keeps all streams of a socket busy until the site closes it.
async fn socket(client: &Client) -> io::Result<End> {
    let mut socket = H2Client::with_windows(client.site, 0, 65_535).await?;
    let mut streams = JoinSet::new();
    loop {
        while streams.len() < STREAMS {
            let (head, _) = socket.open(FILE).await?;
            let client = client.clone();
            streams.spawn(async move {
                let end = async {
                    let response = head.await.map_err(io::Error::other)?;
                    let status = response.status().as_u16();
                    if status == 200 {
                        // The window is closed: this returns when the stream ends.
                        let _ = response.into_body().data().await;
                        return Ok(End::Closed);
                    }
                    Ok(End::Answered(status))
                };
                client.ended(end.await).await;
            });
        }
        streams.join_next().await;
    }
}
