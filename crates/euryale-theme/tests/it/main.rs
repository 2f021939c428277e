//! Themes as programs use them.

mod cases;
mod normal;
