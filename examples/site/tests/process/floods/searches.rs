//! Searches for a word that fills two pages.

use std::io;
use std::time::Duration;

use euryale_test::RawClient;
use tokio::time::timeout;

use super::super::Running;
use super::client::{Client, End, Life};
use super::probe::Sockets;
use super::{Flood, Size};

/// The most expensive query known: the same word three times, as a phrase.
const WORST: &str = "/?q=a-a-a";

/// The time after which a client disconnects.
const PATIENCE: Duration = Duration::from_secs(1);

/// One client for each connection, so that pages wait behind searches.
const ON_TWO: Size = Size {
    clients: 2,
    shell: "",
    flags: &[],
    growth: 128,
};
const ON_THREE: Size = Size {
    clients: 3,
    flags: &["--connections=3"],
    ..ON_TWO
};

pub(super) const LEFT: Flood = Flood {
    name: "searches that are left after 1 s",
    full: ON_TWO,
    small: ON_TWO,
    sockets: Sockets::New,
    prepare: fill,
    client: leaving,
    is_on: |_, tally, _| tally.count(End::Left) + tally.count(End::Answered(200)) > 0,
};

pub(super) const ENDLESS: Flood = Flood {
    name: "searches without end",
    full: ON_THREE,
    small: ON_THREE,
    client: staying,
    is_on: |_, tally, _| tally.count(End::Answered(200)) > 0,
    ..LEFT
};

/// Adds a page of 1 MiB with 524,288 matches, and one with 250,000.
fn fill(site: &Running, share: usize) {
    for (path, times) in [("/full", 1 << 19), ("/many", 250_000)] {
        let form = format!("title=Full&body={}", "a+".repeat(times / share));
        assert_eq!(site.ask("POST", path, &form).status, 201);
    }
}

fn leaving(client: Client) -> Life {
    Box::pin(async move {
        let search = async || match timeout(PATIENCE, search(&client)).await {
            Ok(end) => end,
            Err(_) => Ok(End::Left),
        };
        client.repeat(search).await;
    })
}

fn staying(client: Client) -> Life {
    Box::pin(async move { client.repeat(|| search(&client)).await })
}

async fn search(client: &Client) -> io::Result<End> {
    let mut socket = RawClient::connect(client.site).await?;
    let answer = socket.get(WORST).await?;
    Ok(End::Answered(answer.status.as_u16()))
}
