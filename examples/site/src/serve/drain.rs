//! The end of the program: its sockets have ended, and the pool closes.

use std::future::Future;
use std::time::{Duration, Instant};

use euryale::Pool;
use euryale_server::{Drained, Shutdown};

use super::LOG;
use crate::store::Engine;

/// Serves until `shutdown` begins to drain, and returns whether everything ended by itself.
pub(super) async fn serve(
    serving: impl Future<Output = Drained>,
    pool: &Pool<Engine>,
    drain: Duration,
    shutdown: &Shutdown,
) -> bool {
    let began = async {
        shutdown.draining().await;
        Instant::now()
    };
    let (drained, began) = tokio::join!(serving, began);
    let closed = close(pool, drain.saturating_sub(began.elapsed()), shutdown).await;
    Drained::is_complete(&drained) && closed
}

/// A publication whose client has gone away is finished all the same: it has what is left of the
/// drain's time, unless a second signal comes.
async fn close(pool: &Pool<Engine>, left: Duration, shutdown: &Shutdown) -> bool {
    let closed = tokio::select! {
        biased;
        closed = pool.close(left) => closed,
        () = shutdown.cutting() => pool.close(Duration::ZERO).await,
    };
    if let Err(busy) = &closed {
        tracing::warn!(target: LOG, "{busy}");
        for holder in pool.status().holders {
            let route = holder.route.as_ref().map(tracing::field::display);
            tracing::warn!(
                target: LOG,
                route,
                phase = %holder.phase,
                age = ?holder.age,
                "left behind"
            );
        }
    }
    closed.is_ok()
}
