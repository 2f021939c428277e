//! An export can be imported again: to the same paths, with the same titles, texts, files and
//! times, in the same order.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use euryale::store::BlobStore;
use proptest::prelude::*;

use super::plan::Plan;
use super::report::Report;
use super::stop::Stop;
use super::{Import, name};
use crate::pages::{address, export, media};
use crate::store::data::Data;
use crate::store::{self, FileEntry, Format};

/// A page or a file of a site. Its folder is the page of this number among those before it, modulo
/// how many there are.
#[derive(Clone, Debug)]
struct Node {
    within: usize,
    name: String,
    content: Content,
    modified: i64,
}

#[derive(Clone, Debug)]
enum Content {
    Page(Format, String, String),
    File(Vec<u8>),
}

/// Names with a meaning for an import, or that some file system does not accept.
fn names() -> impl Strategy<Value = String> {
    let odd = [
        "index",
        "INDEX",
        "index.md",
        "index~2",
        "a",
        "A",
        "a.md",
        "a.MD",
        "a.html",
        "a.htm",
        "a~2",
        ".a",
        "..a",
        ".euryale-export.json",
        "e\u{301}",
        "\u{e9}",
        "\u{c9}",
        "CON",
        "con.txt",
        "a:b",
        "a\\b",
        "*",
        "?",
        "\"",
        "<b>",
        "a|b",
        "end.",
        "a  b",
        "#",
        "%41",
        "&amp;",
        "\u{df}",
        "SS",
        "\u{fb01}",
        "FI",
    ];
    prop_oneof![
        4 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        1 => Just("\u{5b57}".repeat(100)),
        1 => "[a-c]{90,100}",
        2 => "\\PC{1,8}",
    ]
}

fn titles() -> impl Strategy<Value = String> {
    let odd = [
        "*x* <b> #",
        "a  b",
        "\\",
        "[x](a.md)",
        "&amp; & <",
        "`",
        "1. x",
        "x #",
        "---",
    ];
    prop_oneof![
        prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        "\\PC{1,20}",
    ]
}

fn texts() -> impl Strategy<Value = String> {
    let odd = [
        "",
        "\n\nx",
        "# x\n",
        "x\n\n\n",
        "[x](a.md) ![y](index.md)",
        "</body>",
        "\r\nx\r",
        " x ",
        "\u{feff}x",
        "Title\n===\n",
        "---\ntitle: x\n---\n",
    ];
    prop_oneof![
        prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        "(\\PC|\n){0,40}",
    ]
}

fn contents() -> impl Strategy<Value = Content> {
    let format = prop::sample::select(vec![Format::Markdown, Format::Html]);
    prop_oneof![
        3 => (format, titles(), texts()).prop_map(|(format, title, text)| {
            Content::Page(format, title.trim().to_owned(), text)
        }),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Content::File),
    ]
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    // The crate that unpacks them here makes a 1 of 0.
    let modified = 1..8_000_000_000_i64;
    let node = (any::<usize>(), names(), contents(), modified);
    let node = node.prop_map(|(within, name, content, modified)| Node {
        within,
        name,
        content,
        modified,
    });
    prop::collection::vec(node, 0..12)
}

/// A site with those of `nodes` that are possible.
fn site(folder: &Path, nodes: &[Node]) -> Data {
    let data = Data::without_samples(folder).unwrap();
    let mut pages = vec!["/".to_owned()];
    let mut taken = vec!["/".to_owned()];
    data.write(|connection| {
        let root = ("/", "A * root", Format::Markdown, "text\n", 7);
        store::add_at(connection, root.0, root.1, root.2, root.3, root.4)?;
        for node in nodes {
            let within = &pages[node.within % pages.len()];
            let Ok(path) = address::join(within, &node.name) else {
                continue;
            };
            if taken.contains(&path) {
                continue;
            }
            match &node.content {
                Content::Page(_, title, _) if title.is_empty() => continue,
                Content::Page(format, title, body) => {
                    store::add_at(connection, &path, title, *format, body, node.modified)?;
                    pages.push(path.clone());
                }
                Content::File(bytes) => {
                    let (blob, mut file) = data.blobs.create()?;
                    file.write_all(bytes)?;
                    let entry = FileEntry {
                        path: path.clone(),
                        blob,
                        size: bytes.len() as u64,
                        content_type: media::of_name(&path).to_owned(),
                        modified: node.modified,
                    };
                    store::put_file(connection, &entry)?;
                }
            }
            taken.push(path);
        }
        Ok(())
    })
    .unwrap();
    data
}

/// Everything at a path and below, except for the names of blobs and the numbers of places.
#[derive(Debug, Default, PartialEq)]
struct Dump {
    pages: BTreeMap<String, (String, String, String, i64)>,
    order: BTreeMap<String, Vec<String>>,
    files: BTreeMap<String, (Vec<u8>, String, i64)>,
}

impl Dump {
    fn of(data: &Data, below: &str) -> Self {
        data.read(|connection| {
            let mut dump = Self::default();
            for text in store::texts_below(connection, below)? {
                let format = format!("{:?}", text.format);
                let page = (text.title, format, text.body, text.modified);
                dump.pages.insert(text.path, page);
            }
            for path in dump.pages.keys() {
                let all = store::Range {
                    skip: 0,
                    most: usize::MAX,
                };
                let children = store::children(connection, path, all)?.entries;
                let paths = children.into_iter().map(|child| child.path).collect();
                dump.order.insert(path.clone(), paths);
            }
            for file in store::files_below(connection, below, usize::MAX)? {
                let blob = data.blobs.blob_of_len(&file.blob, file.size)?;
                let mut bytes = Vec::new();
                blob.file().read_to_end(&mut bytes)?;
                let content = (bytes, file.content_type, file.modified);
                dump.files.insert(file.path, content);
            }
            Ok(dump)
        })
        .unwrap()
    }
}

/// The archive of `path`, unpacked into a folder.
fn unpack(data: &Data, path: &str, folder: &Path) {
    let found = data
        .read(|connection| Ok(export::find(connection, path)?))
        .unwrap()
        .unwrap();
    let open = |file: &FileEntry| Ok(data.blobs.blob_of_len(&file.blob, file.size)?);
    let entries = found.into_entries(open).unwrap();
    let archive = export::write(entries, &data.blobs, Vec::new()).unwrap();
    tar::Archive::new(&*archive).unpack(folder).unwrap();
}

/// Into an empty site; what was left out is a failure.
fn import(source: &Path, data: &Data, site: &Path) {
    let mut report = Report::new();
    let stop = Stop::default();
    let plan = Plan::of(source, site, &stop, &mut report).unwrap();
    let import = Import {
        data,
        root: name(source),
        stop: &stop,
    };
    import.all(&plan, &mut report).unwrap();
    assert!(report.is_complete(), "{}", report.end());
}

fn round_trip(nodes: &[Node]) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let before = site(&at("before"), nodes);
    unpack(&before, "/", &at("archive"));
    let after = Data::without_samples(&at("after")).unwrap();
    import(&at("archive"), &after, &at("after"));
    assert_eq!(Dump::of(&after, "/"), Dump::of(&before, "/"));
    // Once more changes nothing.
    import(&at("archive"), &after, &at("after"));
    assert_eq!(Dump::of(&after, "/"), Dump::of(&before, "/"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_export_is_imported_as_it_was(nodes in nodes()) {
        round_trip(&nodes);
    }
}

fn page(name: &str, title: &str, text: &str) -> Node {
    Node {
        within: 0,
        name: name.to_owned(),
        content: Content::Page(Format::Markdown, title.to_owned(), text.to_owned()),
        modified: 1_700_000_000,
    }
}

#[test]
fn a_part_of_a_site_is_imported_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let before = Data::without_samples(&at("before")).unwrap();
    before
        .write(|connection| {
            for path in ["/", "/e", "/e/z", "/e/index", "/e/a"] {
                store::add_at(connection, path, "Title", Format::Markdown, "", 7)?;
            }
            Ok(())
        })
        .unwrap();
    unpack(&before, "/e", &at("archive"));
    let after = Data::without_samples(&at("after")).unwrap();
    import(&at("archive"), &after, &at("after"));
    assert_eq!(Dump::of(&after, "/e"), Dump::of(&before, "/e"));
}

/// An export that was unpacked is a folder of notes, and people edit it.
#[test]
fn a_note_that_was_changed_after_its_export_is_read_as_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let nodes = [
        page(".odd", "Odd", "text"),
        page("kept", "a  b", "[x](new.md)"),
    ];
    let before = site(&at("before"), &nodes);
    unpack(&before, "/", &at("archive"));
    let odd = at("archive").join("_odd").join("index.md");
    fs::write(
        &odd,
        "# Changed\n\n[x](new.md) and [kept](../kept.md#part)\n",
    )
    .unwrap();
    fs::write(at("archive").join("_odd").join("new.md"), "# New\n").unwrap();
    let after = Data::without_samples(&at("after")).unwrap();
    import(&at("archive"), &after, &at("after"));
    let dump = Dump::of(&after, "/");
    let (title, _, body, _) = &dump.pages["/.odd"];
    assert_eq!(title, "Changed");
    assert_eq!(body, "[x](/.odd/new) and [kept](/kept#part)\n");
    assert_eq!(dump.pages["/.odd/new"].0, "New");
    assert_eq!(dump.pages["/kept"], Dump::of(&before, "/").pages["/kept"]);
}

#[test]
fn wrong_list_is_named_and_its_folder_is_imported_by_names() {
    for list in ["", "{}", "{\"version\":2,\"entries\":[]}", "\u{0}"] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("notes")).unwrap();
        fs::write(at("notes").join(crate::pages::archive::LIST), list).unwrap();
        fs::write(at("notes").join("a.md"), "# A\n").unwrap();
        let data = Data::without_samples(&at("data")).unwrap();
        let mut report = Report::new();
        let stop = Stop::default();
        let plan = Plan::of(&at("notes"), &at("data"), &stop, &mut report).unwrap();
        assert!(!report.is_complete(), "{list}");
        let paths: Vec<_> = plan.entries.iter().map(|entry| &*entry.path).collect();
        assert_eq!(paths, ["/", "/a"]);
        drop(data);
    }
}

/// A list is a file like any other and may be wrong: it may rename a file within its folder only.
#[test]
fn list_cannot_move_a_file_to_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("notes").join("sub")).unwrap();
    fs::write(at("notes").join("sub").join("a.bin"), "a").unwrap();
    let list = r#"{"version":1,"entries":[
        {"name":"sub/a.bin","path":"/elsewhere/a.bin","kind":"file"},
        {"name":"sub","path":"/@@export","kind":"folder"}
    ]}"#;
    fs::write(at("notes").join(crate::pages::archive::LIST), list).unwrap();
    let data = Data::without_samples(&at("data")).unwrap();
    import(&at("notes"), &data, &at("data"));
    let dump = Dump::of(&data, "/");
    assert_eq!(dump.files.keys().collect::<Vec<_>>(), ["/sub/a.bin"]);
}
