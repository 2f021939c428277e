//! Ports for programs that cannot be told to take any.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Linux chooses from 32,768 on, for port 0 and for sockets that connect
/// (`net.ipv4.ip_local_port_range`); other systems choose higher.
const PORTS: std::ops::Range<u16> = 20_000..32_768;

/// Returns a port of 127.0.0.1 that nobody has now, for a program that needs its number beforehand.
///
/// It is below the ports that the kernel gives to anyone, so no other program gets it by chance
/// before it is used.
///
/// # Panics
/// If none of a thousand ports is free.
#[must_use]
pub fn free_port() -> u16 {
    let width = u64::from(PORTS.end - PORTS.start);
    let random = || RandomState::new().build_hasher().finish() % width;
    let ports = (0..1000).filter_map(|_| u16::try_from(random()).ok());
    ports
        .map(|offset| PORTS.start + offset)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port on 127.0.0.1")
}
