//! The one place that turns errors into responses.

mod future;
mod layer;
mod log;
mod page;
mod service;
#[cfg(test)]
mod tests;

pub use self::future::RespondFuture;
pub use self::layer::RespondLayer;
pub use self::page::{Problem, accepts_html};
pub use self::service::Respond;
