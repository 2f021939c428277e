//! Tests of stores in transactions, for every way in which a transaction ends.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use euryale_core::body::SpooledBody;
use euryale_core::error::{CONFLICT, IN_DOUBT, REFUSED};
use euryale_core::transaction::{Fault, Participant};
use euryale_core::{Abort, BoxError};
use euryale_test::{Behaviour, Step};

use super::{BlobStore, Folder, FolderStore};
use crate::{StoreBook, WrongLength};

#[tokio::test]
async fn a_kept_blob_is_on_the_disk_before_the_connection_is_taken() {
    let folder = Folder::new();
    let before = folder.transaction(|store, transaction| {
        let name = store.keep(SpooledBody::from("one"), transaction)?;
        assert_eq!(
            store.blob(&name).unwrap().len(),
            3,
            "nobody waits for the disk with the database locked"
        );
        Ok(name)
    });
    let name = before.await.unwrap();
    assert_eq!(folder.text(&name), "one");
    assert_eq!(folder.store.blob(&name).unwrap().len(), 3);
    let [second, third] = folder.keep(["two", "three"]).await.unwrap();
    assert_eq!(
        [folder.text(&second), folder.text(&third)],
        ["two", "three"]
    );
    assert_eq!(
        folder.names().len(),
        5,
        "three files, a folder and its lock: {:?}",
        folder.names()
    );
    folder.end().await;
}

#[tokio::test]
async fn a_kept_blob_is_removed_after_an_abort() {
    let folder = Folder::new();
    folder.keep(["one"]).await.unwrap();
    let before = folder.names();
    let aborted: Result<(), _> = folder
        .transaction(|store, transaction| {
            store.keep(SpooledBody::from("two"), transaction)?;
            Err(Abort::status(http::StatusCode::CONFLICT))
        })
        .await;
    assert_eq!(aborted.unwrap_err().code(), REFUSED);
    assert_eq!(folder.names(), before);
    // The transaction fails after the votes.
    for fault in [Fault::Conflict, Fault::Other] {
        folder
            .database
            .script(Step::Commit, [Behaviour::Fail(fault)]);
        folder.keep(["two", "three"]).await.unwrap_err();
        assert_eq!(folder.names(), before, "{fault:?}");
    }
    folder.end().await;
}

#[tokio::test]
async fn a_spooled_file_that_was_taken_back_is_kept_by_the_next_attempt() {
    let folder = Folder::new();
    let mut file = tempfile::tempfile_in(folder.root.path()).unwrap();
    file.write_all(b"spooled").unwrap();
    let spooled = file.metadata().unwrap().ino();
    let body = SpooledBody::file(file).unwrap();
    let keep = || {
        let body = body.clone();
        folder.transaction(move |store, transaction| Ok(store.keep(body, transaction)?))
    };
    folder.database.script(
        Step::Commit,
        [
            Behaviour::Fail(Fault::Conflict),
            Behaviour::Fail(Fault::Conflict),
        ],
    );
    for _ in 0..2 {
        assert_eq!(keep().await.unwrap_err().code(), CONFLICT);
        assert_eq!(
            folder.names().len(),
            3,
            "a folder, its lock and the file: {:?}",
            folder.names()
        );
    }
    let [first, second] = [keep().await.unwrap(), keep().await.unwrap()];
    assert_eq!(
        folder.names().len(),
        4,
        "nothing else is left: {:?}",
        folder.names()
    );
    for name in [&first, &second] {
        assert_eq!(folder.text(name), "spooled");
        assert_eq!(
            fs::metadata(folder.path(name)).unwrap().ino(),
            spooled,
            "no byte was copied"
        );
    }
    folder.end().await;
}

/// The client has disconnected, or the attempts are exhausted: the name that was kept for another
/// attempt is removed with the body.
#[tokio::test]
async fn a_spooled_file_that_was_taken_back_is_removed_with_its_body() {
    let folder = Folder::new();
    let before = folder.names();
    let mut file = tempfile::tempfile_in(folder.root.path()).unwrap();
    file.write_all(b"spooled").unwrap();
    let body = SpooledBody::file(file).unwrap();
    folder
        .database
        .script(Step::Commit, [Behaviour::Fail(Fault::Conflict)]);
    let kept = body.clone();
    let copied = SpooledBody::from("in memory");
    let conflict = folder.transaction(move |store, transaction| {
        Ok([
            store.keep(kept.clone(), transaction)?,
            store.keep(kept, transaction)?,
            store.keep(copied, transaction)?,
        ])
    });
    assert_eq!(conflict.await.unwrap_err().code(), CONFLICT);
    assert_eq!(
        folder.names().len(),
        before.len() + 3,
        "one name: {:?}",
        folder.names()
    );
    drop(body);
    assert_eq!(
        folder.names().len(),
        before.len() + 2,
        "a folder and its lock: {:?}",
        folder.names()
    );
    folder.end().await;
}

/// Another process sweeps after the writer has ended. The body can still be kept, by a copy.
#[tokio::test]
async fn a_name_that_was_kept_for_another_attempt_may_be_swept() {
    let folder = Folder::new();
    let mut file = tempfile::tempfile_in(folder.root.path()).unwrap();
    file.write_all(b"spooled").unwrap();
    let body = SpooledBody::file(file).unwrap();
    let taken_back = folder.root.path().join("taken back");
    body.persist(&taken_back).unwrap();
    body.take_back(&taken_back).unwrap();
    fs::remove_file(&taken_back).unwrap();
    let kept = body.clone();
    let name = folder
        .transaction(move |store, transaction| Ok(store.keep(kept, transaction)?))
        .await
        .unwrap();
    drop(body);
    assert_eq!(folder.text(&name), "spooled");
    folder.end().await;
}

/// A name that was taken back may be used for another file once it has been removed.
#[test]
fn a_name_that_was_taken_back_may_be_reused_for_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("name");
    for persisted_elsewhere in [false, true] {
        let file = tempfile::tempfile_in(folder.path()).unwrap();
        rustix::io::pwrite(&file, b"first", 0).unwrap();
        let first = SpooledBody::file(file).unwrap();
        first.persist(&path).unwrap();
        first.take_back(&path).unwrap();
        fs::remove_file(&path).unwrap();
        SpooledBody::from("second").persist(&path).unwrap();
        if persisted_elsewhere {
            first.persist(folder.path().join("elsewhere")).unwrap();
        }
        drop(first);
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn a_failed_vote_undoes_earlier_votes_and_no_files_of_others() {
    let folder = Folder::new();
    let [name] = folder.keep(["one"]).await.unwrap();
    let (writer, _) = name.split_once('/').unwrap();
    let taken = format!("{writer}/3");
    fs::write(folder.path(&taken), "of others").unwrap();
    let before = folder.names();
    folder.database.story();
    folder.keep(["two", "three", "four"]).await.unwrap_err();
    assert_eq!(folder.database.story(), "begin write · abort");
    assert_eq!(
        (folder.names(), folder.text(&taken)),
        (before, "of others".to_owned())
    );
    let [again] = folder.keep(["five"]).await.unwrap();
    assert_eq!(folder.text(&again), "five");
    folder.end().await;
}

#[tokio::test]
async fn a_removed_blob_is_gone_after_the_commit_and_stays_after_an_abort() {
    let folder = Folder::new();
    let [name] = folder.keep(["one"]).await.unwrap();
    let remove = |name: &str| {
        let name = name.to_owned();
        folder.transaction(move |store, transaction| {
            store.remove(&name, transaction);
            assert!(store.blob(&name).is_ok());
            Ok(())
        })
    };
    folder.database.script(
        Step::Commit,
        [
            Behaviour::Fail(Fault::Conflict),
            Behaviour::Fail(Fault::Other),
        ],
    );
    for _ in 0..2 {
        remove(&name).await.unwrap_err();
        assert_eq!(folder.text(&name), "one");
    }
    remove(&name).await.unwrap();
    assert!(!folder.names().contains(&name));
    folder.end().await;
}

#[tokio::test]
async fn removing_a_missing_blob_succeeds() {
    let folder = Folder::new();
    folder.leave("0", &["1"]);
    let removed = folder.transaction(|store, transaction| {
        store.remove("0/1", transaction);
        // Another process removes the file before `finish`.
        transaction.join(Swept(store.folder().join("0/1")));
        Ok(())
    });
    removed.await.unwrap();
    folder.end().await;
}

/// Removes a file during the vote.
struct Swept(PathBuf);

impl Participant for Swept {
    fn vote(&mut self) -> Result<(), BoxError> {
        fs::remove_file(&self.0)?;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&mut self) {}
}

#[tokio::test]
async fn in_doubt_everything_is_kept() {
    let folder = Folder::new();
    let [old] = folder.keep(["old"]).await.unwrap();
    let before = folder.names();
    folder
        .database
        .script(Step::Commit, [Behaviour::Fail(Fault::InDoubt)]);
    let removed = old.clone();
    let doubt = folder.transaction(move |store, transaction| {
        store.keep(SpooledBody::from("new"), transaction)?;
        store.remove(&removed, transaction);
        Ok(())
    });
    assert_eq!(doubt.await.unwrap_err().code(), IN_DOUBT);
    let after = folder.names();
    let new: Vec<_> = after.difference(&before).collect();
    assert_eq!((new.len(), folder.text(new[0])), (1, "new".to_owned()));
    assert_eq!(folder.text(&old), "old");
    folder.end().await;
}

#[tokio::test]
async fn a_writer_keeps_its_lock_until_its_last_transaction_has_ended() {
    let folder = Folder::new();
    let store = FolderStore::open(folder.root.path()).unwrap();
    let root = folder.root.path().to_owned();
    let kept = folder.pool.claim().transaction_once(move |transaction| {
        transaction.connection()?;
        let name = store.keep(SpooledBody::from("one"), transaction)?;
        drop(store);
        // The sweep runs between the vote and the commit, when no row names the blob yet.
        transaction.join(Sweeping(root));
        Ok(name)
    });
    assert_eq!(folder.text(&kept.await.unwrap()), "one");
    assert_eq!(
        folder.store.sweep(|_| Ok(HashSet::new())).unwrap(),
        1,
        "then it has ended"
    );
    folder.end().await;
}

/// Simulates another process that starts while the participants vote.
struct Sweeping(PathBuf);

impl Participant for Sweeping {
    fn vote(&mut self) -> Result<(), BoxError> {
        FolderStore::open(&self.0)?.sweep(|_| Ok(HashSet::new()))?;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&mut self) {}
}

#[tokio::test]
async fn an_invalid_name_has_no_path() {
    let folder = Folder::new();
    folder.leave("0", &["1"]);
    fs::write(folder.path("note"), "of nobody here").unwrap();
    let absolute = folder.path("note").display().to_string();
    let before = folder.path("0/1");
    for name in [
        "",
        "0",
        "0/",
        "/1",
        "note",
        "0/lock",
        "0/../note",
        "../0/1",
        "0/1/",
        "0//1",
        "./0/1",
        &absolute,
    ] {
        let kinds = [
            folder.store.blob(name).unwrap_err().kind(),
            folder.store.discard(name).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [io::ErrorKind::NotFound; 2], "{name}");
        let name = name.to_owned();
        let removed = folder.transaction(move |store, transaction| {
            store.remove(&name, transaction);
            Ok(())
        });
        removed.await.unwrap();
    }
    assert!(before.exists() && folder.path("note").exists() && folder.path("0/lock").exists());
    folder.end().await;
}

#[test]
fn a_folder_is_created_with_its_parents() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("a/b/blobs");
    for _ in 0..2 {
        let store = FolderStore::open(&place).unwrap();
        assert_eq!((store.folder(), place.is_dir()), (&*place, true));
    }
    fs::write(root.path().join("file"), "").unwrap();
    let refused = FolderStore::open(root.path().join("file")).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn clones_are_one_writer() {
    let folder = Folder::new();
    let [one, other] =
        [&folder.store, &folder.store.clone()].map(|store| store.create().unwrap().0);
    assert_ne!(one, other);
    assert_eq!(one.split('/').next(), other.split('/').next());
    folder.store.sync().unwrap();
    folder.store.discard(&one).unwrap();
    assert_eq!(
        folder.store.blob(&one).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        folder.store.discard(&one).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    assert!(folder.store.blob(&other).is_ok());
}

#[tokio::test]
async fn a_blob_with_another_length_than_its_row_is_not_opened() {
    let folder = Folder::new();
    let [name] = folder.keep(["eleven byte"]).await.unwrap();
    assert_eq!(folder.store.blob_of_len(&name, 11).unwrap().len(), 11);
    for (found, content) in [(0, ""), (4, "elev"), (12, "twelve bytes")] {
        fs::write(folder.path(&name), content).unwrap();
        let error = folder.store.blob_of_len(&name, 11).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let wrong = error.get_ref().unwrap().downcast_ref::<WrongLength>();
        let wrong = wrong.unwrap();
        assert_eq!((wrong.found(), wrong.expected()), (found, 11));
        let line = error.to_string();
        let place = folder.path(&name).display().to_string();
        assert!(line.contains(&place) && line.contains("backup"), "{line}");
    }
    assert_eq!(folder.ledger.of::<StoreBook>().damaged.get(), 3);
    let none = folder.store.blob_of_len("ab/1", 11).unwrap_err();
    assert_eq!(none.kind(), io::ErrorKind::NotFound);
    folder.end().await;
}

/// As if a volume was unmounted: an upload must not end up beneath the mount point.
#[tokio::test]
async fn nothing_is_added_to_a_folder_that_has_lost_its_mark() {
    let folder = Folder::new();
    folder.store.adopt("one").unwrap();
    folder.store.adopt("one").unwrap();
    assert_eq!(folder.store.mark().unwrap().as_deref(), Some("one"));
    folder.store.check().unwrap();
    let mark = folder.path("owner");
    fs::rename(&mark, folder.path("away")).unwrap();
    let error = folder.store.check().unwrap_err().to_string();
    let place = folder.root.path().display().to_string();
    assert!(error.contains(&place) && error.contains("mount"), "{error}");
    folder.keep(["one"]).await.unwrap_err();
    assert_eq!(
        folder.store.create().unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    let there = fs::read_dir(folder.root.path()).unwrap().count();
    assert_eq!(there, 1, "what was moved away, and no folder of a writer");
    fs::rename(folder.path("away"), &mark).unwrap();
    let [name] = folder.keep(["one"]).await.unwrap();
    assert_eq!(folder.text(&name), "one");
    folder.end().await;
}

#[test]
fn a_folder_with_only_an_unfinished_mark_is_unused() {
    for (name, content, is_unused) in [
        ("owner.4711", "on", true),
        ("owner", "", true),
        ("owner", "one", false),
        ("owner.", "", false),
        ("owner.txt", "", false),
        ("note", "", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(folder.path()).unwrap();
        assert!(store.is_unused().unwrap());
        fs::write(folder.path().join(name), content).unwrap();
        assert_eq!(store.is_unused().unwrap(), is_unused, "{name} {content:?}");
    }
}

#[test]
fn a_folder_of_another_database_is_not_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let open = || FolderStore::open(folder.path()).unwrap();
    let store = open();
    assert_eq!(store.mark().unwrap(), None);
    store.adopt("one").unwrap();
    assert_eq!(
        store.adopt("two").unwrap_err().kind(),
        io::ErrorKind::AlreadyExists
    );
    assert_eq!(
        open().adopt("two").unwrap_err().kind(),
        io::ErrorKind::AlreadyExists
    );
    open().adopt("one").unwrap();
    // A crash leaves an empty file, which is written again.
    fs::write(folder.path().join("owner"), "").unwrap();
    open().adopt("two").unwrap();
    assert_eq!(store.check().unwrap_err().kind(), io::ErrorKind::NotFound);
}
