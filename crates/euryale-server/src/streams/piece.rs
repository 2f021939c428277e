//! Bytes of a stream that hyper holds until they are written.
//!
//! h2 does not say when the data of a stream has been written to the socket. The trick, a buffer
//! that notices when h2 drops it, is from <https://github.com/hyperium/h2/issues/448>, which asks
//! for a signal. The signal would make this file unnecessary.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::Sending;

/// The piece of a body that hyper gets. An HTTP/2 stream counts it until hyper drops it, which is
/// when all of it is written to the socket, or none of it will be.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Bytes,
    sending: Option<Arc<Sending>>,
    /// The original length.
    len: usize,
}

impl Piece {
    /// Creates a piece; `sending` is the state of the stream with HTTP/2.
    pub(crate) fn new(bytes: Bytes, sending: Option<&Arc<Sending>>) -> Self {
        let len = bytes.len();
        let sending = sending.filter(|_| len > 0).cloned();
        if let Some(sending) = &sending {
            sending.is_out(len);
        }
        Self {
            bytes,
            sending,
            len,
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    // If a file is sent by sendfile(2), the address of these bytes identifies it.
    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(sending) = &self.sending {
            sending.went_on();
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(sending) = &self.sending {
            // The bytes are dropped first, so that the woken task finds the buffer free.
            self.bytes = Bytes::new();
            sending.is_back(self.len);
        }
    }
}
