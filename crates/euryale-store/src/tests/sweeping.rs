//! Tests of the sweep.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::{BlobStore, Folder, FolderStore, set};

#[test]
fn unnamed_blobs_of_ended_processes_are_swept() {
    let folder = Folder::new();
    folder.leave("0", &["1", "2"]);
    folder.leave("1", &["1"]);
    // The folder of a process that was killed before it had a lock, or during a sweep.
    fs::create_dir(folder.path("2")).unwrap();
    // Not a writer's folder.
    fs::write(folder.path("3"), "a note").unwrap();
    let mut asked = BTreeSet::new();
    let swept = folder.store.sweep(|names| {
        asked.extend(names.iter().cloned());
        Ok(names
            .iter()
            .filter(|name| *name == "0/2")
            .cloned()
            .collect())
    });
    assert_eq!(swept.unwrap(), 2);
    assert_eq!(asked, set(["0/1", "0/2", "1/1"]));
    fs::remove_file(folder.path("3")).unwrap();
    assert_eq!(folder.names(), set(["0", "0/2", "0/lock"]));
}

#[test]
fn names_are_queried_in_batches() {
    let folder = Folder::new();
    let files: Vec<String> = (0..2500).map(|number| number.to_string()).collect();
    folder.leave("0", &files.iter().map(String::as_str).collect::<Vec<_>>());
    let mut asked = Vec::new();
    let swept = folder.store.sweep(|names| {
        asked.push(names.len());
        Ok(names
            .iter()
            .filter(|name| name.ends_with('7'))
            .cloned()
            .collect())
    });
    assert_eq!((swept.unwrap(), asked), (2250, vec![1000, 1000, 500]));
    assert_eq!(folder.names().len(), 250 + 2);
}

#[test]
fn a_database_that_cannot_be_asked_stops_the_sweep() {
    let folder = Folder::new();
    folder.leave("0", &["1"]);
    let before = folder.names();
    assert!(folder.store.sweep(|_| Err("no answer".into())).is_err());
    assert_eq!(folder.names(), before);
}

#[tokio::test]
async fn blobs_of_a_running_writer_are_not_swept() {
    let folder = Folder::new();
    let [name] = folder.keep(["one"]).await.unwrap();
    let other = FolderStore::open(folder.root.path()).unwrap();
    let (created, _file) = other.create().unwrap();
    assert_ne!(name.split('/').next(), created.split('/').next());
    let before = folder.names();
    for store in [
        &folder.store,
        &other,
        &FolderStore::open(folder.root.path()).unwrap(),
    ] {
        let swept = store.sweep(|names| panic!("{names:?} are not asked for"));
        assert_eq!((swept.unwrap(), folder.names()), (0, before.clone()));
    }
    folder.end().await;
}

#[test]
fn a_file_that_disappears_during_a_sweep_is_not_an_error() {
    let folder = Folder::new();
    folder.leave("0", &["1", "2"]);
    // Another running process has committed a removal, and finishes it now.
    let swept = folder.store.sweep(|names| {
        names
            .iter()
            .for_each(|name| fs::remove_file(folder.path(name)).unwrap());
        Ok(HashSet::new())
    });
    assert_eq!(swept.unwrap(), 0);
    assert!(folder.names().is_empty());
}

#[test]
fn simultaneous_sweeps_succeed() {
    let folder = Folder::new();
    for _ in 0..5 {
        (0..50).for_each(|writer| folder.leave(&writer.to_string(), &["1", "2"]));
        let swept: u64 = std::thread::scope(|scope| {
            let sweeps = [(); 4]
                .map(|()| scope.spawn(|| folder.store.sweep(|_| Ok(HashSet::new())).unwrap()));
            sweeps.map(|sweep| sweep.join().unwrap()).into_iter().sum()
        });
        assert_eq!((swept, folder.names()), (100, BTreeSet::new()));
    }
}

#[test]
fn writers_that_begin_during_sweeps_keep_their_blobs() {
    let folder = Folder::new();
    let done = AtomicBool::new(false);
    let sweep = || {
        while !done.load(SeqCst) {
            folder.store.sweep(|_| Ok(HashSet::new())).unwrap();
        }
    };
    let begin = |_| {
        let store = FolderStore::open(folder.root.path())?;
        store.create().map(|(name, _)| (name, store))
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
        let (name, store) = kept.unwrap();
        assert!(store.blob(&name).is_ok(), "{name}");
    }
}

#[test]
fn other_files_are_not_swept() {
    let folder = Folder::new();
    folder.leave("0", &["1", "1.orig", ".nfs01"]);
    fs::create_dir(folder.path("lost+found")).unwrap();
    assert_eq!(folder.store.sweep(|_| Ok(HashSet::new())).unwrap(), 1);
    assert_eq!(
        folder.names(),
        set(["0", "0/.nfs01", "0/1.orig", "0/lock", "lost+found"])
    );
}
