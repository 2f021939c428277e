use std::net::SocketAddr;

use ppp::HeaderResult;
use proptest::prelude::*;

use super::*;

fn tcp(address: &str) -> PeerAddr {
    PeerAddr::Tcp(address.parse().unwrap())
}

/// Returns the result of reading these bytes, and the number of bytes that are left.
fn read_of(bytes: &[u8]) -> (Result<ProxyHeader, BadHeader>, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut left = bytes;
    let read = runtime.block_on(read(&mut left));
    (read, left.len())
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [v2::SIGNATURE, &[command, family], &length, rest].concat()
}

const ADDRESSES: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x34, 0, 80];

#[test]
fn lines_are_read() {
    for (line, source) in [
        (
            "PROXY TCP4 192.0.2.1 192.0.2.2 4660 80",
            tcp("192.0.2.1:4660"),
        ),
        ("PROXY TCP6 2001:db8::1 ::1 1 65535", tcp("[2001:db8::1]:1")),
        ("PROXY UNKNOWN", PeerAddr::Unknown),
        ("PROXY UNKNOWN and whatever follows", PeerAddr::Unknown),
    ] {
        let (read, left) = read_of(format!("{line}\r\nGET / HTTP/1.1\r\n").as_bytes());
        assert_eq!((read, left), (Ok(ProxyHeader::of(source)), 16), "{line}");
    }
    let long = format!("PROXY UNKNOWN {}", "x".repeat(107));
    for line in [
        "GET / HTTP/1.1",
        "PROXY TCP4 192.0.2.1 192.0.2.2 4660",
        "PROXY TCP4 192.0.2.1 192.0.2.2 4660 80 1",
        "PROXY TCP4 192.0.2.1 192.0.2.2 65536 80",
        "PROXY TCP4 192.0.2.1 192.0.2.2 080 80",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 80",
        "PROXY TCP4 ::1 ::1 1 80",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 80",
        "PROXY  TCP4 192.0.2.1 192.0.2.2 1 80",
        "PROXY UDP4 192.0.2.1 192.0.2.2 1 80",
        "PROXY UNKNOWN\nGET / HTTP/1.0",
        &long,
    ] {
        assert_eq!(
            read_of(format!("{line}\r\n").as_bytes()).0,
            Err(BadHeader),
            "{line}"
        );
    }
    assert_eq!(read_of(b"PROXY TCP4 192.0.").0, Err(BadHeader));
}

#[test]
fn version_2_is_read() {
    let plain = ProxyHeader::of(tcp("192.0.2.1:4660"));
    let read = read_of(&[v2(0x21, 0x11, &ADDRESSES).as_slice(), b"rest"].concat());
    assert_eq!(read, (Ok(plain.clone()), 4));
    let tls = [
        &ADDRESSES[..],
        &[0x20, 0, 5, 1, 0, 0, 0, 0],
        &[0x02, 0, 1, b'a'],
        &[0xee, 0, 0],
    ]
    .concat();
    let expected = ProxyHeader {
        is_tls: true,
        server_name: Some("a".to_owned()),
        ..plain
    };
    assert_eq!(read_of(&v2(0x21, 0x11, &tls)).0, Ok(expected));
    let unknown = Ok(ProxyHeader::of(PeerAddr::Unknown));
    assert_eq!(read_of(&v2(0x21, 0, &[])).0, unknown);
    assert_eq!(read_of(&v2(0x21, 0x12, &ADDRESSES)).0, unknown);
    assert_eq!(
        read_of(&v2(0x21, 0x31, &[0; 216])).0,
        Ok(ProxyHeader::of(PeerAddr::Unix))
    );
    assert_eq!(read_of(&v2(0x20, 0, &[])).0.unwrap().source, None);
    for wrong in [
        v2(0x11, 0x11, &ADDRESSES),
        v2(0x22, 0x11, &ADDRESSES),
        v2(0x21, 0x41, &ADDRESSES),
        v2(0x21, 0x11, &ADDRESSES[..11]),
        v2(0x21, 0x11, &[&ADDRESSES[..], &[0x02, 0, 2, b'a']].concat()),
        v2(0x21, 0x11, &[&ADDRESSES[..], &[0x02, 0]].concat()),
        v2(0x21, 0x11, &[0; 17 << 10]),
    ] {
        assert_eq!(read_of(&wrong).0, Err(BadHeader), "{wrong:?}");
    }
}

#[test]
fn a_checksum_is_verified() {
    // The published check value of the algorithm.
    assert_eq!(super::v2::crc32c(b"123456789".iter().copied()), 0xe306_9283);
    let extras = [&ADDRESSES[..], &[0x03, 0, 4, 0, 0, 0, 0], &[0x04, 0, 1, 0]].concat();
    let mut header = v2(0x21, 0x11, &extras);
    let sum = super::v2::crc32c(header.iter().copied());
    header[31..35].copy_from_slice(&sum.to_be_bytes());
    assert!(read_of(&header).0.is_ok());
    header[16] ^= 1;
    assert_eq!(read_of(&header).0, Err(BadHeader));
}

/// Returns the result of another implementation.
fn oracle(bytes: &[u8]) -> Option<Option<SocketAddr>> {
    match HeaderResult::parse(bytes) {
        HeaderResult::V1(Ok(header)) => Some(match header.addresses {
            ppp::v1::Addresses::Tcp4(at) => Some((at.source_address, at.source_port).into()),
            ppp::v1::Addresses::Tcp6(at) => Some((at.source_address, at.source_port).into()),
            ppp::v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) => Some(match header.addresses {
            ppp::v2::Addresses::IPv4(at) => Some((at.source_address, at.source_port).into()),
            ppp::v2::Addresses::IPv6(at) => Some((at.source_address, at.source_port).into()),
            _ => None,
        }),
        _ => None,
    }
}

proptest! {
    #[test]
    fn every_valid_proxy_header_is_parsed(
        source: SocketAddr,
        destination: SocketAddr,
        text: bool,
        tail in "[ -~]{0,20}",
    ) {
        let header = match (source, destination, text) {
            (SocketAddr::V4(_), SocketAddr::V4(_), true) => {
                let from = source.ip();
                let to = destination.ip();
                format!("PROXY TCP4 {from} {to} {} \
                    {}\r\n", source.port(), destination.port()).into_bytes()
            }
            (SocketAddr::V6(_), SocketAddr::V6(_), true) => {
                let from = source.ip();
                let to = destination.ip();
                format!("PROXY TCP6 {from} {to} {} \
                    {}\r\n", source.port(), destination.port()).into_bytes()
            }
            _ => {
                use ppp::v2::{Builder, Command, Protocol, Version};
                let addresses = (source, destination);
                Builder::with_addresses(Version::Two | Command::Proxy, Protocol::Stream, addresses)
                    .build()
                    .unwrap()
            }
        };
        let (read, left) = read_of(&[&header, tail.as_bytes()].concat());
        prop_assert_eq!(left, tail.len());
        let expected = match oracle(&header).unwrap() {
            Some(address) => PeerAddr::Tcp(address),
            None => PeerAddr::Unknown,
        };
        prop_assert_eq!(read.unwrap().source, Some(expected));
    }

    #[test]
    fn no_bytes_are_too_strange(bytes: Vec<u8>, version: bool) {
        let begin: &[u8] = if version { v2::SIGNATURE } else { b"PROXY " };
        let _ = read_of(&[begin, &bytes].concat());
        let _ = read_of(&bytes);
    }
}
