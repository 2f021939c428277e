//! Tells HAProxy how much a node can take: by its agent check, over TCP.
//!
//! It runs beside the stack, reads the status of the pool, and needs neither a worker nor a
//! connection.
//!
//! A balancer sees connections, not workers. It cannot know that a node with fifty downloads has
//! every worker free, nor that one with two requests has none, and `maxconn` at the number of
//! workers makes downloads block pages. With an agent the node says itself what it can take, as
//! often as it is asked:
//!
//! ```text
//! balance random(2)
//! server a 10.0.0.7:8080 check weight 100 agent-check agent-port 8082 agent-inter 250ms
//! ```
//!
//! `leastconn` would not do: it ignores the weight of a server that has no request from HAProxy,
//! and counts downloads as load.
//!
//! | it says | when |
//! |---|---|
//! | `up ready 75% maxconn:20000` | share of its weight, requests it can hold ([`Answer::of`]) |
//! | `up ready 1% maxconn:20000` | every worker is busy: a request would wait here |
//! | `down #why` | it is not ready, or every worker is stuck |
//! | `drain` | it is about to end: no new ones, those that are there may finish |
//! | `maint` | it was taken out on purpose |
//!
//! `ready` takes back `drain` and `maint` when the node is there again. It also takes back those
//! that somebody set by HAProxy's own console: take a node out where its agent is switched off
//! (`disable agent`), or in the node.
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
//! For other balancers there is [`Resume`]: the same as JSON, and how fast requests of each class
//! are answered here.
//!
//! # Behind a proxy
//!
//! It is for the balancer only: bind it to loopback or a private network. It says how busy the node
//! is to whoever connects. HAProxy's `maxconn` of a server is per process of HAProxy.
//!
//! It replaces, from Zope: the ICP server by which Squid and Pound found a free instance, and
//! `zc.resumelb`'s reports.
//!
//! # Cancellation
//!
//! When the future of [`AgentCheck::serve`] is dropped the listener is closed. Lines that are under
//! way are sent.
//!
//! # Backpressure
//!
//! At most 64 peers at a time, each for at most a second; more are closed at once.
//!
//! # Errors
//!
//! None: a check that cannot be answered is a line of the log, at `debug`.
//!
//! # Panics
//!
//! A panic of the closures that it asks ends it.

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
