//! Tells HAProxy how much load a node can take, through HAProxy's agent check over TCP.
//!
//! It runs beside the stack, reads the status of the pool, and needs neither a worker nor a
//! connection.
//!
//! A balancer sees connections, not workers. It cannot see that all workers of a node with fifty
//! downloads are free, or that a node with two requests has no worker left. A `maxconn` equal to
//! the number of workers makes downloads block pages. With an agent, the node itself reports what
//! it can take, as often as it is asked:
//!
//! ```text
//! balance random(2)
//! server a 10.0.0.7:8080 check weight 100 agent-check agent-port 8082 agent-inter 250ms
//! ```
//!
//! Do not use `leastconn`: it ignores the weight of a server that has no request from HAProxy, and
//! counts downloads as load.
//!
//! | answer | meaning |
//! |---|---|
//! | `up ready 75% maxconn:20000` | its share of the weight, and the requests that it can hold ([`Answer::of`]) |
//! | `up ready 1% maxconn:20000` | every worker is busy, so a request would wait |
//! | `down #why` | the node is not ready, or every worker is stuck |
//! | `drain` | the node is about to end: it takes no new requests and finishes the current ones |
//! | `maint` | the node was taken out of service on purpose |
//!
//! `ready` revokes `drain` and `maint` when the node is back. It also revokes those that were set
//! in HAProxy's own console. To take a node out of service there, switch off its agent
//! (`disable agent`), or do it in the node.
//!
//! ```
//! use std::time::Duration;
//!
//! use euryale_agent_check::{Answer, Load, Standing};
//!
//! let load = Load {
//!     standing: Standing::Ready,
//!     workers: 4,
//!     busy: 2,
//!     stuck: 0,
//!     last_taken: Duration::from_secs(3),
//!     queued: 0,
//!     oldest_wait: Duration::ZERO,
//!     capacity: 20_000,
//! };
//! let patience = Duration::from_secs(2);
//! assert_eq!(Answer::of(&load, patience).to_string(), "up ready 75% maxconn:20000");
//!
//! let full = Load { busy: 4, ..load };
//! assert_eq!(Answer::of(&full, patience).to_string(), "up ready 1% maxconn:20000");
//! ```
//!
//! For other balancers there is [`Resume`]: the same as JSON, with the speed at which this node
//! answers each class of requests.
//!
//! # Behind a proxy
//!
//! Bind it to loopback or a private network, because it tells everybody who connects how busy the
//! node is. In HAProxy, a server's `maxconn` applies to each HAProxy process.
//!
//! It replaces, from Zope: the ICP server with which Squid and Pound found a free instance, and
//! `zc.resumelb`'s reports.
//!
//! # Cancellation
//!
//! When the future of [`AgentCheck::serve`] is dropped, the listener is closed. Answers that have
//! been started are still sent.
//!
//! # Backpressure
//!
//! It serves at most 64 peers at a time, each for at most a second, and closes further ones at
//! once.
//!
//! # Errors
//!
//! None. A check that cannot be answered is logged at `debug`.
//!
//! # Panics
//!
//! A panic in one of its closures ends the agent.

#![forbid(unsafe_code)]

mod agent;
mod full;
mod load;
mod resume;
#[cfg(test)]
mod tests;

pub use self::agent::AgentCheck;
pub use self::load::{Answer, Load, Standing};
pub use self::resume::Resume;
