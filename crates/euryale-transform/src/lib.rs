//! Transforms pages after their transaction.

#![forbid(unsafe_code)]

mod chain;
mod cpu;
mod framing;
mod future;
mod handlers;
mod layer;
mod off;
mod page;
mod pass;
mod replay;
mod rewriting;
mod run;
mod service;
mod tag;
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
pub use self::off::TransformsOff;
pub use self::page::Page;
pub use self::service::TransformChain;
pub use self::transform::{EditHead, Rewrite, Transform, TransformPage};
