//! HTTP/1.1 as far as the clients need it: heads, and bodies with a length.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::net::sockopt::set_tcp_congestion;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::curl;
use super::target::{PATIENCE, Target};
use crate::peers::Server;
use crate::scene::Wire;

/// The heads of all measured servers are shorter.
const LONGEST_HEAD: usize = 16 << 10;

/// The parts of a head that a client needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The length of the body, in bytes.
    pub(crate) length: u64,
    /// Whether the server closes the connection after this answer.
    pub(crate) closes: bool,
    /// The length of the head itself.
    pub(crate) size: usize,
}

/// Parses a head. Returns `None` if it is not complete yet. Any status but 200 is an error.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        ensure!(bytes.len() < LONGEST_HEAD, "answered a head without end");
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = text.lines();
    let status = lines.next().unwrap_or_default();
    let mut words = status.splitn(3, ' ');
    let version = words.next().unwrap_or_default();
    let code = words.next().unwrap_or_default();
    ensure!(
        version.starts_with("HTTP/1.") && code == "200",
        "answered {status}"
    );
    let mut length = None;
    let mut closes = version == "HTTP/1.0";
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.trim().eq_ignore_ascii_case("close");
        }
    }
    let length = length.context("answered without a length")?;
    Ok(Some(Head {
        length,
        closes,
        size: end + 4,
    }))
}

/// A request without a body.
pub(super) fn get(path: &str, to: SocketAddr) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {to}\r\n\r\n")
}

/// The head of an upload.
pub(super) fn post(to: SocketAddr, length: u64) -> String {
    format!(
        "POST /upload HTTP/1.1\r\nHost: {to}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

impl Target {
    /// A socket for blocking code.
    pub(super) fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.to).context("connecting")?;
        self.prepare(&stream)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A socket for asynchronous code.
    pub(super) async fn open(&self) -> Result<Socket> {
        let stream = tokio::net::TcpStream::connect(self.to);
        let stream = timeout(PATIENCE, stream)
            .await
            .context("connecting takes too long")?
            .context("connecting")?;
        self.prepare(&stream)?;
        stream.set_nodelay(true)?;
        Ok(Socket {
            stream,
            received: Vec::new(),
            to: self.to,
        })
    }

    fn prepare(&self, socket: impl std::os::fd::AsFd) -> Result<()> {
        let Some(control) = &self.congestion else {
            return Ok(());
        };
        set_tcp_congestion(socket, control).with_context(|| format!("setting TCP {control}"))
    }
}

/// Reads a head from a blocking socket. Bytes after it stay in `received`.
pub(super) fn read_head(stream: &mut TcpStream, received: &mut Vec<u8>) -> Result<Head> {
    loop {
        if let Some(head) = head(received)? {
            received.drain(..head.size);
            return Ok(head);
        }
        let mut piece = [0; 2048];
        let count = stream.read(&mut piece).context("reading the answer")?;
        ensure!(
            count > 0,
            "{}",
            if received.is_empty() {
                "answered nothing"
            } else {
                "answered half a head"
            }
        );
        received.extend_from_slice(&piece[..count]);
    }
}

/// A socket for asynchronous code.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) stream: tokio::net::TcpStream,
    pub(super) received: Vec<u8>,
    to: SocketAddr,
}

impl Socket {
    pub(super) async fn ask(&mut self, path: &str) -> Result<()> {
        let request = get(path, self.to);
        self.stream
            .write_all(request.as_bytes())
            .await
            .context("asking")
    }

    /// Returns the head as soon as it is complete.
    pub(super) async fn head(&mut self) -> Result<Head> {
        loop {
            if let Some(head) = head(&self.received)? {
                self.received.drain(..head.size);
                return Ok(head);
            }
            self.fill(512).await?;
        }
    }

    /// The whole answer, as text.
    pub(super) async fn answer(&mut self) -> Result<String> {
        let length = usize::try_from(self.head().await?.length)?;
        while self.received.len() < length {
            self.fill(length - self.received.len()).await?;
        }
        let body: Vec<u8> = self.received.drain(..length).collect();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    async fn fill(&mut self, most: usize) -> Result<()> {
        let mut piece = vec![0; most];
        let read = timeout(PATIENCE, self.stream.read(&mut piece)).await;
        let count = read
            .context("no answer in time")?
            .context("reading the answer")?;
        ensure!(count > 0, "hung up in the middle of an answer");
        self.received.extend_from_slice(&piece[..count]);
        Ok(())
    }

    /// Requests the page and checks it.
    pub(super) async fn page(&mut self) -> Result<()> {
        self.ask("/").await?;
        expect(&self.answer().await?, crate::scene::PAGE)
    }
}

pub(super) fn expect(found: &str, body: &str) -> Result<()> {
    ensure!(
        found == body,
        "answered the body {found:?} and not {body:?}"
    );
    Ok(())
}

/// Sends a request and checks that its answer is 200 with exactly this body.
pub(crate) fn check(server: &Server, path: &str, body: &Body<'_>) -> Result<()> {
    if server.wire() != Wire::Http1 {
        return curl::check(server, path, body);
    }
    let to = server.address();
    let mut stream = TcpStream::connect(to).context("connecting")?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream
        .write_all(get(path, to).as_bytes())
        .context("asking")?;
    let mut received = Vec::new();
    let head = read_head(&mut stream, &mut received)?;
    let mut answer = Read::take(Read::chain(received.as_slice(), stream), head.length);
    body.compare(&mut answer)?;
    let left = answer.limit();
    ensure!(left == 0, "sent {left} bytes less than announced");
    Ok(())
}

/// The expected body.
pub(crate) enum Body<'a> {
    Text(&'a str),
    File(&'a Path),
}

impl Body<'_> {
    /// Compares an answer, byte for byte.
    pub(super) fn compare(&self, mut answer: impl Read) -> Result<()> {
        match self {
            Self::Text(text) => {
                let mut found = String::new();
                answer
                    .read_to_string(&mut found)
                    .context("reading the answer")?;
                expect(&found, text)
            }
            Self::File(path) => compare(&mut answer, path),
        }
    }
}

fn compare(answer: &mut impl Read, path: &Path) -> Result<()> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut piece = vec![0; 64 << 10];
    let mut wanted = vec![0; 64 << 10];
    let mut at = 0;
    loop {
        let count = answer.read(&mut piece).context("reading the answer")?;
        let end = at + count as u64;
        ensure!(end <= length, "sent more than {length} bytes");
        if count == 0 {
            ensure!(at == length, "sent {at} of {length} bytes");
            return Ok(());
        }
        file.read_exact(&mut wanted[..count])?;
        if let Some(wrong) = (0..count).find(|index| piece[*index] != wanted[*index]) {
            bail!("sent a wrong byte at {}", at + wrong as u64);
        }
        at = end;
    }
}
