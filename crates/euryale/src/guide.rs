//! How to use it, told in order: seven pages of five minutes each.
//!
//! | you | read |
//! |---|---|
//! | know Zope, Plone or WSGI | [`from_zope`] |
//! | have an axum application with diesel, rusqlite, `deadpool` and `spawn_blocking` | [`from_diesel`] |
//! | wonder how many connections | [`choosing_the_cap`] |
//! | ask what becomes of a request when its client leaves, it conflicts, the server ends | [`what_happens_when`] |
//! | have a store of your own | [`writing_a_database`] |
//! | want to change pages on their way out | [`writing_a_transform`] |
//! | put it into production | [`deploying`] |
//!
//! Every example is compiled and, where nothing keeps it, run by the tests. They use
//! `euryale_sqlite`, or `euryale_test`'s `CountingDatabase`, which stands for any database.

#[doc = include_str!("guide/choosing_the_cap.md")]
pub mod choosing_the_cap {}

#[doc = include_str!("guide/deploying.md")]
pub mod deploying {}

#[doc = include_str!("guide/from_diesel.md")]
pub mod from_diesel {}

#[doc = include_str!("guide/from_zope.md")]
pub mod from_zope {}

#[doc = include_str!("guide/what_happens_when.md")]
pub mod what_happens_when {}

#[doc = include_str!("guide/writing_a_database.md")]
pub mod writing_a_database {}

#[doc = include_str!("guide/writing_a_transform.md")]
pub mod writing_a_transform {}
