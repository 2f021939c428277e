//! Two processes that share a data folder, as two units of systemd do.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::database::another_program;
use super::peer::{Peer, upload};
use super::{Running, eventually};

const FLAGS: [&str; 1] = ["--agent=127.0.0.1:0"];

/// Both processes, started at the same moment.
fn pair(data: &Path) -> [Running; 2] {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let start = || {
            barrier.wait();
            Running::start(data, &FLAGS)
        };
        let starting = [scope.spawn(start), scope.spawn(start)];
        starting.map(|one| one.join().unwrap())
    })
}

/// The blobs on the disk, by the names that rows have.
fn blobs(data: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for writer in std::fs::read_dir(data.join("blobs")).unwrap() {
        let writer = writer.unwrap();
        if !writer.file_type().unwrap().is_dir() {
            continue;
        }
        for blob in std::fs::read_dir(writer.path()).unwrap() {
            let blob = blob.unwrap().file_name();
            let name = format!("{}/{}", writer.file_name().display(), blob.display());
            names.extend((blob != "lock").then_some(name));
        }
    }
    names
}

/// The blobs that rows name.
fn rows(data: &Path) -> BTreeSet<String> {
    let database = another_program(data);
    let mut select = database
        .prepare("SELECT blob FROM file UNION SELECT blob FROM scale")
        .unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn number(data: &Path, sql: &str) -> i64 {
    let database = another_program(data);
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Repeats a request until the answer is not 503, as a patient client does.
fn patiently(site: &Running, ask: impl Fn(&mut Peer) -> io::Result<super::peer::Answer>) -> u16 {
    let mut status = 503;
    eventually("an answer", || {
        let answer = ask(&mut site.peer()).unwrap();
        status = answer.status;
        !answer.is_try_again()
    });
    status
}

#[test]
fn two_that_start_together_fill_a_new_folder_once() {
    let folder = tempfile::tempdir().unwrap();
    let alone = tempfile::tempdir().unwrap();
    Running::start(alone.path(), &[]).end_well();
    for round in 0..3 {
        let data = folder.path().join(round.to_string());
        let sites = pair(&data);
        for site in &sites {
            assert_eq!(site.peer().get("/history").unwrap().status, 200);
            site.chord();
        }
        for count in [
            "SELECT count(*) FROM document",
            "SELECT count(*) FROM file",
            "SELECT count(*) FROM imported",
        ] {
            assert_eq!(number(&data, count), number(alone.path(), count), "{count}");
        }
        assert_eq!(blobs(&data), rows(&data));
        for site in sites {
            let said = site.end_well();
            assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
        }
    }
}

#[test]
fn no_addition_of_either_process_is_lost() {
    const CLIENTS: usize = 4;
    const EACH: usize = 25;
    let folder = tempfile::tempdir().unwrap();
    let sites = pair(folder.path());
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for site in &sites {
            for client in 0..CLIENTS {
                let done = &done;
                // The modes differ in the time at which a conflict is found.
                let path = ["/@@counter", "/@@counter?mode=wrapped"][client % 2];
                scope.spawn(move || {
                    for _ in 0..EACH {
                        let status = patiently(site, |peer| peer.ask("POST", path, ""));
                        assert_eq!(status, 200);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        }
    });
    let all = done.into_inner();
    assert_eq!(all, 2 * CLIENTS * EACH);
    for site in sites {
        let counter = site.peer().get("/@@counter").unwrap().text();
        assert_eq!(counter.trim(), all.to_string());
        site.end_well();
    }
}

/// Each process replaces and deletes files that the other one has stored.
#[test]
fn each_process_serves_what_the_other_one_stores() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = pair(folder.path());
    let form = "title=Shared&body=zorilla";
    assert_eq!(one.ask("POST", "/shared", form).status, 201);
    assert_eq!(other.peer().get("/shared").unwrap().status, 200);
    assert!(
        other
            .peer()
            .get("/?q=zorilla")
            .unwrap()
            .text()
            .contains("1 page")
    );
    assert_eq!(
        other
            .ask("POST", "/shared", "title=Shared&body=quagga")
            .status,
        204
    );
    let page = one.peer().get("/shared").unwrap().text();
    assert!(page.contains("quagga"), "{page}");
    assert!(
        one.peer()
            .get("/?q=zorilla")
            .unwrap()
            .text()
            .contains("No page")
    );

    // More than the kernel takes of a file that nobody reads.
    let large = |letter: u8| vec![letter; 24 << 20];
    let file = |site: &Running| site.peer().get("/file.bin").unwrap();
    assert_eq!(one.upload("file.bin", &large(b'a')).status, 201);
    let before = file(&other);
    assert!(before.body == large(b'a'), "byte for byte");
    // A reader that has begun reads the old file to its end.
    let mut reader = one.peer();
    reader
        .send("GET /file.bin HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    one.counts("euryale_blobs_open", 1);
    assert_eq!(other.upload("file.bin", &large(b'b')).status, 201);
    assert!(reader.answer().unwrap().body == large(b'a'), "the old one");
    assert!(file(&one).body == large(b'b'), "the new one");
    assert_eq!(blobs(folder.path()), rows(folder.path()));
    assert_eq!(one.ask("DELETE", "/file.bin", "").status, 204);
    assert_eq!(file(&other).status, 404);
    assert_eq!(blobs(folder.path()), rows(folder.path()));
    for site in [one, other] {
        site.end_well();
    }
}

/// The other process is receiving a file while the new process sweeps.
#[test]
fn process_that_is_killed_and_started_again_sweeps_only_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let [killed, other] = pair(folder.path());
    let content = vec![b'c'; 4 << 20];
    assert_eq!(killed.upload("kept.bin", &content).status, 201);
    let whole = upload("slow.bin", &content);
    let (first, last) = whole.split_at(3 << 20);
    let mut slow = other.peer();
    slow.send(first).unwrap();
    eventually("it is in a file", || other.nameless("/blobs/") == 1);
    // A file with a name but without a row, as left by a kill between the two.
    let kept = blob_of(folder.path(), "/kept.bin");
    let (writer, _) = kept.split_once('/').unwrap();
    let left = folder.path().join("blobs").join(writer).join("999999");
    std::fs::write(left, "left").unwrap();
    killed.signal("-KILL");
    let (code, said) = killed.end();
    assert_eq!(code, None, "{said}");

    let again = Running::start(folder.path(), &FLAGS);
    assert!(
        again
            .said()
            .contains("removed files that no page names files=1"),
        "{}",
        again.said()
    );
    slow.send(last).unwrap();
    assert_eq!(slow.answer().unwrap().status, 201);
    for site in [&again, &other] {
        for name in ["/kept.bin", "/slow.bin"] {
            assert!(site.peer().get(name).unwrap().body == content, "{name}");
        }
    }
    assert_eq!(blobs(folder.path()), rows(folder.path()));
    for site in [again, other] {
        site.end_well();
    }
    // A later start finds nothing to sweep.
    let said = Running::start(folder.path(), &FLAGS).end_well();
    assert!(!said.contains("removed files"), "{said}");
}

/// The blob of the file at `path`.
fn blob_of(data: &Path, path: &str) -> String {
    let database = another_program(data);
    let sql = "SELECT blob FROM file WHERE path = ?1";
    database.query_row(sql, [path], |row| row.get(0)).unwrap()
}

struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// As in the recipe for systemd: one process is restarted while the other one serves, and then the
/// other one.
#[test]
fn each_can_be_restarted_while_the_other_one_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut sites = pair(folder.path());
    let addresses = sites
        .each_ref()
        .map(|site| [site.public[0], site.admin, site.agent.unwrap()]);
    let is_over = AtomicBool::new(false);
    let counted = AtomicUsize::new(0);
    let unknown = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let is_over = &is_over;
            let counted = &counted;
            let unknown = &unknown;
            scope.spawn(move || {
                let mut turn = client;
                while !is_over.load(Ordering::Relaxed) {
                    // Like a balancer: uses the next process if this one does not answer.
                    turn += 1;
                    let Ok(mut peer) = Peer::connect(addresses[turn % 2][0]) else {
                        continue;
                    };
                    match peer.ask("POST", "/@@counter", "") {
                        Ok(answer) if answer.status == 200 => {
                            counted.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(answer) => assert!(answer.is_try_again(), "{answer:?}"),
                        // Closed without an answer, before or after the commit.
                        Err(_) => {
                            unknown.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        // Clients end even if this thread panics.
        let end = EndOnDrop(&is_over);
        for round in 0..4 {
            let before = counted.load(Ordering::Relaxed);
            let turn = round % 2;
            sites[turn].signal("-TERM");
            let code = super::exit_code(&mut sites[turn].child);
            assert_eq!(code, Some(0), "{}", sites[turn].said());
            eventually("the other one answers", || {
                counted.load(Ordering::Relaxed) > before + 3
            });
            sites[turn] = Running::start_at(addresses[turn], folder.path(), &[]);
        }
        drop(end);
    });
    let counter = sites[0].peer().get("/@@counter").unwrap().text();
    let counter: usize = counter.trim().parse().unwrap();
    let counted = counted.into_inner();
    let most = counted + unknown.into_inner();
    assert!(
        (counted..=most).contains(&counter),
        "{counted}..={most}: {counter}"
    );
    for site in sites {
        site.end_well();
    }
}
