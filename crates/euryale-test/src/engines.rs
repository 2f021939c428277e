//! Real servers for tests, each in a folder of its own and as a user of its own.
//!
//! ```no_run
//! use euryale_test::engines::Postgres;
//!
//! // Skipped visibly where the server is not installed; a failure in CI.
//! let Some(postgres) = Postgres::start() else {
//!     return;
//! };
//! let database = postgres.create_database();
//! assert_eq!(postgres.sql(&database, "SELECT 1 + 1"), "2");
//! ```
//!
//! A server ends when its guard is dropped. If the test binary ends in any way, the kernel sends
//! the server a signal. The signal follows the *thread* that started the server, so one thread that
//! lives as long as the test binary starts them all. It is lost when the server changes its user,
//! so `setpriv` changes the user first, and runs the server itself: `pg_ctl start` would leave a
//! server whose parent is gone.

mod bouncer;
mod cluster;
mod folder;
mod launcher;
mod postgres;
mod programs;

pub use self::bouncer::PgBouncer;
pub use self::cluster::{Setup, Stop};
pub use self::postgres::Postgres;
