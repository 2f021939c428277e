//! The navigation of every page.

use crate::store::{self, Connection, Entry, Portion, Range};

/// The number of sections that the navigation of a page shows, and the length of their titles in
/// characters. They are limited because the navigation is part of every page.
const MOST_SECTIONS: usize = 20;
const LONGEST_SECTION: usize = 60;

/// The navigation of every page: the root, and the first pages in it.
pub(crate) fn sections(connection: &mut Connection) -> store::Result<Portion<Entry>> {
    let range = Range {
        skip: 0,
        most: MOST_SECTIONS,
    };
    let Portion { entries, more } = store::children(connection, "/", range)?;
    let shortened = entries.into_iter().map(|entry| Entry {
        title: shortened(&entry.title),
        ..entry
    });
    Ok(Portion {
        entries: std::iter::once(Entry::home()).chain(shortened).collect(),
        more,
    })
}

fn shortened(title: &str) -> String {
    match title.char_indices().nth(LONGEST_SECTION) {
        Some((end, _)) => format!("{}…", title[..end].trim_end()),
        None => title.to_owned(),
    }
}
