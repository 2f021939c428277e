//! Health checks, metrics and a live status page for operators, as one tower service.
//!
//! It runs outside the stack, beside the server, and reads the ledger and the status of the pool.
//! No answer needs a worker, a connection or a blocking thread, so the pages work even while every
//! worker is stuck.
//!
//! ```
//! use std::time::Duration;
//!
//! use euryale_admin::{Admin, StatusDetails};
//! use euryale_connection::Pool;
//! use euryale_server::{Readiness, Server, Shutdown, Slowest};
//! use euryale_test::RawClient;
//! use tokio::net::TcpListener;
//!
//! async fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     let pool = Pool::new((), 4);
//!     let shutdown = Shutdown::new();
//!     let slowest = Slowest::new();
//!     let admin = Admin::new(&pool)
//!         .readiness(Readiness::new(&shutdown))
//!         .slowest(&slowest)
//!         .status(|| StatusDetails::new().fact("Theme", "Version", "3f2a"));
//!
//!     let operators = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = operators.local_addr()?;
//!     let server = Server::new().slowest(&slowest).admin(operators, admin);
//!     let serving = tokio::spawn(server.serve(axum::Router::new(), shutdown.clone()));
//!
//!     let answer = RawClient::connect(address).await?.get("/readyz").await?;
//!     assert_eq!(answer.text(), "ready\n");
//!     shutdown.drain();
//!     assert!(serving.await?.is_complete());
//!     Ok(())
//! }
//! let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! runtime.block_on(run()).unwrap();
//! runtime.shutdown_timeout(Duration::from_secs(1));
//! ```
//!
//! # Commands
//!
//! The pages change nothing. Commands that do are accepted on a Unix socket,
//! [`Admin::console`](crate::Admin::console), from the user of the process and from root.
//!
//! ```
//! # #[cfg(unix)]
//! # fn run() -> std::io::Result<()> {
//! use std::time::Duration;
//!
//! use euryale_admin::{Admin, command};
//! use euryale_connection::Pool;
//! use euryale_server::Shutdown;
//!
//! let pool = Pool::new((), 4);
//! let shutdown = Shutdown::new();
//! let ends = shutdown.clone();
//! let admin = Admin::new(&pool).verb("drain", "finish requests and end", move |_| {
//!     ends.drain();
//!     Ok("draining".to_owned())
//! });
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("console");
//! let console = admin.console(&path, None)?;
//! let give = |line| command(&path, line, Duration::from_secs(1));
//! assert_eq!(give("resize 8")?, Ok("at most 8 connections\n".to_owned()));
//! assert_eq!(pool.status().cap, 8);
//! give("drain")?.unwrap();
//! assert!(shutdown.is_draining());
//! # drop(console);
//! # Ok(())
//! # }
//! # #[cfg(unix)]
//! # run().unwrap();
//! ```
//!
//! # Cancellation
//!
//! An answer is complete when the service returns, except for the events of the status page. These
//! end with their socket, or when the drain begins.
//!
//! # Backpressure
//!
//! At most 32 viewers see the status page live. New numbers are computed when a viewer has received
//! the previous ones, at most once a second. [`Server::admin`](euryale_server::Server::admin)
//! limits the number of sockets. The [`Console`] runs one command at a time. A [`Relay`] asks all
//! processes at the same time for each request, and waits for each of them for at most a second.
//!
//! # Errors
//!
//! None: the services are infallible. A [`Relay`] answers 502 for a process that does not answer.
//!
//! # Panics
//!
//! A panic in a closure of the program, such as that of [`Admin::status`], closes only the socket
//! of that request. A command that panics is an error of that command, and the console continues.
//!
//! # Behind a proxy
//!
//! The pages have no login: bind their listener to loopback or a private network. Their links are
//! relative, so a proxy may serve them below a prefix.
//!
//! It replaces, from Zope: the Control Panel, `haufe.requestmonitoring`, `five.z2monitor` and
//! `Products.ZNagios`.

mod admin;
#[cfg(unix)]
mod commands;
#[cfg(unix)]
mod console;
#[cfg(unix)]
mod controls;
#[cfg(unix)]
mod relay;
mod response;
mod status;
#[cfg(test)]
mod tests;

pub use self::admin::Admin;
#[cfg(unix)]
pub use self::commands::Commands;
#[cfg(unix)]
pub use self::console::{Console, command, ctl};
#[cfg(unix)]
pub use self::controls::Controls;
#[cfg(unix)]
pub use self::relay::{Relay, RelayedProcess};
pub use self::status::{Held, StatusDetails};
