//! A pool of something that is no database: what a program has at hand is often the connection, or
//! a path.

use euryale::Pool;

fn main() {
    let _ = Pool::new("guests.db", 2);
}
