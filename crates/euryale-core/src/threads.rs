//! Threads for blocking work, and tasks that yield.
//!
//! A [`BlockingLane`] runs one kind of work in a bounded number of blocking threads. Bodies hand
//! their [`Work`] to such a lane through [`RunBlocking`]. A [`Stint`] is for tasks on the runtime
//! that would never return `Pending`.

mod lane;
mod stint;
mod without_layer;
mod work;

pub use self::lane::{BlockingLane, Place, Turn};
pub use self::stint::Stint;
pub use self::without_layer::close_elsewhere;
pub use self::work::{Done, RunBlocking, Work};
