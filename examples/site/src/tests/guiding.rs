//! The guide of the crate `euryale`, as pages of the site.

use std::collections::BTreeSet;
use std::path::Path;

use crate::demo::content::{self, Sample};
use crate::demo::guide::{FOLDER, from_rustdoc};

fn pages() -> impl Iterator<Item = Sample> {
    content::samples().filter(|sample| sample.path.starts_with(FOLDER))
}

/// The targets of the links in `text`.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

#[test]
fn each_file_of_the_guide_is_a_page() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/euryale/src/guide");
    let files = |folder: &Path, prefix: &str| -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        let pages = names.filter_map(|name| Some(name.strip_suffix(".md")?.to_owned()));
        pages
            .map(|page| format!("{FOLDER}/{prefix}{page}"))
            .collect()
    };
    let mut written = files(&guide, "");
    written.extend(files(&guide.join("why"), "why/"));
    let served = pages()
        .map(|page| page.path.to_owned())
        .filter(|path| path != FOLDER);
    assert_eq!(
        BTreeSet::from_iter(written),
        served.collect::<BTreeSet<_>>()
    );
}

#[test]
fn the_guide_links_only_to_pages_and_to_other_sites() {
    let paths: BTreeSet<_> = content::samples().map(|sample| sample.path).collect();
    for page in pages() {
        for target in targets(&page.body) {
            let leads = paths.contains(target.split('#').next().unwrap())
                || target.starts_with("https://") && !target.contains("docs.rs/euryale");
            assert!(leads, "{target} in {}", page.path);
        }
        assert!(!page.body.contains("crate::guide"), "{}", page.path);
    }
}

#[test]
fn each_page_of_the_guide_is_linked_from_the_page_of_its_folder() {
    for folder in [FOLDER.to_owned(), format!("{FOLDER}/why")] {
        let index = pages().find(|page| page.path == folder).unwrap().body;
        let linked: BTreeSet<_> = targets(&index).collect();
        let missing = pages().find(|page| {
            crate::store::parent(page.path) == Some(&folder) && !linked.contains(page.path)
        });
        assert!(missing.is_none(), "{missing:?}");
    }
}

#[test]
fn lines_that_rustdoc_hides_are_left_out() {
    for page in pages() {
        let mut in_code = false;
        for line in page.body.lines() {
            in_code ^= line.trim_start().starts_with("```");
            let is_hidden = in_code && line.trim_start().starts_with("# ");
            assert!(!is_hidden, "{line} in {}", page.path);
        }
    }
}

#[test]
fn links_of_rustdoc_become_links_of_the_site_or_text() {
    let cases = [
        (
            "[a](crate::guide::why::pool)",
            "[a](/guides/programming/why/pool)",
        ),
        (
            "[`SpoolLayer`](crate::spool::SpoolLayer).",
            "[`SpoolLayer`](/layers/spool).",
        ),
        ("[`runtime`](crate::runtime()) makes", "`runtime` makes"),
        (
            "a [whole\nprogram](https://docs.rs/euryale-server/latest/x)",
            "a [whole\nprogram](/layers/server)",
        ),
        (
            "see [`pool`] and `#[tokio::main]`",
            "see [`pool`](/guides/programming/why/pool) and `#[tokio::main]`",
        ),
        (
            "[WAL](https://www.sqlite.org/wal.html)",
            "[WAL](https://www.sqlite.org/wal.html)",
        ),
        ("an open [", "an open ["),
        (
            "```no_run\n# hidden\n#\nshown(); // [a](crate::b)\n```\n",
            "```rust\nshown(); // [a](crate::b)\n```\n",
        ),
        ("```sh\n# shown\n```\n", "```sh\n# shown\n```\n"),
        (
            "* a\n\n  ```\n  # hidden\n  x\n  ```\n",
            "* a\n\n  ```rust\n  x\n  ```\n",
        ),
    ];
    for (rustdoc, site) in cases {
        assert_eq!(from_rustdoc(rustdoc), site);
    }
}
