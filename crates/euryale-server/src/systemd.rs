//! Sockets from systemd, and notifications to systemd.
//!
//! Each function does nothing if the program was not started by systemd. Other supervisors can use
//! the same protocol: sockets starting at descriptor 3, and datagrams to a socket.

use std::io;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::net::{TcpListener, UnixListener};
use tokio::time::MissedTickBehavior;

use crate::{Listener, Readiness, Shutdown};

/// Returns the TCP and Unix sockets of the unit's `.socket` (socket activation,
/// `sd_listen_fds(3)`). They stay open while the service starts and restarts, so peers wait and are
/// not refused. Each has the name from `FileDescriptorName=`, or else the name of its unit; without
/// `LISTEN_FDNAMES` the name is empty.
///
/// # Errors
///
/// One of the sockets is not a listening stream socket.
///
/// # Panics
///
/// If called outside a tokio runtime, or in one without an I/O driver.
pub fn listeners() -> io::Result<Vec<(String, Listener)>> {
    // The names are in the order of the sockets.
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').map(str::to_owned);
    let mut given = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..given.len() {
        let name = names.next().unwrap_or_default();
        let Some(listener) = one(&mut given, index)? else {
            continue;
        };
        #[cfg(feature = "supervise")]
        let (name, listener) = crate::supervise::as_child(name, listener)?;
        listeners.push((name, listener));
    }
    Ok(listeners)
}

fn one(given: &mut ListenFd, index: usize) -> io::Result<Option<Listener>> {
    // Other kinds of sockets are left alone.
    if let Ok(Some(tcp)) = given.take_tcp_listener(index) {
        tcp.set_nonblocking(true)?;
        let listener = Listener::from(TcpListener::from_std(tcp)?);
        return Ok(Some(listener.inherited()));
    }
    let Some(unix) = given.take_unix_listener(index)? else {
        return Ok(None);
    };
    unix.set_nonblocking(true)?;
    let listener = Listener::from(UnixListener::from_std(unix)?);
    Ok(Some(listener.inherited()))
}

/// Sends `READY=1` once `readiness` is ready, `STOPPING=1` when the drain begins, and between the
/// two `WATCHDOG=1` as often as the unit's `WatchdogSec=` requires (`sd_notify(3)`). Run it as a
/// task beside the server: if all of the runtime's threads are stuck, the watchdog gets no message.
///
/// It announces that the drain takes as long as `drain`, so that `TimeoutStopSec=` need not be as
/// long.
pub async fn notify(readiness: Readiness, shutdown: Shutdown, drain: Duration) {
    notify_while(readiness, shutdown, drain, || true).await;
}

/// Like [`notify`], but sends `WATCHDOG=1` only while `is_alive` returns `true`: for programs that
/// can be stuck although the runtime is not.
///
/// `is_alive` is called on a runtime thread, twice in each `WatchdogSec=`: read a flag that
/// something else keeps up to date.
pub async fn notify_while(
    readiness: Readiness,
    shutdown: Shutdown,
    drain: Duration,
    is_alive: impl Fn() -> bool + Send,
) {
    const LOOK: Duration = Duration::from_millis(20);
    while !readiness.is_ready() && !shutdown.is_draining() {
        tokio::time::sleep(LOOK).await;
    }
    if !shutdown.is_draining() {
        say(&[NotifyState::Ready]);
    }
    tokio::select! {
        () = shutdown.draining() => {}
        () = feed_watchdog(is_alive) => {}
    }
    stopping(drain);
}

/// Reports that the drain begins, and how long it may take.
pub(crate) fn stopping(drain: Duration) {
    // The extra time is for the work after the sockets have ended.
    let micros = drain.saturating_add(Duration::from_secs(2)).as_micros();
    say(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(u32::try_from(micros).unwrap_or(u32::MAX)),
    ]);
}

/// Reports that a service of several processes is ready, or ready again.
#[cfg(feature = "supervise")]
pub(crate) fn ready(status: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Reports that the service is being reloaded, until it is [`ready`] again. `Type=notify-reload`
/// requires the time.
#[cfg(feature = "supervise")]
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "could not notify the supervisor"),
    }
}

/// Returns the time of `WatchdogSec=`, if systemd watches this process.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

pub(crate) async fn feed_watchdog(is_alive: impl Fn() -> bool) {
    let Some(limit) = watchdog() else {
        return std::future::pending().await;
    };
    let mut ticks = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if is_alive() {
            say(&[NotifyState::Watchdog]);
        }
    }
}

fn say(state: &[NotifyState<'_>]) {
    let Err(error) = sd_notify::notify(state) else {
        return;
    };
    // A killed parent cannot report its end.
    #[cfg(feature = "supervise")]
    if crate::supervise::is_child() {
        tracing::debug!(%error, "could not notify the parent");
        return;
    }
    tracing::warn!(%error, "could not notify the supervisor");
}
