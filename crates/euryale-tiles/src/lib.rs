//! Pages made of tiles.

#![forbid(unsafe_code)]

mod address;
mod caching;
mod error;
mod fetch;
mod fetches;
mod fragment;
mod outline;
mod panels;
mod place;
mod request;
mod settings;
#[cfg(test)]
mod tests;
mod tiles;

pub use self::error::{TileError, TileErrorKind};
pub use self::tiles::{HasTiles, Tiles};
