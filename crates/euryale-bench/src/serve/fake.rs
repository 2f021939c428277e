//! Servers that answer wrongly, late or not at all. The harness must report that; its own tests run
//! them.
//!
//! Bare sockets with a thread each, because a proper server library would correct their faults.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;

use crate::scene::{PAGE, Pattern};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fake {
    Sound,
    /// Every answer comes after [`DELAY`].
    Late,
    WrongPage,
    /// Blobs are wrong; the page is right.
    Corrupt,
    Truncating,
    Failing,
    FailingUnderLoad,
    Silent,
    Dying,
}

/// The delay of the late server.
pub(crate) const DELAY: Duration = Duration::from_millis(50);
/// The number of requests that a server answers correctly before it fails. The check before the
/// load makes as many.
const GOOD: u64 = 2;

const ALL: [(&str, Fake); 9] = [
    ("sound", Fake::Sound),
    ("late", Fake::Late),
    ("wrong-page", Fake::WrongPage),
    ("corrupt", Fake::Corrupt),
    ("truncating", Fake::Truncating),
    ("failing", Fake::Failing),
    ("failing-under-load", Fake::FailingUnderLoad),
    ("silent", Fake::Silent),
    ("dying", Fake::Dying),
];

pub(super) fn find(name: &str) -> Option<Fake> {
    ALL.iter()
        .find(|(found, _)| *found == name)
        .map(|(_, fake)| *fake)
}

pub(super) fn serve(listener: &TcpListener, fake: Fake) -> Result<()> {
    listener.set_nonblocking(false)?;
    let asked = Arc::new(AtomicU64::new(0));
    for stream in listener.incoming() {
        let stream = stream?;
        let asked = Arc::clone(&asked);
        std::thread::spawn(move || converse(&stream, fake, &asked));
    }
    Ok(())
}

fn converse(stream: &TcpStream, fake: Fake, asked: &AtomicU64) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(request) = lines.next() {
        let request = request?;
        for line in lines.by_ref() {
            if line?.is_empty() {
                break;
            }
        }
        let path = request.split(' ').nth(1).unwrap_or("/");
        let number = asked.fetch_add(1, Ordering::Relaxed);
        if !answer(stream, fake, path, number)? {
            break;
        }
    }
    Ok(())
}

/// `false` closes the connection.
#[expect(clippy::disallowed_methods, reason = "the delay that must be measured")]
fn answer(mut stream: &TcpStream, fake: Fake, path: &str, number: u64) -> Result<bool> {
    let late = number >= GOOD;
    let status = match fake {
        Fake::Failing => "500 Internal Server Error",
        Fake::FailingUnderLoad if late => "500 Internal Server Error",
        _ => "200 OK",
    };
    match fake {
        Fake::Silent => return Ok(false),
        Fake::Dying if late => std::process::exit(0),
        Fake::Late => std::thread::sleep(DELAY),
        _ => {}
    }
    let mut body = body(path);
    match fake {
        Fake::WrongPage => body = b"hullo".to_vec(),
        Fake::Corrupt if path != "/" => {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        _ => {}
    }
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )?;
    if fake == Fake::Truncating && late {
        stream.write_all(&body[..body.len() / 2])?;
        return Ok(false);
    }
    stream.write_all(&body)?;
    Ok(true)
}

fn body(path: &str) -> Vec<u8> {
    let length = path
        .strip_prefix("/blob-")
        .and_then(|length| length.parse().ok());
    let Some(length) = length else {
        return PAGE.as_bytes().to_vec();
    };
    let mut body = vec![0; length];
    Pattern::new().fill(&mut body);
    body
}
