//! `site healthcheck`: asks whether the site with these settings is ready. For containers that have
//! no other program.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::error::StartError;

/// The time limit for each step. A site that answers later is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks for `/readyz`.
pub(crate) fn run(admin: SocketAddr) -> Result<ExitCode, StartError> {
    let address = reachable(admin);
    match ask(address) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Err(StartError::new(
            "the site is not ready",
            address,
            "wait, or see its log",
        )),
        Err(error) => {
            let what = format!("the site cannot be reached: {error}");
            Err(StartError::new(
                what,
                address,
                "start it, or choose its address with --admin",
            ))
        }
    }
}

/// A site that listens on every address is queried on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn ask(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(answer == *b"HTTP/1.1 200")
}
