#![doc = include_str!("why.md")]

#[doc = include_str!("why/crates.md")]
pub mod crates {}

#[doc = include_str!("why/errors.md")]
pub mod errors {}

#[doc = include_str!("why/files.md")]
pub mod files {}

#[doc = include_str!("why/pool.md")]
pub mod pool {}

#[doc = include_str!("why/processes.md")]
pub mod processes {}

#[doc = include_str!("why/proxies.md")]
pub mod proxies {}

#[doc = include_str!("why/server.md")]
pub mod server {}

#[doc = include_str!("why/threads.md")]
pub mod threads {}

#[doc = include_str!("why/transactions.md")]
pub mod transactions {}

#[doc = include_str!("why/transforms.md")]
pub mod transforms {}

#[doc = include_str!("why/uploads.md")]
pub mod uploads {}
