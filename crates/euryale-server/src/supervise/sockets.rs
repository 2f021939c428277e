//! The sockets that children inherit.

use std::os::fd::OwnedFd;

#[cfg(target_os = "linux")]
use super::spread::spread;
use super::start::BACKUP;

/// The listeners of all children.
#[derive(Debug, Default)]
pub(super) struct Sockets(Vec<Listening>);

/// The sockets of one listener: one for all places, or one for each.
#[derive(Debug)]
struct Listening {
    name: String,
    sockets: Vec<OwnedFd>,
    is_to_spread: bool,
}

impl Sockets {
    /// Adds a socket. If it `is_to_spread`, it is one of a TCP address.
    pub(super) fn add(&mut self, name: String, socket: OwnedFd, is_to_spread: bool) {
        self.0.push(Listening {
            name,
            sockets: vec![socket],
            is_to_spread,
        });
    }

    /// Gives each of the `places` a socket of its own where that is possible.
    pub(super) fn spread(&mut self, places: usize) {
        for listener in self.0.iter_mut().filter(|listener| listener.is_to_spread) {
            match spread(&listener.sockets[0], places) {
                Ok(sockets) => listener.sockets.extend(sockets),
                // For example, the program may no longer be privileged to bind the port.
                Err(error) => tracing::info!(
                    %error,
                    listener = listener.name,
                    "all processes share one socket, so some may get many more peers than others"
                ),
            }
        }
    }

    /// Returns the sockets of the child in `place`, with their names: those from which it accepts,
    /// then `private`, and then those of the other places.
    pub(super) fn of_place<'a>(
        &'a self,
        place: usize,
        private: Option<(&str, &'a OwnedFd)>,
    ) -> Vec<(String, &'a OwnedFd)> {
        let mut own = Vec::new();
        let mut others = Vec::new();
        for Listening { name, sockets, .. } in &self.0 {
            for (index, socket) in sockets.iter().enumerate() {
                if index == place % sockets.len() {
                    own.push((name.clone(), socket));
                } else {
                    others.push((format!("{name}{BACKUP}"), socket));
                }
            }
        }
        own.extend(private.map(|(name, socket)| (name.to_owned(), socket)));
        own.extend(others);
        own
    }
}

/// Other systems do not spread peers over the sockets of an address.
#[cfg(not(target_os = "linux"))]
fn spread(_: &OwnedFd, _: usize) -> std::io::Result<Vec<OwnedFd>> {
    Ok(Vec::new())
}
