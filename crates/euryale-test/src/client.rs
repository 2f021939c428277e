//! Clients that do what ordinary clients do not: hang up, reset, pipeline, send half a request.

mod answer;
mod blocking;
mod h2;
mod raw;
#[cfg(test)]
mod tests;

pub use self::answer::{Answer, Head};
pub use self::blocking::BlockingClient;
pub use self::h2::H2Client;
pub use self::raw::RawClient;
