//! The WebSocket.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use super::{PATIENCE, Running};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A WebSocket client, with the parts of RFC 6455 that these tests need.
pub(super) struct Socket {
    stream: BufReader<TcpStream>,
    head: String,
}

impl Socket {
    pub(super) fn open(site: &Running, origin: &str) -> Self {
        let asked = format!("sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n{origin}");
        Self::ask(site, &asked)
    }

    fn ask(site: &Running, fields: &str) -> Self {
        let mut stream = TcpStream::connect(site.public[0]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = "GET /@@echo HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n\
            upgrade: websocket\r\n";
        write!(stream, "{head}{fields}\r\n").unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        Self {
            stream,
            head: String::from_utf8(head).unwrap(),
        }
    }

    /// A frame with a mask of zeros.
    fn send(&mut self, kind: u8, content: &[u8]) {
        let mut frame = vec![0x80 | kind];
        match u8::try_from(content.len()) {
            Ok(short @ ..126) => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 127);
                frame.extend((content.len() as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(content);
        self.stream.get_mut().write_all(&frame).unwrap();
    }

    /// An unchanged frame.
    fn send_raw(&mut self, frame: &[u8]) {
        self.stream.get_mut().write_all(frame).unwrap();
    }

    /// The code of the next Close, if it has one. Afterwards the site closes the socket normally.
    pub(super) fn hear_close(&mut self) -> Option<u16> {
        let (kind, content) = self.hear();
        assert_eq!(kind, 8, "{content:?}");
        let mut rest = Vec::new();
        let ended = self.stream.read_to_end(&mut rest);
        assert_eq!((ended.unwrap(), rest), (0, vec![]), "an end, not a reset");
        let code = content.first_chunk().copied();
        code.map(u16::from_be_bytes)
    }

    /// Kind and content of a short frame.
    fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let mut content = vec![0; head[1].into()];
        self.stream.read_exact(&mut content).unwrap();
        (head[0] & 0x0f, content)
    }
}

/// The origin must be the one that the browser sees: scheme, host and port.
#[test]
fn a_websocket_is_for_pages_of_the_site() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--trusted-proxy=127.0.0.1",
        "--virtual-host=shown.test/guides",
        "--demo",
    ];
    let site = Running::start(folder.path(), &flags);
    let proxied =
        "x-forwarded-proto: https\r\nx-forwarded-host: example.org\r\nx-forwarded-prefix: /app\r\n";
    let plain = "x-forwarded-proto: http\r\nx-forwarded-host: example.org:8080\r\n";
    let shown = "x-forwarded-host: shown.test\r\n";
    let cases = [
        (proxied, "origin: https://example.org\r\n", 101),
        (proxied, "origin: HTTPS://Example.org\r\n", 101),
        (proxied, "", 101),
        (proxied, "origin: http://example.org\r\n", 403),
        (proxied, "origin: https://example.org:8443\r\n", 403),
        (proxied, "origin: https://example.org.evil.example\r\n", 403),
        (proxied, "origin: https://evil.example\r\n", 403),
        (proxied, "origin: http://localhost\r\n", 403),
        (proxied, "origin: null\r\n", 403),
        (
            proxied,
            "origin: https://example.org\r\norigin: https://evil.example\r\n",
            403,
        ),
        (plain, "origin: http://example.org:8080\r\n", 101),
        (plain, "origin: http://example.org\r\n", 403),
        (shown, "origin: http://shown.test\r\n", 101),
        (shown, "origin: http://localhost\r\n", 403),
        ("", "origin: http://localhost\r\n", 101),
        ("", "origin: https://test\r\n", 403),
    ];
    for (proxy, origin, status) in cases {
        let head = Socket::open(&site, &format!("{proxy}{origin}")).head;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{proxy}{origin}: {head}"
        );
    }
    site.end_well();
}

#[test]
fn a_websocket_echoes_until_the_site_goes_down() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[]);
    let mut socket = Socket::open(&site, "origin: http://localhost\r\n");
    assert!(socket.head.starts_with("HTTP/1.1 101 "), "{}", socket.head);
    socket.send(1, b"hello");
    assert_eq!(socket.hear(), (1, b"hello".to_vec()));
    let mut large = Socket::open(&site, "");
    large.send(2, &[0; (64 << 10) + 1]);
    assert_eq!(large.hear().1[..2], 1009_u16.to_be_bytes());
    assert!(
        Socket::open(&site, "origin: http://evil.example\r\n")
            .head
            .starts_with("HTTP/1.1 403 ")
    );
    site.signal("-TERM");
    let (kind, reason) = socket.hear();
    assert_eq!((kind, &reason[..2]), (8, &1001_u16.to_be_bytes()[..]));
    socket.send(8, &reason[..2]);
    let (code, said) = site.end();
    assert_eq!(code, Some(0), "{said}");
}

/// The server's deadlines end with the upgrade, and those of the route begin.
#[test]
fn websocket_stays_open_while_its_peer_answers_pings() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(
        folder.path(),
        &[
            "--idle-timeout=200ms",
            "--head-timeout=200ms",
            "--drain=50ms",
        ],
    );
    let mut alive = Socket::open(&site, "");
    let mut silent = Socket::open(&site, "");
    for _ in 0..4 {
        assert_eq!(alive.hear(), (9, vec![]));
        alive.send(10, &[]);
    }
    assert_eq!(silent.hear(), (9, vec![]));
    let (kind, reason) = silent.hear();
    assert_eq!((kind, &reason[..2]), (8, &1001_u16.to_be_bytes()[..]));
    silent.send(8, &reason[..2]);
    drop(silent);
    site.counts("euryale_sockets_open", 1);
    alive.send(1, b"hello");
    while alive.hear() != (1, b"hello".to_vec()) {}

    // A peer that does not answer the Close gets the time of the drain, and is then named.
    site.signal("-TERM");
    let (code, said) = site.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("cut method=GET path=\"/@@echo\" phase=\"upgraded\""),
        "{said}"
    );
}

#[test]
fn a_websocket_that_reads_nothing_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--write-timeout=200ms"]);
    let mut socket = Socket::open(&site, "");
    socket
        .stream
        .get_ref()
        .set_write_timeout(Some(PATIENCE))
        .unwrap();
    let message = [
        &[0x82, 0xff],
        &(60_u64 << 10).to_be_bytes()[..],
        &[0; 4],
        &[0; 60 << 10],
    ]
    .concat();
    // Sends until the site is gone: the site reads no more than it can write.
    while socket.stream.get_mut().write_all(&message).is_ok() {}
    site.counts("euryale_sockets_open", 0);
    site.end_well();
}

/// RFC 6455 §5.5.1: with the code that it gave.
#[test]
fn close_of_a_websocket_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[]);
    let cases: [(&[u8], _); 5] = [
        (&[], None),
        (&[0x03, 0xe8], Some(1000)),
        (b"\x0b\xb8with a reason", Some(3000)),
        // Codes and reasons that must not be sent (§7.4, §5.5.1).
        (&[0x03, 0xed], Some(1002)),
        (&[0x03, 0xe8, 0xff], Some(1007)),
    ];
    for (content, code) in cases {
        let mut socket = Socket::open(&site, "");
        socket.send(1, b"hello");
        assert_eq!(socket.hear(), (1, b"hello".to_vec()));
        socket.send(8, content);
        assert_eq!(socket.hear_close(), code, "{content:?}");
    }
    site.counts("euryale_sockets_open", 0);
    site.end_well();
}

#[test]
fn websocket_closes_with_the_code_of_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[]);
    let masked = |first: u8, content: &[u8]| {
        let length = 0x80 | u8::try_from(content.len()).unwrap();
        [&[first, length, 0, 0, 0, 0], content].concat()
    };
    let too_big = [&[0x82, 0xff], &65_537_u64.to_be_bytes()[..], &[0; 4]].concat();
    let cases = [
        ("a reserved bit", masked(0xc1, b"a"), 1002),
        ("a reserved kind", masked(0x83, b"a"), 1002),
        ("no mask", b"\x81\x01a".to_vec(), 1002),
        ("a control frame in parts", masked(0x09, b"a"), 1002),
        (
            "a long control frame",
            [&[0x89, 0xfe, 0, 126], &[0; 130][..]].concat(),
            1002,
        ),
        ("the end of nothing", masked(0x80, b"a"), 1002),
        ("a text that is not UTF-8", masked(0x81, b"\xff"), 1007),
        ("too big a frame", too_big, 1009),
    ];
    for (what, frame, code) in cases {
        let mut socket = Socket::open(&site, "");
        socket.send_raw(&frame);
        // It is still sending.
        socket.send(1, &[b'x'; 30_000]);
        assert_eq!(socket.hear_close(), Some(code), "{what}");
    }
    let mut parts = Socket::open(&site, "");
    for first in [0x01, 0x00, 0x80] {
        let length = 30_000_u16.to_be_bytes();
        let head = [first, 0xfe, length[0], length[1], 0, 0, 0, 0];
        parts.send_raw(&[&head, &[b'x'; 30_000][..]].concat());
    }
    assert_eq!(parts.hear_close(), Some(1009), "too big a message");
    drop(parts);
    site.counts("euryale_sockets_open", 0);
    site.end_well();
}

/// RFC 6455 §4.2.1 and §4.4.
#[test]
fn handshake_with_a_wrong_version_or_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[]);
    let field = |version: &str, key: &str| {
        format!("sec-websocket-version: {version}\r\nsec-websocket-key: {key}\r\n")
    };
    assert!(
        Socket::ask(&site, &field("13", KEY))
            .head
            .starts_with("HTTP/1.1 101 ")
    );
    for version in ["12", "14", "13, 8", ""] {
        let head = Socket::ask(&site, &field(version, KEY)).head;
        assert!(head.starts_with("HTTP/1.1 426 "), "{version}: {head}");
        assert!(head.contains("\r\nsec-websocket-version: 13\r\n"), "{head}");
    }
    for key in [
        "",
        "YWI=",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZ!==",
        "MTIzNDU2Nzg5MDEyMzQ1Njc=",
    ] {
        let head = Socket::ask(&site, &field("13", key)).head;
        assert!(head.starts_with("HTTP/1.1 400 "), "{key}: {head}");
    }
    site.end_well();
}

#[test]
fn idle_websocket_costs_at_most_16_kb() {
    const COUNT: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[]);
    let open = |count: usize| {
        let sockets = std::iter::repeat_with(|| Socket::open(&site, "")).take(count);
        sockets.collect::<Vec<_>>()
    };
    let first = open(100);
    let before = site.resident();
    let more = open(COUNT);
    site.counts("euryale_sockets_open", 100 + COUNT);
    let each = site.resident().saturating_sub(before) / COUNT as u64;
    assert!(each <= 16 << 10, "{each} bytes");
    drop((first, more));
    site.counts("euryale_sockets_open", 0);
    site.end_well();
}
