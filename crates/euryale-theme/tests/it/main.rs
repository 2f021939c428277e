//! Themes as programs use them.

mod cases;
mod chain;
mod faults;
mod live;
mod normal;
