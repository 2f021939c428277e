//! Downloads that are discarded in the kernel: with `MSG_TRUNC`, TCP takes bytes from its queue
//! without a copy (tcp(7)), so the client costs less than what it measures.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::figures::{Figures, figures, milliseconds};
use super::http::{get, read_head};
use super::target::Target;
use crate::scene::blob_name;

/// The number of bytes that are read at a time. Nothing is ever written to the buffer.
const PIECE: usize = 1 << 20;

/// Seconds until the first byte of each answer.
type FirstBytes = Vec<f64>;

pub(super) fn run(
    target: &Target,
    requests: u64,
    sockets: usize,
    length: u64,
    keep_alive: bool,
) -> Result<Figures> {
    let asked = AtomicU64::new(0);
    let began = Instant::now();
    let first_bytes: Result<Vec<FirstBytes>> = thread::scope(|scope| {
        let drain = || drain(target, &asked, requests, length, keep_alive);
        let threads: Vec<_> = (0..sockets).map(|_| scope.spawn(drain)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Result<FirstBytes>>| thread.join();
        let drained: Vec<_> = threads.into_iter().map(join).collect();
        drained
            .into_iter()
            .map(|result| result.ok().context("a thread of the client panicked")?)
            .collect()
    });
    let first_bytes = first_bytes?;
    let seconds = began.elapsed().as_secs_f64();
    let all = || first_bytes.iter().flatten().copied();
    Ok(figures([
        ("requests", requests as f64),
        ("bytes", (requests * length) as f64),
        ("seconds", seconds),
        (
            "first_byte_mean_ms",
            milliseconds(all().sum::<f64>() / requests as f64),
        ),
        ("first_byte_max_ms", milliseconds(all().fold(0.0, f64::max))),
    ]))
}

/// One socket's share.
fn drain(
    target: &Target,
    asked: &AtomicU64,
    requests: u64,
    length: u64,
    keep_alive: bool,
) -> Result<FirstBytes> {
    let request = get(&format!("/{}", blob_name(length)), target.to);
    // Zeroed memory that is never touched, so the system does not even allocate its pages.
    let mut nowhere = vec![0; PIECE];
    let mut first_bytes = Vec::new();
    let mut socket = None;
    while asked.fetch_add(1, Ordering::Relaxed) < requests {
        // A new socket is part of the time until the first byte.
        let began = Instant::now();
        let mut stream = match socket.take() {
            Some(stream) => stream,
            None => target.connect()?,
        };
        stream.write_all(request.as_bytes()).context("asking")?;
        let mut received = Vec::new();
        let head = read_head(&mut stream, &mut received)?;
        first_bytes.push(began.elapsed().as_secs_f64());
        ensure!(
            head.length == length,
            "announced {} bytes and not {length}",
            head.length
        );
        let left = length
            .checked_sub(received.len() as u64)
            .context("sent more than announced")?;
        discard(&stream, left, &mut nowhere).with_context(|| format!("of {length} bytes"))?;
        if keep_alive && !head.closes {
            socket = Some(stream);
        }
    }
    Ok(first_bytes)
}

fn discard(stream: &TcpStream, length: u64, nowhere: &mut [u8]) -> Result<()> {
    let mut left = length;
    while left > 0 {
        let most = left.min(nowhere.len() as u64) as usize;
        match recv(stream, &mut nowhere[..most], RecvFlags::TRUNC) {
            Ok((_, 0)) => anyhow::bail!("truncated: {left} are missing"),
            Ok((_, count)) => left -= count as u64,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error).with_context(|| format!("{left} are missing")),
        }
    }
    Ok(())
}
