//! A killed process leaves nothing of its unfinished requests.

use std::collections::BTreeSet;
use std::path::Path;

use super::peer::upload;
use super::{Running, eventually, get};

/// The files in `folder` and below.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(self::files(&entry.path()));
        } else {
            files.insert(entry.path().display().to_string());
        }
    }
    files
}

#[test]
fn uploads_on_their_way_leave_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("blobs");
    let site = Running::start(folder.path(), &[]);
    let content = vec![b'a'; 4 << 20];
    assert_eq!(site.upload("kept.bin", &content).status, 201);
    let before = files(&blobs);
    let mut peers = Vec::new();
    for n in 0..3 {
        let mut peer = site.peer();
        peer.send(&upload(&format!("lost{n}.bin"), &content)[..3 << 20])
            .unwrap();
        peers.push(peer);
    }
    eventually("they are in files", || site.nameless("/blobs/") == 3);
    eventually("as far as they came", || {
        site.metric("euryale_spool_bytes") > 8 << 20
    });
    assert_eq!(files(&blobs), before, "without names");
    site.signal("-KILL");
    let (code, said) = site.end();
    assert_eq!(code, None, "{said}");
    assert_eq!(files(&blobs), before);
    drop(peers);

    let site = Running::start(folder.path(), &[]);
    assert!(
        get(site.public[0], "/kept.bin")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        get(site.public[0], "/lost0.bin")
            .unwrap()
            .starts_with("HTTP/1.1 404")
    );
    assert_eq!(site.upload("lost0.bin", &content).status, 201);
    site.end_well();
}
