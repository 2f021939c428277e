//! How to use Euryale: pages of about five minutes each.
//!
//! | you | read |
//! |---|---|
//! | come from Zope, Plone or WSGI | [`from_zope`] |
//! | come from waitress, gunicorn or uWSGI | [`from_wsgi_servers`] |
//! | run Plone, and have ten minutes | [`plone_in_ten_minutes`] |
//! | choose threads and processes of a WSGI server, or ask what the GIL means here | [`from_wsgi_servers`](from_wsgi_servers#how-many-threads-how-many-processes) |
//! | come from collective.futures, Celery or gevent | [`from_celery`] |
//! | have an axum application with diesel, rusqlite, `deadpool` and `spawn_blocking` | [`from_diesel`] |
//! | want to see what programs look like | [`five_programs`] |
//! | want to choose the number of connections | [`choosing_the_cap`] |
//! | ask what happens when a client leaves, a transaction conflicts, or the server ends | [`what_happens_when`] |
//! | want to connect another database | [`writing_a_database`] |
//! | want to change pages on their way out | [`writing_a_transform`] |
//! | put it into production | [`deploying`] |
//! | look up a word | [`glossary`] |
//! | ask why it is made this way | [`why`] |
//!
//! The tests compile every example, and run it where possible. The examples use `euryale_sqlite`,
//! or `euryale_test`'s `CountingDatabase` in place of a real database.

#[doc = include_str!("guide/choosing_the_cap.md")]
pub mod choosing_the_cap {}

#[doc = include_str!("guide/deploying.md")]
pub mod deploying {}

#[doc = include_str!("guide/five_programs.md")]
pub mod five_programs {}

#[doc = include_str!("guide/from_celery.md")]
pub mod from_celery {}

#[doc = include_str!("guide/from_diesel.md")]
pub mod from_diesel {}

#[doc = include_str!("guide/from_zope.md")]
pub mod from_zope {}

#[doc = include_str!("guide/from_wsgi_servers.md")]
pub mod from_wsgi_servers {}

#[doc = include_str!("guide/glossary.md")]
pub mod glossary {}

#[doc = include_str!("guide/plone_in_ten_minutes.md")]
pub mod plone_in_ten_minutes {}

#[doc = include_str!("guide/what_happens_when.md")]
pub mod what_happens_when {}

pub mod why;

#[doc = include_str!("guide/writing_a_database.md")]
pub mod writing_a_database {}

#[doc = include_str!("guide/writing_a_transform.md")]
pub mod writing_a_transform {}
