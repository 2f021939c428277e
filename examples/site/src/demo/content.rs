//! The sample content of a new site.

use std::borrow::Cow;

use crate::demo::guide;

/// A page of the samples, in Markdown.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) path: &'static str,
    pub(crate) title: &'static str,
    pub(crate) body: Cow<'static, str>,
}

/// Paths and texts, in the order in which folders list them. A folder precedes its contents. The
/// first line of a text is its title.
const FILES: [(&str, &str); 55] = [
    ("/", include_str!("../../content/index.md")),
    ("/try", include_str!("../../content/try.md")),
    ("/guides", include_str!("../../content/guides/index.md")),
    (
        "/guides/request",
        include_str!("../../content/guides/request.md"),
    ),
    (
        "/guides/publishers",
        include_str!("../../content/guides/publishers.md"),
    ),
    (
        "/guides/transactions",
        include_str!("../../content/guides/transactions.md"),
    ),
    (
        "/guides/conflicts",
        include_str!("../../content/guides/conflicts.md"),
    ),
    ("/guides/cap", include_str!("../../content/guides/cap.md")),
    (
        "/guides/queue",
        include_str!("../../content/guides/queue.md"),
    ),
    (
        "/guides/lanes",
        include_str!("../../content/guides/lanes.md"),
    ),
    (
        "/guides/overload",
        include_str!("../../content/guides/overload.md"),
    ),
    (
        "/guides/clients",
        include_str!("../../content/guides/clients.md"),
    ),
    (
        "/guides/uploads",
        include_str!("../../content/guides/uploads.md"),
    ),
    (
        "/guides/files",
        include_str!("../../content/guides/files.md"),
    ),
    (
        "/guides/responses",
        include_str!("../../content/guides/responses.md"),
    ),
    (
        "/guides/layers",
        include_str!("../../content/guides/layers.md"),
    ),
    (
        "/guides/beside",
        include_str!("../../content/guides/beside.md"),
    ),
    (
        "/guides/databases",
        include_str!("../../content/guides/databases.md"),
    ),
    (
        "/guides/testing",
        include_str!("../../content/guides/testing.md"),
    ),
    (
        "/guides/drain",
        include_str!("../../content/guides/drain.md"),
    ),
    (
        "/guides/running",
        include_str!("../../content/guides/running.md"),
    ),
    (
        "/guides/pages",
        include_str!("../../content/guides/pages.md"),
    ),
    (
        guide::FOLDER,
        include_str!("../../content/guides/programming.md"),
    ),
    ("/layers", include_str!("../../content/layers/index.md")),
    (
        "/layers/stack",
        include_str!("../../content/layers/stack.md"),
    ),
    ("/layers/core", include_str!("../../content/layers/core.md")),
    (
        "/layers/server",
        include_str!("../../content/layers/server.md"),
    ),
    (
        "/layers/forwarded",
        include_str!("../../content/layers/forwarded.md"),
    ),
    (
        "/layers/transform",
        include_str!("../../content/layers/transform.md"),
    ),
    (
        "/layers/theme",
        include_str!("../../content/layers/theme.md"),
    ),
    (
        "/layers/tiles",
        include_str!("../../content/layers/tiles.md"),
    ),
    (
        "/layers/publisher",
        include_str!("../../content/layers/publisher.md"),
    ),
    ("/layers/blob", include_str!("../../content/layers/blob.md")),
    (
        "/layers/deferred",
        include_str!("../../content/layers/deferred.md"),
    ),
    (
        "/layers/spool",
        include_str!("../../content/layers/spool.md"),
    ),
    (
        "/layers/promise",
        include_str!("../../content/layers/promise.md"),
    ),
    (
        "/layers/connection",
        include_str!("../../content/layers/connection.md"),
    ),
    (
        "/layers/sqlite",
        include_str!("../../content/layers/sqlite.md"),
    ),
    ("/layers/test", include_str!("../../content/layers/test.md")),
    ("/operate", include_str!("../../content/operate/index.md")),
    (
        "/operate/settings",
        include_str!("../../content/operate/settings.md"),
    ),
    (
        "/operate/sizing",
        include_str!("../../content/operate/sizing.md"),
    ),
    (
        "/operate/health",
        include_str!("../../content/operate/health.md"),
    ),
    (
        "/operate/metrics",
        include_str!("../../content/operate/metrics.md"),
    ),
    ("/operate/log", include_str!("../../content/operate/log.md")),
    (
        "/operate/exit",
        include_str!("../../content/operate/exit.md"),
    ),
    (
        "/operate/postgresql",
        include_str!("../../content/operate/postgresql.md"),
    ),
    (
        "/operate/backups",
        include_str!("../../content/operate/backups.md"),
    ),
    ("/history", include_str!("../../content/history/index.md")),
    (
        "/history/zserver",
        include_str!("../../content/history/zserver.md"),
    ),
    (
        "/history/wsgi",
        include_str!("../../content/history/wsgi.md"),
    ),
    (
        "/history/promises",
        include_str!("../../content/history/promises.md"),
    ),
    (
        "/history/rust",
        include_str!("../../content/history/rust.md"),
    ),
    (
        "/history/name",
        include_str!("../../content/history/name.md"),
    ),
    ("/pictures", include_str!("../../content/pictures/index.md")),
];

/// The path of the file that [`chord`](crate::demo::audio) makes at the first start.
pub(crate) const CHORD: &str = "/pictures/chord.wav";

/// Pictures that pages show.
pub(crate) const PICTURES: [(&str, &[u8]); 15] = [
    (
        "/pictures/conflict.svg",
        include_bytes!("../../content/pictures/conflict.svg"),
    ),
    (
        "/pictures/drain.svg",
        include_bytes!("../../content/pictures/drain.svg"),
    ),
    (
        "/pictures/emblem.svg",
        include_bytes!("../../content/pictures/emblem.svg"),
    ),
    (
        "/pictures/files.svg",
        include_bytes!("../../content/pictures/files.svg"),
    ),
    (
        "/pictures/history.svg",
        include_bytes!("../../content/pictures/history.svg"),
    ),
    (
        "/pictures/holds.svg",
        include_bytes!("../../content/pictures/holds.svg"),
    ),
    (
        "/pictures/lanes.svg",
        include_bytes!("../../content/pictures/lanes.svg"),
    ),
    (
        "/pictures/onion.svg",
        include_bytes!("../../content/pictures/onion.svg"),
    ),
    (
        "/pictures/overload.svg",
        include_bytes!("../../content/pictures/overload.svg"),
    ),
    (
        "/pictures/queue.svg",
        include_bytes!("../../content/pictures/queue.svg"),
    ),
    (
        "/pictures/request.svg",
        include_bytes!("../../content/pictures/request.svg"),
    ),
    (
        "/pictures/snapshots.svg",
        include_bytes!("../../content/pictures/snapshots.svg"),
    ),
    (
        "/pictures/spool.svg",
        include_bytes!("../../content/pictures/spool.svg"),
    ),
    (
        "/pictures/transaction.svg",
        include_bytes!("../../content/pictures/transaction.svg"),
    ),
    (
        "/pictures/wakeups.svg",
        include_bytes!("../../content/pictures/wakeups.svg"),
    ),
];

/// The samples, with the pages of the guide.
pub(crate) fn samples() -> impl Iterator<Item = Sample> {
    let files = FILES.into_iter().map(|(path, text)| {
        let (first, body) = text.split_once('\n').unwrap_or((text, ""));
        let title = first.strip_prefix("# ").unwrap_or(first);
        Sample {
            path,
            title: title.trim(),
            body: Cow::Borrowed(body.trim_start()),
        }
    });
    files.chain(guide::samples())
}

/// Returns whether one of the samples, other than the pages of the guide, is at `path`.
pub(crate) fn has(path: &str) -> bool {
    FILES.iter().any(|(sample, _)| *sample == path)
}
