//! Names of files that are compressed by their format.

/// The content coding of a file by its name: `gzip` for `.svgz`, case-insensitively.
///
/// `image/svg+xml` is the type of both, `.svg` and `.svgz`, and a browser shows the second only if
/// the answer says `Content-Encoding: gzip` (SVG 1.1 §1.2). Make its blob
/// [`coded`](euryale_core::Blob::coded), and say so in the head. Archives, as `.tar.gz` and `.tgz`,
/// have a type of their own: for them this is `None`, so that they are saved as they are.
#[must_use]
pub fn coding_of_name(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    ending.eq_ignore_ascii_case("svgz").then_some("gzip")
}
