//! Limits the number of sockets of each peer.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use euryale_core::request::PeerAddr;

/// The number of sockets of each address, if it is limited.
#[derive(Clone, Debug)]
pub(crate) struct PerPeer {
    most: Arc<AtomicUsize>,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl PerPeer {
    /// Creates the limit; zero means no limit.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most: Arc::new(AtomicUsize::new(most)),
            open: Arc::default(),
        }
    }

    /// Changes the limit. Sockets that were accepted without a limit are not counted.
    pub(crate) fn allow(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Returns a place for one more socket of `peer`, or an error if it has too many.
    pub(crate) fn place(&self, peer: PeerAddr) -> Result<Option<PeerPlace>, Refused> {
        let most = self.most.load(Ordering::Relaxed);
        let Some(ip) = peer.ip().filter(|_| most > 0).map(network) else {
            return Ok(None);
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(ip).or_default();
        if *count >= most {
            return Err(Refused);
        }
        *count += 1;
        Ok(Some(PeerPlace {
            ip,
            open: Arc::clone(&self.open),
        }))
    }
}

/// The peer already has too many sockets.
#[derive(Debug)]
pub(crate) struct Refused;

/// A place, which is returned when it is dropped.
#[derive(Debug)]
pub(crate) struct PeerPlace {
    ip: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.ip);
            }
        }
    }
}

/// Returns the network that counts as one peer: a peer with one IPv6 address has all 2⁶⁴ addresses
/// of its network.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}
