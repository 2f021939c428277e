//! Version 1: a line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use euryale_core::request::PeerAddr;

use super::{BadHeader, ProxyHeader};

/// The length of the longest header, including the end of its line.
pub(super) const LONGEST: usize = 107;

/// Parses `PROXY TCP4 source destination port port`, or `PROXY UNKNOWN` followed by anything.
pub(super) fn parse(line: &[u8]) -> Result<ProxyHeader, BadHeader> {
    let line = line.strip_suffix(b"\r\n").ok_or(BadHeader)?;
    let line = std::str::from_utf8(line).map_err(|_| BadHeader)?;
    let mut words = line.split(' ');
    let name = words.next();
    let family = words.next();
    if name != Some("PROXY") || line.contains(['\r', '\n']) {
        return Err(BadHeader);
    }
    let source = match family {
        Some("TCP4") => addresses::<Ipv4Addr>(words)?,
        Some("TCP6") => addresses::<Ipv6Addr>(words)?,
        Some("UNKNOWN") => PeerAddr::Unknown,
        _ => return Err(BadHeader),
    };
    Ok(ProxyHeader::of(source))
}

fn addresses<'a, I: FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a str>,
) -> Result<PeerAddr, BadHeader> {
    let mut word = || words.next().ok_or(BadHeader);
    let source = word()?;
    let destination = word()?;
    let source_port = port(word()?)?;
    let destination_port = port(word()?)?;
    let source: I = source.parse().map_err(|_| BadHeader)?;
    // Parsed only to check that it is valid.
    let _: (I, u16) = (
        destination.parse().map_err(|_| BadHeader)?,
        destination_port,
    );
    match words.next() {
        None => Ok(PeerAddr::Tcp((source.into(), source_port).into())),
        Some(_) => Err(BadHeader),
    }
}

/// Parses a decimal port without a sign and without leading zeros.
fn port(word: &str) -> Result<u16, BadHeader> {
    let is_plain =
        word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| is_plain).ok_or(BadHeader)
}
