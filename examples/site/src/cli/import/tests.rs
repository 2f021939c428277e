//! The rules for names and for texts.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use euryale::Database;
use euryale::store::BlobStore;
use tempfile::TempDir;

use super::batch::{Batch, Item, Pending, Staged, Verdict};
use super::copy;
use super::plan::{Kind, Plan, Watch};
use super::source::shown;
use super::stop::Stop;
use super::text::Page;
use crate::store::data::Data;
use crate::store::{self, FileEntry, Format};

/// The lines about omitted entries, without the folder's own path.
struct Lines {
    folder: String,
    left_out: Vec<String>,
}

impl Watch for Lines {
    fn found(&mut self, _: usize) {}

    fn left_out(&mut self, source: &Path, reason: &str) {
        let line = format!("{} - {reason}", shown(source)).replace(&self.folder, "");
        self.left_out.push(line);
    }
}

/// A folder with these files, each with its name as its text; a name with a slash at its end is a
/// folder.
fn folder(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
    }
    folder
}

fn plan(folder: &TempDir) -> (Plan, Vec<String>) {
    let data = tempfile::tempdir().unwrap();
    let mut lines = Lines {
        folder: folder.path().to_str().unwrap().to_owned(),
        left_out: Vec::new(),
    };
    let plan = Plan::of(folder.path(), data.path(), &Stop::default(), &mut lines).unwrap();
    (plan, lines.left_out)
}

/// Each entry: its source, its destination and its kind.
fn planned(names: &[&str]) -> (Vec<String>, Vec<String>) {
    let folder = folder(names);
    let (plan, left_out) = plan(&folder);
    let entries = plan.entries.iter().map(|entry| {
        let source = entry.source.strip_prefix(folder.path()).unwrap().display();
        let kind = match entry.kind {
            Kind::Page(Format::Markdown) => "markdown",
            Kind::Page(Format::Html) => "html",
            Kind::Index(Format::Markdown) => "index",
            Kind::Index(Format::Html) => "html index",
            Kind::Folder => "folder",
            Kind::File => "file",
        };
        format!("{source} > {} {kind}", entry.path)
    });
    (entries.collect(), left_out)
}

#[test]
fn name_of_a_file_decides_what_it_becomes() {
    let cases: [(&[&str], &[&str]); 8] = [
        (&[], &[" > / folder"]),
        (&["index.md"], &["index.md > / index"]),
        (&["INDEX.HTM"], &["INDEX.HTM > / html index"]),
        (
            &["b.md", "a.html", "c.HTM"],
            &[
                " > / folder",
                "a.html > /a html",
                "b.md > /b markdown",
                "c.HTM > /c html",
            ],
        ),
        (
            &["a/b.bin", "x.tar.gz"],
            &[
                " > / folder",
                "x.tar.gz > /x.tar.gz file",
                "a > /a folder",
                "a/b.bin > /a/b.bin file",
            ],
        ),
        (
            &["a/", "ä/ü.md"],
            &[
                " > / folder",
                "a > /a folder",
                "ä > /ä folder",
                "ä/ü.md > /ä/ü markdown",
            ],
        ),
        // A page next to a folder of the same name becomes the folder's page.
        (
            &["a.md", "a/b.md", "b"],
            &[
                " > / folder",
                "b > /b file",
                "a.md > /a index",
                "a/b.md > /a/b markdown",
            ],
        ),
        // A folder with the name of a page file.
        (
            &["a.md/index.html"],
            &[" > / folder", "a.md/index.html > /a.md html index"],
        ),
    ];
    for (names, expected) in cases {
        let (entries, left_out) = planned(names);
        assert_eq!(entries, expected, "{names:?}");
        assert!(left_out.is_empty(), "{names:?}: {left_out:?}");
    }
}

#[test]
fn one_of_several_goes_to_a_path() {
    let cases: [(&[&str], &[&str], usize); 5] = [
        (
            &["a.html", "a.md", "a.htm"],
            &[" > / folder", "a.md > /a markdown"],
            2,
        ),
        (&["a.md", "a"], &[" > / folder", "a.md > /a markdown"], 1),
        (
            &["a.md", "a/index.html"],
            &[" > / folder", "a/index.html > /a html index"],
            1,
        ),
        (
            &["a.html", "a.md", "a/"],
            &[" > / folder", "a.md > /a index"],
            1,
        ),
        (&["index.html", "index.md"], &["index.md > / index"], 1),
    ];
    for (names, expected, others) in cases {
        let (entries, left_out) = planned(names);
        assert_eq!(entries, expected, "{names:?}");
        assert_eq!(left_out.len(), others, "{names:?}: {left_out:?}");
        assert!(
            left_out
                .iter()
                .all(|line| line.contains(" is imported at ")),
            "{left_out:?}"
        );
    }
}

#[test]
fn entries_that_are_not_files_are_left_out_and_named() {
    let folder = folder(&[
        "there.md",
        "@@x.md",
        "b @@/c.md",
        ".git/config",
        "a/.hidden",
    ]);
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink(at("there.md"), at("link.md")).unwrap();
    std::os::unix::fs::symlink(folder.path(), at("loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("broken")).unwrap();
    fs::write(
        folder
            .path()
            .join(std::ffi::OsStr::from_bytes(b"caf\xe9.md")),
        "",
    )
    .unwrap();
    fs::write(at("new\nline.txt"), "").unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    let (plan, left_out) = plan(&folder);
    assert_eq!(plan.hidden, 2);
    assert_eq!(
        plan.entries
            .iter()
            .map(|entry| &*entry.path)
            .collect::<Vec<_>>(),
        ["/", "/there", "/a"]
    );
    let expected = [
        ("/@@x.md", "@@"),
        ("/b @@", "Its contents are left out, too."),
        ("/broken", "link"),
        ("\"/caf\\xE9.md\"", "not UTF-8"),
        ("/link.md", "link"),
        ("/loop", "link"),
        ("\"/new\\nline.txt\"", "control"),
        ("/socket", "socket"),
    ];
    assert_eq!(left_out.len(), expected.len(), "{left_out:?}");
    for (line, (name, reason)) in left_out.iter().zip(expected) {
        assert!(
            line.starts_with(&format!("{name} - ")) && line.contains(reason),
            "{line}"
        );
    }
}

#[test]
fn the_data_folder_is_not_imported_into_itself() {
    let folder = folder(&["a.md", "data/site.db"]);
    let data = folder.path().join("data");
    let mut lines = Lines {
        folder: String::new(),
        left_out: Vec::new(),
    };
    let plan = Plan::of(folder.path(), &data, &Stop::default(), &mut lines).unwrap();
    assert_eq!(plan.entries.len(), 2);
    assert!(lines.left_out[0].ends_with("It is the data folder itself."));
}

fn page(text: &str, format: Format) -> Result<(String, String), String> {
    Page::read(text.as_bytes(), format, "name", str::to_owned).map(|page| (page.title, page.body))
}

#[test]
fn a_title_is_found_in_markdown() {
    let cases = [
        ("# Title\n\nText\n", "Title", "Text\n"),
        (
            "\u{feff}\n# Of *two* `words` \r\n\r\nText\r\n",
            "Of two words",
            "Text\n",
        ),
        ("Title\n=====\n    code", "Title", "    code"),
        (
            "Before\n\n# Title\n\nText",
            "Title",
            "Before\n\n# Title\n\nText",
        ),
        (
            "```sh\n# no title\n```\n",
            "name",
            "```sh\n# no title\n```\n",
        ),
        (
            "> # no title\n\n- # nor this\n\n# Title",
            "Title",
            "> # no title\n\n- # nor this\n\n# Title",
        ),
        ("## Second level\n", "name", "## Second level\n"),
        ("#hash", "name", "#hash"),
        ("#\n\nText", "name", "Text"),
        (
            "---\ntitle: 'It''s'  \ntags: [a]\n---\n# Other\n\nText",
            "It's",
            "---\ntitle: 'It''s'  \ntags: [a]\n---\n# Other\n\nText",
        ),
        (
            "---\nlayout: post\ntitle: \"A \\\"b\\\"\"\n---\n# A \"b\"\n\nText",
            "A \"b\"",
            "---\nlayout: post\ntitle: \"A \\\"b\\\"\"\n---\nText",
        ),
        (
            "---\ntags:\n  - a\n---\n\n# Own\n\nText",
            "Own",
            "---\ntags:\n  - a\n---\nText",
        ),
        (
            "---\ntitle: Plain # why\n---\nText",
            "Plain",
            "---\ntitle: Plain # why\n---\nText",
        ),
        (
            "---\ntitle: >\n  Long\n---\n",
            "name",
            "---\ntitle: >\n  Long\n---\n",
        ),
        (
            "---\na rule: above\n---\n",
            "name",
            "---\na rule: above\n---\n",
        ),
        ("---\nkey: no end\n", "name", "---\nkey: no end\n"),
        ("", "name", ""),
    ];
    for (text, title, body) in cases {
        assert_eq!(
            page(text, Format::Markdown),
            Ok((title.to_owned(), body.to_owned())),
            "{text:?}"
        );
    }
}

#[test]
fn a_title_and_a_body_are_found_in_html() {
    let cases = [
        ("<p>Text</p>", "name", "<p>Text</p>"),
        ("<h1>Title</h1>\n<p>Text", "Title", "<p>Text"),
        (
            "<p>Text</p><h1 class=\"x\">A <b>B</b></h1>",
            "A B",
            "<p>Text</p><h1 class=\"x\">A <b>B</b></h1>",
        ),
        (
            "<!DOCTYPE html><HTML><head><TITLE>\n R&amp;D &#x2013; &#65;&copy;\n</TITLE></head>\
             <BODY class=a>\n<h1>Other</h1>Text\n</BODY></HTML>",
            "R&D – A©",
            "<h1>Other</h1>Text",
        ),
        (
            "<title>Same</title><body><h1>Same</h1> <p>Text</body>",
            "Same",
            "<p>Text",
        ),
        (
            "<title></title><header>x</header><h1>Title</h1>",
            "Title",
            "<title></title><header>x</header><h1>Title</h1>",
        ),
        (
            "<titles>no</titles><h10>no</h10>",
            "name",
            "<titles>no</titles><h10>no</h10>",
        ),
        ("<h1>A & B < C", "A & B", ""),
        (
            "<title>Caf&eacute; &frac12; &hearts;&rarr; &nosuch;</title>",
            "Café ½ ♥→ &nosuch;",
            "<title>Caf&eacute; &frac12; &hearts;&rarr; &nosuch;</title>",
        ),
        ("<title", "name", "<title"),
        ("<body>Ünï", "name", "Ünï"),
    ];
    for (text, title, body) in cases {
        assert_eq!(
            page(text, Format::Html),
            Ok((title.to_owned(), body.to_owned())),
            "{text:?}"
        );
    }
}

#[test]
fn invalid_document_cannot_be_sent_by_a_form() {
    let wrong =
        |bytes: &[u8]| Page::read(bytes, Format::Markdown, "name", str::to_owned).unwrap_err();
    assert!(wrong(b"caf\xe9").contains("UTF-8"));
    assert!(wrong(b"a\0b").contains("character 0"));
    assert!(wrong(format!("# {}", "x".repeat(201)).as_bytes()).contains("200"));
}

fn file(path: &str, modified: i64) -> FileEntry {
    let content_type = "application/octet-stream".to_owned();
    FileEntry {
        path: path.to_owned(),
        blob: String::new(),
        size: 1,
        content_type,
        modified,
    }
}

/// A staged file with a byte in it.
fn staged(data: &Data, path: &str, modified: i64) -> (Staged, String) {
    let mut pending = Pending::create(&data.blobs).unwrap();
    std::io::Write::write_all(pending.file(), b"x").unwrap();
    let blob = pending.name().to_owned();
    let item = Item::File(FileEntry {
        blob: blob.clone(),
        ..file(path, modified)
    });
    (
        Staged {
            source: path.into(),
            item,
            pending: Some(pending),
        },
        blob,
    )
}

fn commit(data: &Data, staged: Vec<Staged>) -> Vec<Verdict> {
    let mut batch = Batch::default();
    staged.into_iter().for_each(|staged| batch.add(staged));
    batch
        .commit(data)
        .unwrap()
        .into_iter()
        .map(|(_, verdict)| verdict)
        .collect()
}

#[test]
fn blobs_are_there_as_long_as_a_row_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::without_samples(folder.path()).unwrap();
    let is_there = |blob: &str| data.blobs.blob(blob).is_ok();
    let root = Item::Folder {
        path: "/".to_owned(),
        title: "Root".to_owned(),
    };
    let root = Staged {
        source: "/".into(),
        item: root,
        pending: None,
    };
    let (a, first) = staged(&data, "/a", 1);
    let (lost, no_folder) = staged(&data, "/b/c", 1);
    let verdicts = commit(&data, vec![root, a, lost]);
    assert!(
        matches!(
            &verdicts[..],
            [Verdict::New, Verdict::New, Verdict::Blocked(_)]
        ),
        "{verdicts:?}"
    );
    assert_eq!((is_there(&first), is_there(&no_folder)), (true, false));
    // The same item again, as by another import, and then a different one.
    let (same, second) = staged(&data, "/a", 1);
    assert_eq!(commit(&data, vec![same]), [Verdict::Same]);
    let (other, third) = staged(&data, "/a", 2);
    assert_eq!(
        commit(&data, vec![other]),
        [Verdict::Other(Some(first.clone()))]
    );
    assert_eq!(
        (is_there(&first), is_there(&second), is_there(&third)),
        (false, false, true)
    );
    // Never committed.
    let (dropped, fourth) = staged(&data, "/d", 1);
    drop(dropped);
    assert!(!is_there(&fourth));
}

#[test]
fn failed_commit_leaves_its_blobs_to_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::without_samples(folder.path()).unwrap();
    let mut connection = data.engine.connect().unwrap();
    connection
        .sqlite()
        .execute_batch("DROP TABLE file")
        .unwrap();
    let (file, blob) = staged(&data, "/a", 1);
    let mut batch = Batch::default();
    batch.add(file);
    assert!(batch.commit(&data).is_err());
    assert!(
        data.blobs.blob(&blob).is_ok(),
        "whether a row names it, nobody knows here"
    );
}

#[test]
fn no_path_is_both_a_page_and_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::without_samples(folder.path()).unwrap();
    let mut connection = data.engine.connect().unwrap();
    store::add(&mut connection, "/", "Root", Format::Markdown, "").unwrap();
    store::add(&mut connection, "/page", "Page", Format::Markdown, "text").unwrap();
    store::put_file(
        &mut connection,
        &FileEntry {
            blob: "x/1".to_owned(),
            ..file("/file", 1)
        },
    )
    .unwrap();
    let page = |path: &str, title: &str, format| {
        let page = Page {
            title: title.to_owned(),
            format,
            body: "text".to_owned(),
        };
        Item::Page {
            path: path.to_owned(),
            page,
            modified: 0,
        }
    };
    let folder = |path: &str| Item::Folder {
        path: path.to_owned(),
        title: String::new(),
    };
    let mut judge = |item: Item| item.judge(&mut connection).unwrap();
    let is_blocked = |verdict: Verdict| matches!(verdict, Verdict::Blocked(_));
    assert_eq!(judge(page("/new", "Page", Format::Markdown)), Verdict::New);
    assert_eq!(
        judge(page("/page", "Page", Format::Markdown)),
        Verdict::Same
    );
    assert_eq!(
        judge(page("/page", "Title", Format::Markdown)),
        Verdict::Other(None)
    );
    assert_eq!(
        judge(page("/page", "Page", Format::Html)),
        Verdict::Other(None)
    );
    assert!(is_blocked(judge(page("/file", "Page", Format::Markdown))));
    assert_eq!(
        (judge(folder("/page")), judge(folder("/new"))),
        (Verdict::Same, Verdict::New)
    );
    assert!(is_blocked(judge(folder("/file"))));
    assert_eq!(judge(Item::File(file("/file", 1))), Verdict::Same);
    assert_eq!(
        judge(Item::File(file("/file", 2))),
        Verdict::Other(Some("x/1".to_owned()))
    );
    assert!(is_blocked(judge(Item::File(file("/page", 1)))));
}

#[test]
fn a_copy_stops_between_two_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    let to = folder.path().join("to");
    let length = (17 << 20) + 5;
    let bytes: Vec<u8> = (0..length).map(|index: u32| (index % 251) as u8).collect();
    fs::write(&from, &bytes).unwrap();
    let files = || {
        (
            fs::File::open(&from).unwrap(),
            fs::File::create(&to).unwrap(),
        )
    };
    let (source, mut target) = files();
    let mut steps = Vec::new();
    let copied = copy::copy(&source, &mut target, &Stop::default(), |bytes| {
        steps.push(bytes);
    })
    .unwrap();
    assert_eq!(copied, Some(u64::from(length)));
    assert_eq!(steps, [8 << 20, 8 << 20, (1 << 20) + 5]);
    assert_eq!(fs::read(&to).unwrap(), bytes);
    let stop = Stop::default();
    let (source, mut target) = files();
    assert_eq!(
        copy::copy(&source, &mut target, &stop, |_| stop.set()).unwrap(),
        None
    );
    assert_eq!(target.metadata().unwrap().len(), 8 << 20);
}
