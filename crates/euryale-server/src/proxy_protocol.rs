//! The PROXY protocol: a balancer names its client before anything else.
//!
//! Both versions, as specified in <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>.

#[cfg(test)]
mod tests;
mod v1;
mod v2;

use euryale_core::request::PeerAddr;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The contents of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyHeader {
    /// The client; `None` if the balancer connects on its own behalf, for a health check.
    pub(crate) source: Option<PeerAddr>,
    /// Whether the client uses TLS to the balancer.
    pub(crate) is_tls: bool,
    /// The server name that the client requested.
    pub(crate) server_name: Option<String>,
}

impl ProxyHeader {
    fn of(source: PeerAddr) -> Self {
        Self {
            source: Some(source),
            is_tls: false,
            server_name: None,
        }
    }
}

/// The header is missing or wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadHeader;

/// The length of the shortest header of both versions: `PROXY UNKNOWN` and the end of its line.
const SHORTEST: usize = 15;

/// Reads a header and not a byte more, because HTTP or TLS follows.
pub(crate) async fn read(io: &mut (impl AsyncRead + Unpin)) -> Result<ProxyHeader, BadHeader> {
    let mut header = vec![0; SHORTEST];
    fill(io, &mut header).await?;
    if header.starts_with(v2::SIGNATURE) {
        header.resize(v2::FIXED, 0);
        fill(io, &mut header[SHORTEST..]).await?;
        let length = v2::length(&header)?;
        header.resize(v2::FIXED + length, 0);
        fill(io, &mut header[v2::FIXED..]).await?;
        return v2::parse(&header);
    }
    if !header.starts_with(b"PROXY ") {
        return Err(BadHeader);
    }
    while !header.ends_with(b"\r\n") {
        if header.len() == v1::LONGEST {
            return Err(BadHeader);
        }
        header.push(io.read_u8().await.map_err(|_| BadHeader)?);
    }
    v1::parse(&header)
}

async fn fill(io: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> Result<(), BadHeader> {
    io.read_exact(buffer).await.map(drop).map_err(|_| BadHeader)
}
