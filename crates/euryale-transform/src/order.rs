//! Named positions in the chain, smallest first, for [`Transform::order`].
//!
//! `PARSE`, `TILES`, `THEME`, `PROTECT` and `HEADERS` are the numbers of Plone's own transforms. A
//! number between two names is relative to one of them: `order::THEME + 10` is right after the
//! theme.
//!
//! [`Transform::order`]: crate::Transform::order

/// Changes of the application's own page, before all others.
pub const PARSE: i32 = 8000;
/// The insertion of tiles into their page.
pub const TILES: i32 = 8500;
/// Changes of the content, which is complete but has no theme yet.
pub const CONTENT: i32 = 8700;
/// The theme: a page around the content.
pub const THEME: i32 = 8850;
/// The insertion of tokens against cross-site requests into forms.
pub const PROTECT: i32 = 9000;
/// Changes of the finished page.
pub const PAGE: i32 = 9500;
/// Headers that depend on the finished page, such as those for caches.
pub const HEADERS: i32 = 12_000;
