//! A test kit that makes concurrent tests deterministic.
//!
//! A [`Gate`] holds a worker at a known point, and an [`AsyncGate`] holds a task.
//! [`CountingDatabase`] counts, records and fails on demand, [`eventually`] polls with a deadline
//! instead of sleeping, and [`assert_quiet`] ends every test by checking that nothing is held any
//! more. [`skip`] reports that a test cannot run here, and [`python_with`] finds the Python that
//! has a module. [`run_readme`] runs the commands of a README and compares their output.
//! [`subscribe_thread`] reads the log of one test among others. [`maps_of`] shows whether a process
//! reads the files that it sends. [`bench_main!`] is the `main` of benches. [`engines`] starts real
//! servers of databases. [`free_port`] finds a port for a program that needs its number beforehand.
//!
//! ```
//! use euryale_core::Ledger;
//! use euryale_test::{Gate, assert_quiet, eventually};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let gate = Gate::new();
//! let held = std::thread::spawn({ let gate = gate.clone(); move || gate.wait() });
//! eventually("the thread waits", || gate.waiting() == 1).await;
//! gate.open();
//! held.join().unwrap();
//! assert_quiet(&Ledger::new()).await;
//! # }
//! ```

#![forbid(unsafe_code)]

mod async_gate;
mod bench;
mod client;
mod database;
#[cfg(target_os = "linux")]
pub mod engines;
mod gate;
mod lender;
mod log;
#[cfg(target_os = "linux")]
mod maps;
mod port;
mod publisher;
mod python;
mod quiet;
mod readme;
mod skip;

pub use self::async_gate::AsyncGate;
pub use self::client::{Answer, BlockingClient, H2Client, Head, RawClient};
pub use self::database::{Behaviour, Connection, CountingDatabase, Step, TestError};
pub use self::gate::Gate;
pub use self::lender::Lender;
pub use self::log::{Log, subscribe_thread};
#[cfg(target_os = "linux")]
pub use self::maps::{FileMap, maps_of};
pub use self::port::free_port;
pub use self::publisher::ScriptedPublisher;
pub use self::python::python_with;
pub use self::quiet::{assert_quiet, eventually};
pub use self::readme::run_readme;
pub use self::skip::skip;
