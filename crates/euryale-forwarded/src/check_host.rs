//! The hosts that an application answers to.

mod allowed;
mod layer;
mod service;

pub use self::allowed::{AllowedHost, AllowedHosts, InvalidHost};
pub use self::layer::CheckHostLayer;
pub use self::service::CheckHost;
