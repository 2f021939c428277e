//! The endings of sockets.

use euryale_core::ledger::Counter;

use crate::Sockets;

/// The way in which a socket ended: the reasons of `euryale_sockets_closed_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ending {
    Finished,
    Idle,
    Failed,
    Malformed,
    HeadTooLarge,
    /// The target is too long. It is counted with the heads that are too large.
    TargetTooLong,
    Silent,
    HeadElapsed,
    BodyElapsed,
    Stalled,
    Flood,
    Handshake,
    Proxy,
    Refused,
    Cut,
}

impl Ending {
    const ALL: [Self; 15] = [
        Self::Finished,
        Self::Idle,
        Self::Failed,
        Self::Malformed,
        Self::HeadTooLarge,
        Self::TargetTooLong,
        Self::Silent,
        Self::HeadElapsed,
        Self::BodyElapsed,
        Self::Stalled,
        Self::Flood,
        Self::Handshake,
        Self::Proxy,
        Self::Refused,
        Self::Cut,
    ];

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| *ending as u8 == number)
    }

    pub(super) fn counter(self, sockets: &Sockets) -> &Counter {
        match self {
            Self::Finished => &sockets.finished,
            Self::Idle => &sockets.idle,
            Self::Failed => &sockets.failed,
            Self::Malformed => &sockets.malformed,
            Self::HeadTooLarge | Self::TargetTooLong => &sockets.head_too_large,
            Self::Silent => &sockets.silent,
            Self::HeadElapsed => &sockets.head_elapsed,
            Self::BodyElapsed => &sockets.body_elapsed,
            Self::Stalled => &sockets.stalled,
            Self::Flood => &sockets.flood,
            Self::Handshake => &sockets.handshake,
            Self::Proxy => &sockets.proxy,
            Self::Refused => &sockets.refused,
            Self::Cut => &sockets.cut,
        }
    }
}
