//! The load: what is sent to a server, by a separate process, so that its CPU time is separate.
//!
//! Throughput of pages is measured with `wrk`, HTTP/2 with `h2load`, TLS with `curl`, and
//! everything else with clients of this program that are lighter than the servers. A client prints
//! its observations as JSON on standard output. It fails unless all answers are good.

mod beside;
mod burst;
mod cold;
mod conflicts;
pub(crate) mod curl;
mod drain;
mod figures;
pub(crate) mod h2load;
mod http;
mod idle;
mod metrics;
mod probe;
mod program;
mod siege;
mod stall;
mod suspended;
mod target;
mod upload;
pub(crate) mod wrk;

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

pub(crate) use self::figures::Figures;
use self::figures::milliseconds;
pub(crate) use self::http::{Body, check};
pub(crate) use self::program::{Asks, Program};
pub(crate) use self::target::Target;
#[cfg(test)]
pub(crate) use self::{http::head, metrics::Buckets};
use crate::children::{self, Running, finish};
use crate::peers::{Server, own};
use crate::scene::Wire;

/// The kind of load.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Load {
    /// What another program does.
    By(Program),
    /// All sockets connect first. Then all request `/` at once; when all have their answer, they
    /// repeat that `rounds` times.
    Burst { sockets: usize, rounds: usize },
    /// Downloads of the blob of this length, discarded in the kernel.
    Drain {
        requests: u64,
        sockets: usize,
        length: u64,
        /// Whether a socket is used for one download after the other.
        keep_alive: bool,
    },
    /// Downloads of which only the head is read, and probes of `/` before and during them.
    Stall {
        downloads: usize,
        length: u64,
        probes: usize,
    },
    /// Downloads of as many files that are not in the page cache, each a byte longer than the last,
    /// and probes of `/` before and during them.
    Cold {
        downloads: u64,
        length: u64,
        probes: usize,
    },
    /// Downloads of the blob of this length at 1 MB/s and uploads at 40 kB/s. `/page` is probed
    /// before and beside them.
    Beside {
        downloads: usize,
        length: u64,
        uploads: usize,
        probes: usize,
    },
    /// Clients that ask for `/count` for this time, each again and again, beside probes of `/`. The
    /// sum of their answers is compared with `/value`.
    Conflicts {
        clients: usize,
        seconds: u32,
        probes: usize,
    },
    /// Uploads at full speed.
    Upload { sockets: usize, length: u64 },
    /// Uploads that take this many seconds, and probes of `/` during them.
    Trickle {
        sockets: usize,
        length: u64,
        seconds: u32,
        probes: usize,
    },
    /// Requests for `/suspended` that wait for one promise, until `/release` resolves it.
    Suspended { sockets: usize },
    /// Sockets that request `/` once and then stay open.
    Idle { sockets: usize },
    /// This many heads that are sent a byte at a time, and sockets that requested `/` once; probes
    /// of `/` before and during that.
    Siege {
        heads: usize,
        sockets: usize,
        probes: usize,
    },
}

impl Load {
    /// The description for people.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::By(program) => program.sentence(),
            Self::Burst { sockets, rounds: 1 } => format!("{sockets} requests, sent at once"),
            Self::Burst { sockets, rounds } => {
                format!("{sockets} requests, sent at once, {rounds} times")
            }
            Self::Drain {
                requests,
                sockets,
                length,
                keep_alive,
            } => {
                let each = if *keep_alive {
                    ""
                } else {
                    ", each on a new one"
                };
                format!(
                    "{requests} downloads of {length} bytes on {sockets} sockets{each}, discarded \
                        in the kernel"
                )
            }
            Self::Stall {
                downloads,
                length,
                probes,
            } => format!(
                "{downloads} downloads of {length} bytes of which only the head is read, and \
                    {probes} probes of a \
                 page before and meanwhile"
            ),
            Self::Cold {
                downloads,
                length,
                probes,
            } => format!(
                "{downloads} downloads of {length} bytes that are not in memory, and {probes} \
                    probes of a page \
                 before and meanwhile"
            ),
            Self::Beside {
                downloads,
                length,
                uploads,
                probes,
            } => format!(
                "{downloads} downloads of {length} bytes at 1 MB/s and {uploads} uploads at 40 \
                    kB/s; {probes} probes of a page, each on a socket of its own, before and \
                    meanwhile"
            ),
            Self::Conflicts {
                clients,
                seconds,
                probes,
            } => format!(
                "{clients} clients that add one to the same number for {seconds} s, each again and \
                    again; {probes} probes of a page meanwhile"
            ),
            Self::Upload { sockets, length } => {
                format!("{sockets} uploads of {length} bytes at a time, as fast as they go")
            }
            Self::Trickle {
                sockets,
                length,
                seconds,
                probes,
            } => format!(
                "{sockets} uploads of {length} bytes in {seconds} s each, and {probes} probes of \
                    a page meanwhile"
            ),
            Self::Suspended { sockets } => {
                format!("{sockets} requests that wait for one promise, all at the same time")
            }
            Self::Idle { sockets } => {
                format!("{sockets} keep-alive sockets, each after one request")
            }
            Self::Siege {
                heads,
                sockets,
                probes,
            } => format!(
                "{sockets} keep-alive sockets, each after one request, and {heads} heads of which \
                    a byte comes every \
                 2 s; {probes} probes of a page, each on a socket of its own, before and meanwhile"
            ),
        }
    }

    /// The lengths of the blobs that it requests.
    pub(crate) fn blobs(&self) -> Vec<u64> {
        match *self {
            Self::Drain { length, .. }
            | Self::Stall { length, .. }
            | Self::Beside { length, .. } => vec![length],
            Self::Cold {
                downloads, length, ..
            } => cold::lengths(downloads, length).collect(),
            Self::By(ref program) => program.blob().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The programs that must be installed.
    pub(crate) fn programs(&self, wire: Wire) -> impl Iterator<Item = &'static str> {
        let client = match self {
            Self::By(program) => Some(program),
            _ => None,
        };
        program::needed(client, wire)
    }

    /// Loads `server` in a process of its own, and waits for its end.
    pub(crate) fn run(&self, server: &Server, congestion: Option<&str>) -> Result<Figures> {
        if let Self::By(program) = self {
            return program.run(server);
        }
        let mut command = own(&["client", &serde_json::to_string(self)?])?;
        command.args([
            "--to",
            &server.address().to_string(),
            "--pid",
            &server.pid().to_string(),
        ]);
        if let Some(admin) = server.admin() {
            command.args(["--admin", &admin.to_string()]);
        }
        if let Some(control) = congestion {
            command.args(["--congestion", control]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (good, output, errors) = finish(Running::start(&mut command)?)?;
        if !good {
            let reason = errors
                .lines()
                .last()
                .unwrap_or("the client ended without a word");
            bail!(
                "{}",
                reason.strip_prefix("euryale-bench: ").unwrap_or(reason)
            );
        }
        serde_json::from_str(&output).context("the client's figures")
    }

    /// The client's side.
    pub(crate) fn client(&self, target: &Target) -> Result<Figures> {
        children::end_with_parent();
        let async_load = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
        };
        match self {
            Self::By(program) => bail!("{} is a program of its own", program.name()),
            Self::Drain {
                requests,
                sockets,
                length,
                keep_alive,
            } => {
                let mut figures = drain::run(target, *requests, *sockets, *length, *keep_alive)?;
                // The server is new and did nothing else, so the mean of its whole life is the mean
                // of this load.
                let held = async_load()?.block_on(metrics::publish_mean(target))?;
                figures.extend(
                    held.map(|seconds| ("publish_mean_ms".to_owned(), milliseconds(seconds))),
                );
                Ok(figures)
            }
            Self::Beside {
                downloads,
                length,
                uploads,
                probes,
            } => {
                let slow = beside::Slow {
                    downloads: *downloads,
                    length: *length,
                    uploads: *uploads,
                };
                async_load()?.block_on(beside::run(target, slow, *probes))
            }
            Self::Conflicts {
                clients,
                seconds,
                probes,
            } => async_load()?.block_on(conflicts::run(target, *clients, *seconds, *probes)),
            Self::Upload { sockets, length } => upload::run(target, *sockets, *length),
            Self::Burst { sockets, rounds } => {
                async_load()?.block_on(burst::run(target, *sockets, *rounds))
            }
            Self::Stall {
                downloads,
                length,
                probes,
            } => async_load()?.block_on(stall::run(target, *downloads, *length, *probes)),
            Self::Cold {
                downloads,
                length,
                probes,
            } => async_load()?.block_on(cold::run(target, *downloads, *length, *probes)),
            Self::Trickle {
                sockets,
                length,
                seconds,
                probes,
            } => {
                let pace = Duration::from_secs((*seconds).into());
                async_load()?.block_on(upload::trickle(target, *sockets, *length, pace, *probes))
            }
            Self::Suspended { sockets } => async_load()?.block_on(suspended::run(target, *sockets)),
            Self::Idle { sockets } => async_load()?.block_on(idle::run(target, *sockets)),
            Self::Siege {
                heads,
                sockets,
                probes,
            } => async_load()?.block_on(siege::run(target, *heads, *sockets, *probes)),
        }
    }
}
