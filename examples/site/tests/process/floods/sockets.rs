//! Sockets that never send a request.

use euryale_test::RawClient;

use super::client::{Client, End, Life};
use super::probe::Sockets;
use super::{Flood, Size};

/// The same number in both tests: an idle socket costs little.
const HARD: Size = Size {
    clients: 1_300,
    shell: "ulimit -n 1024",
    flags: &[],
    growth: 32,
};
const SOFT: Size = Size {
    shell: "ulimit -Sn 1024",
    ..HARD
};

/// More sockets than the site may have open, so new ones wait.
pub(super) const BEYOND_THE_LIMIT: Flood = Flood {
    name: "idle sockets, 1,024 descriptors",
    full: HARD,
    small: HARD,
    sockets: Sockets::Kept,
    prepare: |_, _| (),
    client: idle,
    is_on: |site, _, _| site.said().contains("new peers wait"),
};

/// More sockets than the soft limit allows, which the site raises to the hard limit.
pub(super) const BEYOND_THE_SOFT_LIMIT: Flood = Flood {
    name: "idle sockets, 1,024 soft",
    full: SOFT,
    small: SOFT,
    sockets: Sockets::New,
    is_on: |site, _, clients| site.metric("euryale_sockets_open") >= clients as u64,
    ..BEYOND_THE_LIMIT
};

fn idle(client: Client) -> Life {
    Box::pin(async move {
        let wait = async || {
            let mut socket = RawClient::connect(client.site).await?;
            socket.read_to_end().await?;
            Ok(End::Closed)
        };
        client.repeat(wait).await;
    })
}
