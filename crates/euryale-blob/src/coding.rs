//! Names of files that are compressed by their format.

/// Returns the content coding of a file by its name: `gzip` for `.svgz` in upper or lower case.
///
/// Both `.svg` and `.svgz` have the type `image/svg+xml`, and a browser shows the second only if
/// the answer has `Content-Encoding: gzip` (SVG 1.1 §1.2). Call
/// [`coded`](euryale_core::Blob::coded) on its blob, and set the header field. Archives such as
/// `.tar.gz` and `.tgz` have their own types. For them this returns `None`, so that they are saved
/// unchanged.
#[must_use]
pub fn coding_of_name(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    ending.eq_ignore_ascii_case("svgz").then_some("gzip")
}
