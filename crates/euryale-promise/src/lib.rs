//! Promises.

#![forbid(unsafe_code)]

mod asks;
mod blocking;
mod error;
mod future;
mod futures;
mod key;
mod layer;
mod promised;
mod promises;
mod run;
mod scope;
mod service;
mod shared;
mod timing;

pub use self::error::{AlreadyResolved, NoResult, PromiseError};
pub use self::future::RepublishFuture;
pub use self::key::Key;
pub use self::layer::RepublishLayer;
pub use self::promised::Promised;
pub use self::promises::{Promises, PromisesExt};
pub use self::service::Republish;
