//! Themes as programs use them.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

mod cases;
mod explain;
mod faults;
mod limits;
mod normal;
mod own;
mod parts;
mod plone;
mod python;
