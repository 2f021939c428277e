//! Themes as programs use them.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

mod chain;
mod live;
mod pages;
mod request;
mod tags;
