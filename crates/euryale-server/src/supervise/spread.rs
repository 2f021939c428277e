//! One socket of an address for each place, so that the kernel spreads the peers evenly.
//!
//! If several processes wait at one listening socket, the kernel wakes the one that was last to
//! wait, so most peers are accepted by one or two processes. With `SO_REUSEPORT` an address has
//! several sockets, and a hash of the peer's address chooses one of them. A socket that is closed
//! loses the peers in its queue, and the parent therefore keeps all of them open: a child and its
//! replacement inherit the same socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// The length of the queue, which the kernel lowers to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Returns further sockets for the TCP address of `socket`, so that there are `count` in all.
///
/// Another program that listens at this address would have prevented `socket` from being bound.
/// From now on, processes of the same user may bind the address too.
pub(super) fn spread(socket: &OwnedFd, count: usize) -> io::Result<Vec<OwnedFd>> {
    let address: SocketAddr = rustix::net::getsockname(socket)?
        .try_into()
        .map_err(io::Error::from)?;
    sockopt::set_socket_reuseport(socket, true)?;
    (1..count).map(|_| listen(address, socket)).collect()
}

fn listen(address: SocketAddr, like: &impl AsFd) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, sockopt::ipv6_v6only(like)?)?;
    }
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}
