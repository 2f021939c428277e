//! Tells servers when to stop.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The maximum time for which a drain waits for its line in the log.
const SAYING: Duration = Duration::from_millis(100);

/// Tells servers to stop, in two steps: first to drain, then to cut. Clones are handles to the same
/// two steps.
///
/// A program keeps one and passes clones to its [`Server`](crate::Server), to
/// [`Readiness`](crate::Readiness), and to long-lived routes such as WebSockets, which should end
/// at [`draining`](Self::draining).
#[derive(Clone, Debug)]
pub struct Shutdown {
    cut: CancellationToken,
    // A child of `cut`, so that cutting also drains.
    drain: CancellationToken,
    hurry: CancellationToken,
    /// Whether requests in flight were cut.
    has_cut: CancellationToken,
}

impl Shutdown {
    /// Creates a handle with which nothing stops before [`drain`](Self::drain) or
    /// [`cut`](Self::cut) is called.
    #[must_use]
    pub fn new() -> Self {
        let cut = CancellationToken::new();
        let drain = cut.child_token();
        let hurry = cut.child_token();
        let has_cut = cut.child_token();
        Self {
            cut,
            drain,
            hurry,
            has_cut,
        }
    }

    /// Creates a handle that drains at the first SIGTERM or SIGINT, and cuts at the second. SIGINT
    /// is sent by a person who is waiting at a terminal, so it [skips](Self::drain_at_once) the
    /// lame duck.
    ///
    /// After this call these signals no longer end the process by themselves, not even a third one:
    /// after [`Server::serve`](crate::Server::serve) the program must end on its own.
    ///
    /// # Errors
    ///
    /// The signal handlers could not be installed.
    ///
    /// # Panics
    ///
    /// If called outside a tokio runtime, or in one without an I/O or time driver.
    pub fn signals() -> io::Result<Self> {
        let shutdown = Self::new();
        shutdown.obey_signals()?;
        Ok(shutdown)
    }

    /// Like [`signals`](Self::signals), for an existing handle.
    ///
    /// # Errors
    ///
    /// The signal handlers could not be installed.
    ///
    /// # Panics
    ///
    /// If called outside a tokio runtime, or in one without an I/O or time driver.
    pub fn obey_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new()?;
        let handle = self.clone();
        tokio::spawn(async move {
            let first = signals.next().await;
            // The line is logged first, so that lines are in order, and by another task, so that a
            // log that blocks or fails does not delay the signal.
            let said =
                tokio::spawn(async { tracing::info!("draining; a second signal ends the drain") });
            let _ = timeout(SAYING, said).await;
            match first {
                #[cfg(unix)]
                Signal::Terminate => handle.drain(),
                Signal::Interrupt => handle.drain_at_once(),
            }
            signals.next().await;
            handle.cut();
            tracing::warn!("second signal: ending at once");
        });
        Ok(())
    }

    /// Creates a handle that drains when `first` resolves, with a [lame
    /// duck](crate::Server::lame_duck), and cuts when `second` resolves after it.
    ///
    /// # Panics
    ///
    /// If called outside a tokio runtime.
    pub fn after<F, G>(first: F, second: G) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        G: Future<Output = ()> + Send + 'static,
    {
        let shutdown = Self::new();
        let handle = shutdown.clone();
        tokio::spawn(async move {
            first.await;
            handle.drain();
            second.await;
            handle.cut();
        });
        shutdown
    }

    /// Starts the drain with a [lame duck](crate::Server::lame_duck); requests in flight are
    /// finished.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Starts the drain without a lame duck: no new peers are accepted, and requests in flight are
    /// finished. Also ends a lame duck that has begun.
    pub fn drain_at_once(&self) {
        self.hurry.cancel();
        self.drain.cancel();
    }

    /// Ends everything at once, including requests in flight. This also starts the drain.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// Returns whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Resolves when the drain begins.
    ///
    /// During the lame duck new peers may still be accepted. A route that ends its upgraded sockets
    /// at this point should refuse new ones with 503 while [`is_draining`](Self::is_draining), or
    /// their clients would reconnect at once.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Returns whether requests in flight have been cut: by [`cut`](Self::cut), or at the
    /// [deadline](crate::Server::drain_deadline) of a server that uses this handle.
    ///
    /// A request that ends without a response because of this was not abandoned by its client.
    pub fn has_cut(&self) -> bool {
        self.has_cut.is_cancelled()
    }

    /// Records that the deadline of a server's drain has passed.
    pub(crate) fn deadline_passed(&self) {
        self.has_cut.cancel();
    }

    /// Returns whether the lame duck is to be skipped.
    #[cfg(all(feature = "supervise", unix))]
    pub(crate) fn is_hurrying(&self) -> bool {
        self.hurry.is_cancelled()
    }

    /// Resolves when the lame duck is to be skipped.
    pub(crate) async fn hurrying(&self) {
        self.hurry.cancelled().await;
    }

    /// Resolves when everything must end at once.
    pub async fn cutting(&self) {
        self.cut.cancelled().await;
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

/// The signals that end a program.
#[derive(Clone, Copy, Debug)]
enum Signal {
    /// SIGTERM, from a supervisor.
    #[cfg(unix)]
    Terminate,
    /// SIGINT, from a terminal.
    Interrupt,
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}
