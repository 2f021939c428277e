//! Forms that never end: each sends its first MiB, and then a byte each second.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use euryale_test::{H2Client, RawClient};
use http::{HeaderMap, HeaderValue, header};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::Running;
use super::client::{Client, End, Life, STREAMS, Tally};
use super::probe::Sockets;
use super::{Flood, Size};

/// The length of the body, as announced in the head.
const LENGTH: &str = "4000000";
/// The part of the body that is sent first.
static BEGINNING: [u8; 1 << 20] = [b'a'; 1 << 20];
/// The size of one write.
const PART: usize = 16 << 10;
/// The pause between two bytes of the rest.
const PAUSE: Duration = Duration::from_secs(1);

const FULL: Size = Size {
    clients: 0,
    shell: "",
    flags: &[],
    growth: 64,
};
const SMALL: Size = Size {
    flags: &["--body-memory=4M"],
    growth: 32,
    ..FULL
};

pub(super) const HTTP_1: Flood = Flood {
    name: "unfinished forms, HTTP/1",
    full: Size {
        clients: 600,
        ..FULL
    },
    small: Size {
        clients: 60,
        ..SMALL
    },
    sockets: Sockets::New,
    prepare: |_, _| (),
    client: one,
    is_on: |site, tally, clients| are_there(site, tally, clients),
};

pub(super) const HTTP_2: Flood = Flood {
    name: "unfinished forms, HTTP/2",
    full: Size {
        clients: 20,
        ..FULL
    },
    small: Size {
        clients: 2,
        ..SMALL
    },
    client: many,
    is_on: |site, tally, clients| are_there(site, tally, clients * STREAMS),
    ..HTTP_1
};

/// Half of the forms are in files or were refused, since all of them together are larger than the
/// memory for bodies. The other half may still be on its way.
fn are_there(site: &Running, tally: &Tally, forms: usize) -> bool {
    let held = site.metric("euryale_spool_files");
    held > 0 && held + tally.count(End::Answered(503)) >= forms as u64 / 2
}

/// The content type of a form and the beginning of its body, alternately of both kinds.
fn form(number: usize) -> (&'static str, &'static str) {
    if number.is_multiple_of(2) {
        (
            "application/x-www-form-urlencoded",
            "title=Unfinished&body=",
        )
    } else {
        (
            "multipart/form-data; boundary=\"=\"",
            "--=\r\ncontent-disposition: form-data; name=\"body\"\r\n\r\n",
        )
    }
}

fn one(client: Client) -> Life {
    Box::pin(async move { client.repeat(|| unfinished(&client)).await })
}

async fn unfinished(client: &Client) -> io::Result<End> {
    let (content_type, before) = form(client.number);
    let mut socket = RawClient::connect(client.site).await?;
    socket
        .send(format!(
            "POST /unfinished HTTP/1.1\r\nhost: localhost\r\ncontent-length: {LENGTH}\r\n\
             content-type: {content_type}\r\n\r\n{before}"
        ))
        .await?;
    for part in BEGINNING.chunks(PART) {
        client.room(part.len()).await;
        socket.send(part).await?;
    }
    loop {
        match timeout(PAUSE, socket.read_answer(false)).await {
            Ok(answer) => return Ok(End::Answered(answer?.status.as_u16())),
            Err(_) => socket.send("a").await?,
        }
    }
}

fn many(client: Client) -> Life {
    Box::pin(async move { client.repeat(|| socket(&client)).await })
}

/// Keeps all streams of a socket busy until the site closes it.
async fn socket(client: &Client) -> io::Result<End> {
    let mut socket = H2Client::connect(client.site).await?;
    let mut streams = JoinSet::new();
    for number in 0.. {
        if streams.len() == STREAMS {
            streams.join_next().await;
        }
        let (content_type, before) = form(number);
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from_static(LENGTH));
        let content_type = HeaderValue::from_static(content_type);
        fields.insert(header::CONTENT_TYPE, content_type);
        let (head, mut body) = socket.post("/unfinished", &fields).await?;
        let client = client.clone();
        streams.spawn(async move {
            let sent = async {
                H2Client::send(&mut body, Bytes::from_static(before.as_bytes())).await?;
                for part in BEGINNING.chunks(PART) {
                    client.room(part.len()).await;
                    H2Client::send(&mut body, Bytes::from_static(part)).await?;
                }
                loop {
                    sleep(PAUSE).await;
                    H2Client::send(&mut body, Bytes::from_static(b"a")).await?;
                }
            };
            let end = tokio::select! {
                biased;
                response = head => response
                    .map(|response| End::Answered(response.status().as_u16()))
                    .map_err(io::Error::other),
                ended = sent => ended,
            };
            client.ended(end).await;
        });
    }
    unreachable!("there is always a next stream")
}
