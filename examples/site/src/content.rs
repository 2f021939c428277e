//! The sample content: what a new site is filled with.

/// A page, as it is shipped: Markdown whose first line is the title.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) path: &'static str,
    pub(crate) title: &'static str,
    pub(crate) body: &'static str,
}

/// Paths and texts, in the order in which folders list them. A folder stands before what is in it.
const FILES: [(&str, &str); 11] = [
    ("/", include_str!("../content/index.md")),
    ("/try", include_str!("../content/try.md")),
    ("/guides", include_str!("../content/guides/index.md")),
    ("/guides/cap", include_str!("../content/guides/cap.md")),
    ("/guides/publishers", include_str!("../content/guides/publishers.md")),
    ("/guides/transactions", include_str!("../content/guides/transactions.md")),
    ("/guides/clients", include_str!("../content/guides/clients.md")),
    ("/guides/layers", include_str!("../content/guides/layers.md")),
    ("/guides/running", include_str!("../content/guides/running.md")),
    ("/guides/pages", include_str!("../content/guides/pages.md")),
    ("/history", include_str!("../content/history.md")),
];

/// Where the file stands that is made at the first start, by [`chord`](crate::chord).
pub(crate) const CHORD: &str = "/pictures/chord.wav";

/// Pictures that pages show.
pub(crate) const PICTURES: [(&str, &[u8]); 0] = [];

/// The samples, titles apart from bodies.
pub(crate) fn samples() -> impl Iterator<Item = Sample> {
    FILES.into_iter().map(|(path, text)| {
        let (first, body) = text.split_once('\n').unwrap_or((text, ""));
        let title = first.strip_prefix("# ").unwrap_or(first);
        Sample { path, title: title.trim(), body: body.trim_start() }
    })
}
