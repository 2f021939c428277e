use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use euryale::{Abort, Error, ErrorKind, Fault, Pool};
use euryale_test::{Behaviour, CountingDatabase, Step, assert_quiet};
use tempfile::TempDir;

use super::*;

/// A folder of blobs, and a database that does as it is told.
struct Folder {
    root: TempDir,
    blobs: Blobs,
    database: CountingDatabase,
    pool: Pool<CountingDatabase>,
}

impl Folder {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path()).unwrap();
        let database = CountingDatabase::new();
        let pool = Pool::new(database.clone(), 1);
        Self { root, blobs, database, pool }
    }

    /// What `f` does, in a transaction of the database.
    async fn transaction<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Blobs, &mut Transaction<'_, CountingDatabase>) -> Result<T, Abort> + Send + 'static,
    ) -> Result<T, Error> {
        let blobs = self.blobs.clone();
        let done = self.pool.transaction(move |transaction| {
            transaction.connection()?;
            f(&blobs, transaction)
        });
        done.await
    }

    /// Keeps texts; gives their names.
    async fn keep<const N: usize>(&self, texts: [&'static str; N]) -> Result<[String; N], Error> {
        self.transaction(move |blobs, transaction| {
            let mut names = Vec::new();
            for text in texts {
                names.push(blobs.keep(SpooledBody::from(text), transaction)?);
            }
            Ok(names.try_into().unwrap())
        })
        .await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// All that stands in the folder: blobs and locks.
    fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for writer in fs::read_dir(self.root.path()).unwrap() {
            let writer = writer.unwrap();
            let folder = writer.file_name().display().to_string();
            for blob in fs::read_dir(writer.path()).unwrap() {
                names.insert(format!("{folder}/{}", blob.unwrap().file_name().display()));
            }
            names.insert(folder);
        }
        names
    }

    /// What a process that has ended left: a folder with a lock that nobody holds, and files.
    fn leave(&self, writer: &str, files: &[&str]) {
        fs::create_dir(self.path(writer)).unwrap();
        fs::write(self.path(writer).join(writer::LOCK), "").unwrap();
        files.iter().for_each(|file| fs::write(self.path(writer).join(file), "left").unwrap());
    }

    async fn end(self) {
        assert_eq!(self.pool.ledger().transactions.finish_failures.get(), 0);
        assert_quiet(self.pool.ledger()).await;
    }
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[tokio::test]
async fn what_is_kept_is_there_after_the_commit_and_not_before() {
    let folder = Folder::new();
    let before = folder.transaction(|blobs, transaction| {
        let name = blobs.keep(SpooledBody::from("one"), transaction)?;
        assert_eq!(blobs.read(&name).unwrap_err().kind(), io::ErrorKind::NotFound);
        Ok(name)
    });
    let name = before.await.unwrap();
    assert_eq!(folder.text(&name), "one");
    assert_eq!(folder.blobs.read(&name).unwrap().len(), 3);
    let [second, third] = folder.keep(["two", "three"]).await.unwrap();
    assert_eq!([folder.text(&second), folder.text(&third)], ["two", "three"]);
    assert_eq!(folder.names().len(), 5, "three files, a folder and its lock: {:?}", folder.names());
    folder.end().await;
}

#[tokio::test]
async fn what_is_kept_is_gone_after_an_abort() {
    let folder = Folder::new();
    folder.keep(["one"]).await.unwrap();
    let before = folder.names();
    let aborted: Result<(), _> = folder
        .transaction(|blobs, transaction| {
            blobs.keep(SpooledBody::from("two"), transaction)?;
            Err(Abort::status(http::StatusCode::CONFLICT))
        })
        .await;
    assert_eq!(aborted.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(folder.names(), before);
    // After the votes.
    for fault in [Fault::Conflict, Fault::Other] {
        folder.database.script(Step::Commit, [Behaviour::Fail(fault)]);
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
    let body = SpooledBody::file(file).unwrap();
    let keep = || {
        let body = body.clone();
        folder.transaction(move |blobs, transaction| Ok(blobs.keep(body, transaction)?))
    };
    folder
        .database
        .script(Step::Commit, [Behaviour::Fail(Fault::Conflict), Behaviour::Fail(Fault::Conflict)]);
    for _ in 0..2 {
        assert_eq!(keep().await.unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(folder.names().len(), 2, "a folder and its lock: {:?}", folder.names());
    }
    let [first, second] = [keep().await.unwrap(), keep().await.unwrap()];
    assert_eq!([folder.text(&first), folder.text(&second)], ["spooled"; 2]);
    folder.end().await;
}

#[tokio::test]
async fn a_vote_that_fails_undoes_those_before_it_and_no_file_of_others() {
    let folder = Folder::new();
    let [name] = folder.keep(["one"]).await.unwrap();
    let (writer, _) = name.split_once('/').unwrap();
    let taken = format!("{writer}/3");
    fs::write(folder.path(&taken), "of others").unwrap();
    let before = folder.names();
    folder.database.story();
    folder.keep(["two", "three", "four"]).await.unwrap_err();
    assert_eq!(folder.database.story(), "begin write · abort");
    assert_eq!((folder.names(), folder.text(&taken)), (before, "of others".to_owned()));
    let [again] = folder.keep(["five"]).await.unwrap();
    assert_eq!(folder.text(&again), "five");
    folder.end().await;
}

#[tokio::test]
async fn what_is_removed_goes_after_the_commit_and_stays_after_an_abort() {
    let folder = Folder::new();
    let [name] = folder.keep(["one"]).await.unwrap();
    let remove = |name: &str| {
        let name = name.to_owned();
        folder.transaction(move |blobs, transaction| {
            blobs.remove(&name, transaction);
            assert!(blobs.read(&name).is_ok());
            Ok(())
        })
    };
    folder.database.script(Step::Commit, [Behaviour::Fail(Fault::Conflict), Behaviour::Fail(Fault::Other)]);
    for _ in 0..2 {
        remove(&name).await.unwrap_err();
        assert_eq!(folder.text(&name), "one");
    }
    remove(&name).await.unwrap();
    assert!(!folder.names().contains(&name));
    folder.end().await;
}

#[tokio::test]
async fn a_removal_of_what_is_gone_has_succeeded() {
    let folder = Folder::new();
    folder.leave("0", &["1"]);
    let removed = folder.transaction(|blobs, transaction| {
        blobs.remove("0/1", transaction);
        // By another process, which starts now.
        transaction.join(Swept(blobs.folder().join("0/1")));
        Ok(())
    });
    removed.await.unwrap();
    folder.end().await;
}

/// Has a file removed before those are told to end it that joined for that.
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
    folder.database.script(Step::Commit, [Behaviour::Fail(Fault::InDoubt)]);
    let removed = old.clone();
    let doubt = folder.transaction(move |blobs, transaction| {
        blobs.keep(SpooledBody::from("new"), transaction)?;
        blobs.remove(&removed, transaction);
        Ok(())
    });
    assert_eq!(doubt.await.unwrap_err().kind(), ErrorKind::InDoubt);
    let after = folder.names();
    let new: Vec<_> = after.difference(&before).collect();
    assert_eq!((new.len(), folder.text(new[0])), (1, "new".to_owned()));
    assert_eq!(folder.text(&old), "old");
    folder.end().await;
}

#[test]
fn what_ended_processes_left_goes_if_nobody_names_it() {
    let folder = Folder::new();
    folder.leave("0", &["1", "2"]);
    folder.leave("1", &["1"]);
    // Killed before it had a lock, or in the middle of a sweep.
    fs::create_dir(folder.path("2")).unwrap();
    // Of nobody here.
    fs::write(folder.path("3"), "a note").unwrap();
    let mut asked = BTreeSet::new();
    let swept = folder.blobs.sweep(|name| {
        asked.insert(name.to_owned());
        Ok(name == "0/2")
    });
    assert_eq!(swept.unwrap(), 2);
    assert_eq!(asked, set(["0/1", "0/2", "1/1"]));
    fs::remove_file(folder.path("3")).unwrap();
    assert_eq!(folder.names(), set(["0", "0/2", "0/lock"]));
}

#[test]
fn a_database_that_cannot_be_asked_stops_the_sweep() {
    let folder = Folder::new();
    folder.leave("0", &["1"]);
    let before = folder.names();
    assert!(folder.blobs.sweep(|_| Err("no answer".into())).is_err());
    assert_eq!(folder.names(), before);
}

#[tokio::test]
async fn a_writer_that_lives_is_left_alone_and_two_handles_are_two() {
    let folder = Folder::new();
    let [name] = folder.keep(["one"]).await.unwrap();
    let other = Blobs::open(folder.root.path()).unwrap();
    let (created, _file) = other.create().unwrap();
    assert_ne!(name.split('/').next(), created.split('/').next());
    let before = folder.names();
    for blobs in [&folder.blobs, &other, &Blobs::open(folder.root.path()).unwrap()] {
        let swept = blobs.sweep(|name| panic!("{name} is not asked for"));
        assert_eq!((swept.unwrap(), folder.names()), (0, before.clone()));
    }
    folder.end().await;
}

#[test]
fn a_file_that_goes_during_a_sweep_is_in_nobodys_way() {
    let folder = Folder::new();
    folder.leave("0", &["1", "2"]);
    // Another process, that lives, has committed a removal and ends it now.
    let swept = folder.blobs.sweep(|name| {
        fs::remove_file(folder.path(name)).unwrap();
        Ok(false)
    });
    assert_eq!(swept.unwrap(), 0);
    assert!(folder.names().is_empty());
}

#[test]
fn sweeps_at_the_same_time_are_in_nobodys_way() {
    let folder = Folder::new();
    for _ in 0..5 {
        (0..50).for_each(|writer| folder.leave(&writer.to_string(), &["1", "2"]));
        let swept: u64 = std::thread::scope(|scope| {
            let sweeps = [(); 4].map(|()| scope.spawn(|| folder.blobs.sweep(|_| Ok(false)).unwrap()));
            sweeps.map(|sweep| sweep.join().unwrap()).into_iter().sum()
        });
        assert_eq!((swept, folder.names()), (100, BTreeSet::new()));
    }
}

#[test]
fn writers_that_begin_during_sweeps_keep_what_they_write() {
    let folder = Folder::new();
    let done = AtomicBool::new(false);
    let sweep = || {
        while !done.load(SeqCst) {
            folder.blobs.sweep(|_| Ok(false)).unwrap();
        }
    };
    let begin = |_| {
        let blobs = Blobs::open(folder.root.path())?;
        blobs.create().map(|(name, _)| (name, blobs))
    };
    let kept: Vec<io::Result<_>> = std::thread::scope(|scope| {
        let sweeps = [(); 2].map(|()| scope.spawn(sweep));
        let kept = (0..50).map(begin).collect();
        done.store(true, SeqCst);
        for sweep in sweeps {
            sweep.join().unwrap();
        }
        kept
    });
    for kept in kept {
        let (name, blobs) = kept.unwrap();
        assert!(blobs.read(&name).is_ok(), "{name}");
    }
}
