//! Version 2: binary, with more fields.

use std::net::{Ipv4Addr, Ipv6Addr};

use euryale_core::request::PeerAddr;

use super::{BadHeader, ProxyHeader};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The length of the part before the addresses.
pub(super) const FIXED: usize = 16;

/// The maximum length of a header. Balancers send about a hundred bytes, and even a chain of
/// certificates would fit.
const LONGEST: usize = 16 << 10;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const SSL: u8 = 0x20;

/// Returns the number of bytes after the fixed part.
pub(super) fn length(fixed: &[u8]) -> Result<usize, BadHeader> {
    let [.., high, low] = fixed else {
        return Err(BadHeader);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > LONGEST {
        Err(BadHeader)
    } else {
        Ok(length)
    }
}

/// Parses a complete header.
pub(super) fn parse(header: &[u8]) -> Result<ProxyHeader, BadHeader> {
    let (fixed, rest) = header.split_at_checked(FIXED).ok_or(BadHeader)?;
    let command = fixed[12];
    let family = fixed[13];
    let addresses = match family {
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        // The protocol is neither TCP nor a Unix socket, or is unspecified.
        _ => 0,
    };
    let (addresses, extras) = rest.split_at_checked(addresses).ok_or(BadHeader)?;
    let source = match (command, family) {
        // The rest of the header must be skipped.
        (LOCAL, _) => {
            return Ok(ProxyHeader {
                source: None,
                is_tls: false,
                server_name: None,
            });
        }
        (PROXY, 0x11) => {
            let ip = array::<4>(addresses, 0)?;
            let port = array::<2>(addresses, 8)?;
            PeerAddr::Tcp((Ipv4Addr::from(ip), u16::from_be_bytes(port)).into())
        }
        (PROXY, 0x21) => {
            let ip = array::<16>(addresses, 0)?;
            let port = array::<2>(addresses, 32)?;
            PeerAddr::Tcp((Ipv6Addr::from(ip), u16::from_be_bytes(port)).into())
        }
        (PROXY, 0x31) => PeerAddr::Unix,
        // Known families and protocols in other combinations count as unspecified.
        (PROXY, _) if family >> 4 <= 3 && family & 0x0f <= 2 => {
            return Ok(ProxyHeader::of(PeerAddr::Unknown));
        }
        _ => return Err(BadHeader),
    };
    let mut said = ProxyHeader::of(source);
    let mut extras = extras;
    while let Some((kind, value, after)) = extra(extras)? {
        match kind {
            AUTHORITY => {
                let name = std::str::from_utf8(value).map_err(|_| BadHeader)?;
                said.server_name = Some(name.to_owned());
            }
            // The first bit: the client speaks TLS.
            SSL => said.is_tls = value.first().ok_or(BadHeader)? & 1 == 1,
            CRC32C => check(header, header.len() - after.len() - 4, value)?,
            _ => {}
        }
        extras = after;
    }
    Ok(said)
}

type Extra<'a> = (u8, &'a [u8], &'a [u8]);

/// Splits off the kind and value of the next extension.
fn extra(bytes: &[u8]) -> Result<Option<Extra<'_>>, BadHeader> {
    match bytes {
        [] => Ok(None),
        [kind, high, low, rest @ ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let (value, after) = rest.split_at_checked(length).ok_or(BadHeader)?;
            Ok(Some((*kind, value, after)))
        }
        _ => Err(BadHeader),
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], BadHeader> {
    bytes
        .get(at..at + N)
        .and_then(|part| part.try_into().ok())
        .ok_or(BadHeader)
}

/// Checks the checksum of the header, in which the bytes of the checksum itself, at `at`, count as
/// zero.
fn check(header: &[u8], at: usize, sum: &[u8]) -> Result<(), BadHeader> {
    let sum = u32::from_be_bytes(sum.try_into().map_err(|_| BadHeader)?);
    let bytes = header
        .iter()
        .enumerate()
        .map(|(n, byte)| if (at..at + 4).contains(&n) { 0 } else { *byte });
    if crc32c(bytes) == sum {
        Ok(())
    } else {
        Err(BadHeader)
    }
}

/// Castagnoli's CRC, as in RFC 9260 Appendix A. It is computed once for a socket, for a hundred
/// bytes, so no table is needed.
pub(super) fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    let step = |sum: u32, _| {
        if sum & 1 == 1 {
            (sum >> 1) ^ 0x82f6_3b78
        } else {
            sum >> 1
        }
    };
    !bytes.fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(byte), step))
}
