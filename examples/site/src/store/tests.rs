//! Both engines give the same results, and each statement runs on both.

use std::cell::RefCell;
use std::collections::HashSet;

use euryale::Database;
use euryale::transaction::{Access, Fault};
use euryale_test::engines::Postgres;

use super::data::{Data, Location};
use super::sql::{self, Sql};
use super::{Connection, FileEntry, Format, Phrase, Place, Range, Tokenizer};
use crate::store;

thread_local! {
    static RAN: RefCell<HashSet<Sql>> = RefCell::default();
}

/// Notes that a statement ran in this thread.
pub(super) fn ran(sql: Sql) {
    RAN.with_borrow_mut(|ran| ran.insert(sql));
}

/// A new database on the server that the tests share, and the folder of its files.
fn postgres() -> Option<(tempfile::TempDir, Data)> {
    let server = Postgres::shared()?;
    let folder = tempfile::tempdir().unwrap();
    let location = Location {
        folder: folder.path().to_owned(),
        database: Place::Postgres(server.url(&server.create_database())),
    };
    let data = Data::without_samples(location).unwrap();
    Some((folder, data))
}

fn sqlite() -> (tempfile::TempDir, Data) {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::without_samples(folder.path()).unwrap();
    (folder, data)
}

fn file(path: &str, blob: &str) -> FileEntry {
    FileEntry {
        path: path.to_owned(),
        blob: blob.to_owned(),
        size: 5_000_000_000,
        content_type: "image/png".to_owned(),
        modified: 1_700_000_000,
    }
}

/// A phrase with the terms that the indexes have.
fn phrase(text: &str) -> Phrase {
    let mut tokenizer = Tokenizer::new().unwrap();
    tokenizer.learn([text]).unwrap();
    let words: Vec<_> = tokenizer.words(text).collect();
    let terms = words
        .into_iter()
        .filter_map(|word| tokenizer.term(&text[word]).unwrap());
    Phrase {
        text: text.to_owned(),
        terms: terms.collect(),
    }
}

/// Writes a site, and describes everything that can be read from it. The texts of the two engines
/// are compared.
fn story(connection: &mut Connection) -> store::Result<Vec<String>> {
    let mut seen = Vec::new();
    macro_rules! see {
        ($value:expr) => {
            seen.push(format!("{} = {:?}", stringify!($value), $value))
        };
    }
    see!(store::is_imported(connection)?);
    store::set_imported(connection)?;
    see!(store::is_imported(connection)?);
    see!(store::has_marked_blobs(connection)?);
    store::set_marked_blobs(connection)?;
    see!(store::has_marked_blobs(connection)?);
    see!(store::identity(connection)?.len());
    see!(store::some_blob(connection)?);

    let all = Range { skip: 0, most: 10 };
    store::add_at(
        connection,
        "/",
        "Home",
        Format::Markdown,
        "The first page.",
        0,
    )?;
    store::add_at(
        connection,
        "/b",
        "Été",
        Format::Html,
        "<p>an e-mail",
        1_000_000_000,
    )?;
    store::add_at(
        connection,
        "/a",
        "Zoë's \\ cats",
        Format::Markdown,
        "mail",
        253_402_300_799,
    )?;
    store::add_at(
        connection,
        "/a/x",
        "Cat",
        Format::Markdown,
        "A cat’s eye",
        -62_135_596_800,
    )?;
    store::add(connection, "/ab", "Not below a", Format::Markdown, "")?;
    store::change(connection, "/ab", "Not below /a", "cats' tails")?;
    store::replace(
        connection,
        "/b",
        "Été",
        Format::Html,
        "<p>an e-mail, été",
        1_000_000_001,
    )?;
    see!(store::document(connection, "/none")?.map(|found| found.path));
    for path in ["/", "/a", "/b", "/a/x"] {
        see!(store::document(connection, path)?);
    }
    see!(store::exists(connection, "/a")?);
    see!(store::exists(connection, "/c")?);
    see!(store::has_children(connection, "/a")?);
    see!(store::has_children(connection, "/b")?);
    see!(store::children(connection, "/", all)?);
    see!(store::children(
        connection,
        "/",
        Range { skip: 1, most: 1 }
    )?);
    see!(store::ancestors(connection, "/a/x/y")?);
    see!(store::texts_below(connection, "/a")?.len());
    see!(store::text_below(connection, "/a")?);
    see!(store::text_below(connection, "/none")?);
    let texts = store::texts_below(connection, "/")?;
    see!(
        texts
            .iter()
            .map(|text| (&text.path, text.position))
            .collect::<Vec<_>>()
    );
    // The page that was added now is the last one changed, but for the one in the year 9999.
    let recent = store::recent(connection, 9)?;
    see!(
        recent
            .iter()
            .map(|(entry, _)| &entry.path)
            .collect::<Vec<_>>()
    );
    see!(recent[0].1);
    see!(recent[2].1);

    for words in ["cat", "ete", "e-mail", "mail", "zoe's", "none"] {
        for folder in ["/", "/a"] {
            let hits = store::search(connection, folder, &[phrase(words)], 10, 4)?;
            let mut found: Vec<_> = hits.best.iter().map(|hit| (&hit.path, &hit.body)).collect();
            found.sort();
            see!((words, folder, found, hits.count, hits.more));
        }
    }
    let both = [phrase("cat"), phrase("eye")];
    see!(store::search(connection, "/", &both, 10, 100)?.best);
    // A word in the title counts more.
    let hits = store::search(connection, "/", &[phrase("cat")], 1, 100)?;
    see!(hits.best[0].path);

    store::put_file(connection, &file("/a/p.png", "1/1"))?;
    store::put_file(connection, &file("/p.png", "1/2"))?;
    store::put_scale(
        connection,
        &file("/p.png", "1/2"),
        200,
        &file("/p.png", "1/3"),
    )?;
    store::put_scale(
        connection,
        &file("/a/p.png", "1/1"),
        200,
        &file("/p.png", "1/4"),
    )?;
    see!(store::file(connection, "/p.png")?);
    see!(store::file(connection, "/a")?);
    see!(store::files(connection, "/", all)?);
    see!(store::files_below(connection, "/a", 10)?);
    see!(store::files_below(connection, "/", 1)?);
    see!(store::some_blob(connection)?.is_some());
    see!(store::scale(connection, &file("/p.png", "1/2"), 200)?);
    see!(store::scale(connection, &file("/p.png", "1/2"), 201)?);
    let names = ["1/1", "1/2", "1/3", "1/4", "1/5"].map(str::to_owned);
    let sorted = |named: HashSet<String>| {
        let mut named: Vec<String> = named.into_iter().collect();
        named.sort();
        named
    };
    see!(sorted(store::named(connection, &names)?));
    // Another content has other scales.
    store::put_file(connection, &file("/p.png", "1/5"))?;
    see!(sorted(store::named(connection, &names)?));
    see!(store::remove_scales(connection, &file("/a/p.png", "1/1"))?);
    store::put_scale(
        connection,
        &file("/p.png", "1/5"),
        200,
        &file("/p.png", "1/6"),
    )?;
    store::remove_file(connection, "/p.png")?;
    see!(store::scale(connection, &file("/p.png", "1/5"), 200)?);

    see!(store::counter(connection)?);
    store::set_counter(connection, 7)?;
    see!(store::counter(connection)?);
    see!(store::numbers(connection)?);
    store::remove(connection, "/a/x")?;
    see!(store::numbers(connection)?);
    let hits = store::search(connection, "/", &both, 10, 100)?;
    see!(hits.count);
    Ok(seen)
}

#[test]
fn every_statement_has_the_same_result_on_both_engines() {
    let Some((_folder, postgres)) = postgres() else {
        return;
    };
    let (_other, sqlite) = sqlite();
    let [one, other] = [&sqlite, &postgres].map(|data| {
        RAN.take();
        let told = data.write(|connection| {
            let told = story(connection);
            Ok(told?)
        });
        let mut ran = RAN.take();
        // SQLite's triggers do what this statement does.
        ran.insert(sql::INDEX);
        let missing = sql::ALL.iter().filter(|(_, sql)| !ran.contains(sql));
        let missing: Vec<&str> = missing.map(|(name, _)| *name).collect();
        assert_eq!(missing, [""; 0], "a statement that the story does not run");
        told.unwrap()
    });
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
}

/// Pages look for a path before they write to it. If two of them do that at the same time, one of
/// them is published again, and finds what the other one has written.
#[test]
fn second_writer_of_a_path_meets_a_conflict() {
    let Some((_folder, data)) = postgres() else {
        return;
    };
    let add = |connection: &mut Connection| {
        assert!(!store::exists(connection, "/new").unwrap());
        store::add(connection, "/new", "New", Format::Markdown, "")
    };
    let engine = &data.engine;
    let mut one = engine.connect().unwrap();
    let mut other = engine.connect().unwrap();
    engine.begin(&mut one, Access::Write.into()).unwrap();
    engine.begin(&mut other, Access::Write.into()).unwrap();
    add(&mut one).unwrap();
    let exists = store::exists(&mut other, "/new").unwrap();
    assert!(!exists);
    engine.commit(&mut one).unwrap();
    let error = add(&mut other).unwrap_err();
    assert_eq!(engine.fault(&error), Fault::Conflict, "{error}");
    engine.abort(&mut other).unwrap();
}
