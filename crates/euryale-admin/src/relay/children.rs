//! The pages and the agent of the parent of several processes.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use euryale_agent_check::{AgentCheck, Load, Standing};
use euryale_server::Shutdown;
use euryale_server::supervise::{ChildStatus, Children};
use tokio::time::timeout;

use super::{Relay, RelayedProcess};
use crate::admin::Admin;

/// The path at which a child reports its load.
const LOAD: &str = "/-/load";

/// The time after which the children are asked again. It is well below the interval of HAProxy's
/// checks.
const ASK_EVERY: Duration = Duration::from_millis(100);

impl Relay {
    /// Creates the pages for the children of a [`Supervisor`], which has a [private socket] for
    /// each of them. They are not ready once `shutdown` drains.
    ///
    /// [`Supervisor`]: euryale_server::supervise::Supervisor
    /// [private socket]: euryale_server::supervise::Supervisor::private_socket
    #[must_use]
    pub fn for_children(children: &Children, shutdown: &Shutdown) -> Self {
        let listed = children.clone();
        let processes = move || {
            let children = listed.list().into_iter();
            let relayed = children.filter_map(|child| {
                Some(RelayedProcess {
                    process: child.process,
                    pid: child.pid,
                    is_ready: child.is_ready,
                    socket: child.socket?,
                })
            });
            relayed.collect()
        };
        Self {
            children: Some(children.clone()),
            ..Self::new(processes, shutdown)
        }
    }

    /// Returns the agent for HAProxy, which adds up the [loads](Admin::load) of `number` processes,
    /// and a future that keeps its numbers current: run it as long as the agent answers. A process
    /// counts as soon as it is ready.
    pub fn agent(&self, number: usize) -> (AgentCheck, impl Future<Output = ()> + Send + use<>) {
        let none: [&str; 0] = [];
        let latest = Arc::new(Mutex::new(Load::of_processes(none, number)));
        let shown = Arc::clone(&latest);
        let shutdown = self.shutdown.clone();
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
        let relay = self.clone();
        let asking = async move {
            loop {
                let known = relay.children.as_ref().map(Children::list);
                let known = ready(&known.unwrap_or_default());
                let reports = relay.ask(LOAD).await;
                let reports = reports.iter().map(|(_, report)| report);
                let load = Load::of_processes(reports, number);
                *latest.lock().unwrap_or_else(PoisonError::into_inner) = load;
                let _ = timeout(ASK_EVERY, relay.changed(&known)).await;
            }
        };
        (check, asking)
    }

    /// Resolves when other processes than `known` are ready, if a supervisor runs them.
    async fn changed(&self, known: &[u32]) {
        match &self.children {
            Some(children) => children.until(|list| ready(list) != known).await,
            None => pending().await,
        }
    }
}

/// Returns the ids of the processes that are ready.
fn ready(list: &[ChildStatus]) -> Vec<u32> {
    let ready = list.iter().filter(|child| child.is_ready);
    ready.map(|child| child.pid).collect()
}

impl Admin {
    /// Reports the load of this process to its parent, for the parent's [agent](Relay::agent).
    /// `load` is called on a runtime thread, and must not block.
    #[must_use]
    pub fn load(self, load: impl Fn() -> Load + Send + Sync + 'static) -> Self {
        self.report(LOAD, move || load().report())
    }
}
