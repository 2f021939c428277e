//! The same client for tests without a runtime.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::answer::Answer;
use super::raw::RawClient;

/// A [`RawClient`] for code that blocks. It must not be dropped in a runtime.
#[derive(Debug)]
pub struct BlockingClient {
    client: RawClient,
    patience: Duration,
    // Dropped after its socket.
    runtime: Runtime,
}

impl BlockingClient {
    /// Connects. Each step of the client fails with `TimedOut` after `patience`.
    ///
    /// # Errors
    /// The system's.
    pub fn connect(to: SocketAddr, patience: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = within(&runtime, patience, RawClient::connect(to))?;
        Ok(Self {
            client,
            patience,
            runtime,
        })
    }

    /// See [`RawClient::send`].
    ///
    /// # Errors
    /// The system's, or `TimedOut`.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within(&self.runtime, self.patience, self.client.send(bytes))
    }

    /// See [`RawClient::read_answer`].
    ///
    /// # Errors
    /// The system's, `TimedOut`, or what is wrong with the response.
    pub fn read_answer(&mut self, head_only: bool) -> io::Result<Answer> {
        let step = self.client.read_answer(head_only);
        within(&self.runtime, self.patience, step)
    }
}

fn within<T>(
    runtime: &Runtime,
    patience: Duration,
    step: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    // The timer can only be used in the runtime.
    runtime.block_on(async { timeout(patience, step).await? })
}
