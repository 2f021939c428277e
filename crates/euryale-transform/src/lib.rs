//! Transforms pages after their transaction.

#![forbid(unsafe_code)]

mod chain;
mod cpu;
mod future;
mod handlers;
mod layer;
mod page;
mod pass;
mod run;
mod service;
#[cfg(test)]
mod tests;
mod text;
mod transform;
mod watch;

pub use lol_html::{Selector, html_content};

pub use self::cpu::Cpu;
pub use self::future::TransformChainFuture;
pub use self::handlers::{Element, Handlers};
pub use self::layer::TransformChainLayer;
pub use self::page::Page;
pub use self::service::TransformChain;
pub use self::transform::{EditHead, Rewrite, Transform, TransformPage};
