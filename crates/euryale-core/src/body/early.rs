//! Answers that begin to leave while their publisher still works.

mod answer;
mod future;
mod record;
mod sending;
mod settings;
mod spill;
#[cfg(feature = "fs")]
mod spill_budget;
#[cfg(all(test, feature = "fs"))]
mod tests;
mod window;

pub use self::answer::{Early, EarlyAnswer};
pub use self::future::{EarlyFuture, HandOver, JobDone};
pub use self::record::EarlyRecord;
pub(crate) use self::sending::{EarlyBody, JobEnd};
pub use self::settings::EarlyAnswers;
pub use self::spill::{SpillFile, SpillStore};
#[cfg(feature = "fs")]
pub use self::spill_budget::SpillBudget;
