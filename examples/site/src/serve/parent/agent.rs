//! The agent for HAProxy, which adds up what the processes report.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use euryale::body::Reserve;
use euryale_admin::Relay;
use euryale_agent_check::{AgentCheck, Load, Standing};
use euryale_server::Shutdown;
use serde_json::Value as Json;
use tokio::net::TcpListener;

use crate::serve::health::LOAD;
use crate::serve::operators;

/// How often the processes are asked. It is well below the interval of HAProxy's checks.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Answers checks until the future is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    reserve: Reserve,
    relay: Relay,
    number: usize,
    shutdown: Shutdown,
) {
    let latest = Arc::new(Mutex::new(sum(&[], number)));
    let shown = Arc::clone(&latest);
    let check = AgentCheck::asking(move || {
        let load = *shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shutdown.is_draining() {
            return Load {
                standing: Standing::Draining,
                ..load
            };
        }
        load
    });
    let asking = async {
        let mut ticks = tokio::time::interval(ASK_EVERY);
        loop {
            ticks.tick().await;
            let reports: Vec<Json> = relay
                .ask(LOAD)
                .await
                .iter()
                .filter_map(|(_, text)| serde_json::from_str(text).ok())
                .collect();
            let load = sum(&reports, number);
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = load;
        }
    };
    tokio::join!(operators::check(check, listener, reserve), asking);
}

/// What the processes can take together. A process that does not answer counts as having only stuck
/// workers.
fn sum(reports: &[Json], number: usize) -> Load {
    let ready = || {
        reports
            .iter()
            .filter(|report| report["standing"] == "ready")
    };
    let each =
        |key: &'static str| ready().map(move |report| report[key].as_u64().unwrap_or_default());
    let count = |key| usize::try_from(each(key).sum::<u64>()).unwrap_or(usize::MAX);
    let time = |millis: Option<u64>| Duration::from_millis(millis.unwrap_or_default());
    let serving = ready().count();
    let workers = count("workers");
    let missing = (workers * number.saturating_sub(serving)).checked_div(serving);
    Load {
        standing: if serving == 0 {
            Standing::Down
        } else {
            Standing::Ready
        },
        workers: workers + missing.unwrap_or_default(),
        busy: count("busy") + missing.unwrap_or_default(),
        stuck: count("stuck") + missing.unwrap_or_default(),
        last_taken: time(each("last_taken_ms").min()),
        queued: count("queued"),
        oldest_wait: time(each("oldest_wait_ms").max()),
        capacity: count("capacity"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use euryale_agent_check::{Answer, Standing};
    use serde_json::json;

    use super::sum;

    #[test]
    fn loads_are_added_up_and_a_missing_process_lowers_the_weight() {
        let report = |busy: u64, wait: u64| {
            json!({
                "standing": "ready", "workers": 2, "busy": busy, "stuck": 0, "last_taken_ms": 5,
                "queued": wait, "oldest_wait_ms": wait, "capacity": 100,
            })
        };
        let both = sum(&[report(1, 0), report(2, 30)], 2);
        assert_eq!((both.workers, both.busy, both.capacity), (4, 3, 200));
        assert_eq!(both.oldest_wait, Duration::from_millis(30));
        let patience = Duration::from_secs(2);
        let half = Answer::of(&sum(&[report(0, 0)], 2), patience);
        assert_eq!(half.to_string(), "up ready 50% maxconn:100");
        let draining = json!({"standing": "draining"});
        assert_eq!(sum(&[draining], 2).standing, Standing::Down);
    }
}
