//! A full disk: a small one in memory, which only the site sees.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use euryale_sqlite::rusqlite::Connection;

use super::peer::upload;
use super::{Running, eventually};

const KIB: usize = 1 << 10;

/// The commands for a mount that no other process sees: as root, or in a separate user namespace.
fn unshare() -> Option<&'static str> {
    let works = |flags: &&str| {
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let found = ["-m", "-rm"].into_iter().find(works);
    if found.is_none() {
        euryale_test::skip(
            "no file system can be mounted here: neither as root nor in a user namespace",
        );
    }
    found
}

impl Running {
    /// With `place` on a separate disk of 2 MiB, which `fill` prepares before the start.
    fn on_a_small_disk(flags: &str, place: &Path, fill: &str, data: &Path) -> Self {
        let place = place.display();
        let inside =
            format!("mount -t tmpfs -o size=2m none \"{place}\" && {fill} && exec \"$0\" \"$@\"");
        let shell = format!("exec unshare {flags} sh -c '{inside}' \"$0\" \"$@\"");
        Self::start_in(&shell, data, &[])
    }

    /// `path` as the site sees it.
    fn its(&self, path: &Path) -> PathBuf {
        Path::new("/proc")
            .join(self.child.id().to_string())
            .join("root")
            .join(path.strip_prefix("/").unwrap())
    }
}

#[test]
fn uploads_that_do_not_fit_are_refused_until_there_is_room() {
    let Some(flags) = unshare() else { return };
    let folder = tempfile::tempdir().unwrap();
    // The sample files need more room, so they stay below the mount.
    Running::start(folder.path(), &[]).end_well();
    let blobs = folder.path().join("blobs");
    let mark = std::fs::read_to_string(blobs.join("owner")).unwrap();
    let fill = format!(
        "echo {} > \"{}\"",
        mark.trim(),
        blobs.join("owner").display()
    );
    let site = Running::on_a_small_disk(flags, &blobs, &fill, folder.path());

    // A request that is still arriving occupies most of the disk.
    let content = vec![b'a'; 1536 * KIB];
    let on_its_way = upload("first.bin", &content);
    let mut first = site.peer();
    first.send(&on_its_way[..1500 * KIB]).unwrap();
    eventually("it came", || {
        site.metric("euryale_spool_bytes") > 1490 << 10
    });
    let refused = site.upload("second.bin", &vec![b'b'; 4096 * KIB]);
    assert_eq!(refused.status, 507, "{refused:?}");
    assert!(
        refused
            .text()
            .contains("\"title\":\"Insufficient Storage\""),
        "{}",
        refused.text()
    );
    assert_eq!(
        site.peer().get("/").unwrap().status,
        200,
        "pages are served all the time"
    );
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "1");

    // Small enough to stay in memory while it arrives; then it must be written to the disk.
    let small = vec![b'c'; 500 * KIB];
    let mut taken = 0;
    let refused = loop {
        let answer = site.upload(&format!("small{taken}.bin"), &small);
        if answer.status != 201 {
            break answer;
        }
        taken += 1;
    };
    assert_eq!(refused.status, 507, "{refused:?}");
    assert_eq!(
        site.peer()
            .get(&format!("/small{taken}.bin"))
            .unwrap()
            .status,
        404,
        "it is not there"
    );
    let writers = std::fs::read_dir(site.its(&blobs))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir());
    let kept = writers.map(|writer| {
        let files = std::fs::read_dir(writer).unwrap();
        files
            .filter(|file| file.as_ref().unwrap().file_name() != "lock")
            .count()
    });
    assert_eq!(kept.sum::<usize>(), taken, "nothing of it stays");
    for n in 0..taken {
        assert_eq!(
            site.ask("DELETE", &format!("/small{n}.bin"), "").status,
            204
        );
    }

    // This one succeeds, and occupies the disk permanently.
    first.send(&on_its_way[1500 * KIB..]).unwrap();
    assert_eq!(first.answer().unwrap().status, 201);
    assert!(site.peer().get("/first.bin").unwrap().body == content);
    assert_eq!(site.upload("second.bin", &content).status, 507);
    assert_eq!(site.ask("DELETE", "/first.bin", "").status, 204);
    assert_eq!(
        site.upload("second.bin", &content).status,
        201,
        "without a restart"
    );
    assert!(site.peer().get("/second.bin").unwrap().body == content);
    assert_eq!(
        (site.nameless("/blobs/"), site.metric("euryale_spool_bytes")),
        (0, 0)
    );

    let said = site.end_well();
    let reason = "no room left for the request body: No space left on device";
    assert_eq!(said.matches(reason).count(), 2, "{said}");
}

#[test]
fn a_database_that_cannot_grow_refuses_and_grows_when_there_is_room() {
    let Some(flags) = unshare() else { return };
    let folder = tempfile::tempdir().unwrap();
    Running::start(folder.path(), &[]).end_well();
    let data = folder.path().join("small");
    std::fs::create_dir(&data).unwrap();
    let from = folder.path().display();
    let to = data.display();
    let fill = format!(
        "cp \"{from}/site.db\" \"{to}\" && mkdir \"{to}/blobs\" && \
         cp \"{from}/blobs/owner\" \"{to}/blobs\""
    );
    let site = Running::on_a_small_disk(flags, &data, &fill, &data);
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "1");

    let filler = site.its(&data).join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4 * KIB]).is_ok() {}
    let form = format!("name=large&title=Large&body={}", "word+".repeat(100 * KIB));
    for _ in 0..3 {
        let refused = site.ask("POST", "/", &form);
        assert_eq!(refused.status, 507, "{refused:?}");
        assert!(
            refused
                .text()
                .contains("\"title\":\"Insufficient Storage\""),
            "{}",
            refused.text()
        );
        assert_eq!(
            site.peer().get("/large").unwrap().status,
            404,
            "nothing of it is there"
        );
        assert_eq!(
            site.peer().get("/@@counter").unwrap().text().trim(),
            "1",
            "pages are served"
        );
    }
    assert_eq!(site.metric("euryale_transactions_in_doubt_total"), 0);
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(
        site.ask("POST", "/", &form).status,
        201,
        "without a restart"
    );
    assert!(
        site.peer()
            .get("/large")
            .unwrap()
            .text()
            .contains("word word")
    );
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "2");

    // The content of that disk disappears with the process.
    let copy = tempfile::tempdir().unwrap();
    for name in ["site.db", "site.db-wal"] {
        std::fs::copy(site.its(&data).join(name), copy.path().join(name)).unwrap();
    }
    let copy = Connection::open(copy.path().join("site.db")).unwrap();
    let check: String = copy
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    let said = site.end_well();
    let reasons = said
        .lines()
        .filter(|line| line.contains("ERROR") && line.contains("disk is full"));
    assert_eq!(reasons.count(), 3, "{said}");
}
