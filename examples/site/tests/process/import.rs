//! `site import`: its result, and what is left of an import that does not end normally.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use euryale_sqlite::rusqlite::Connection;
use tempfile::TempDir;

use super::{Running, ended, eventually, get, signal, site};

/// A folder to import, next to one for the data.
struct Trial {
    folder: TempDir,
}

/// How an import ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    said: String,
    complained: String,
}

impl Trial {
    fn new() -> Self {
        let trial = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(trial.source()).unwrap();
        trial
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.source().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = site(&["import", "--data"]);
        command.arg(self.data()).arg(self.source());
        command
    }

    fn import(&self) -> Ended {
        let output = self.command().output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code(),
            said: text(output.stdout),
            complained: text(output.stderr),
        }
    }

    fn start(&self) -> Import {
        Import(self.command().spawn().unwrap())
    }

    fn database(&self) -> Connection {
        Connection::open(self.data().join("site.db")).unwrap()
    }

    /// Paths and blobs.
    fn rows(&self) -> Vec<(String, PathBuf)> {
        let connection = self.database();
        let mut select = connection
            .prepare("SELECT path, blob FROM file ORDER BY path")
            .unwrap();
        let rows = select
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
            .unwrap();
        rows.map(|row| {
            row.map(|(path, blob)| (path, self.data().join("blobs").join(blob)))
                .unwrap()
        })
        .collect()
    }

    fn blobs(&self) -> Vec<PathBuf> {
        let list = |folder: PathBuf| {
            fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
        };
        let writers = list(self.data().join("blobs")).filter(|path| path.is_dir());
        let blobs = writers.flat_map(list);
        let mut blobs: Vec<_> = blobs
            .filter(|path| path.file_name() != Some("lock".as_ref()))
            .collect();
        blobs.sort();
        blobs
    }

    /// Each row has its blob, each blob its row, and each page its folder, and the database passes
    /// its integrity check.
    fn check(&self) {
        let mut named: Vec<PathBuf> = self.rows().into_iter().map(|(_, blob)| blob).collect();
        named.sort();
        assert_eq!(named, self.blobs());
        let ask = |question: &str| -> String {
            self.database()
                .query_row(question, [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(ask("PRAGMA integrity_check"), "ok");
        let lost = "WITH entry AS (SELECT parent FROM document UNION SELECT parent FROM file)
            SELECT '' || count(*) FROM entry WHERE parent NOT IN (SELECT path FROM document)";
        assert_eq!(ask(lost), "0");
    }

    /// Every file of the folder is there, byte for byte.
    fn check_files(&self, number: usize) {
        self.check();
        let rows = self.rows();
        assert_eq!(rows.len(), number);
        for (path, blob) in rows {
            let source = self.source().join(path.trim_start_matches('/'));
            assert_eq!(
                fs::metadata(&source).unwrap().len(),
                fs::metadata(&blob).unwrap().len(),
                "{path}"
            );
            assert!(
                fs::read(source).unwrap() == fs::read(blob).unwrap(),
                "{path}"
            );
        }
    }
}

/// A running import. When it is dropped, it is ended by its id.
struct Import(Child);

impl Import {
    fn end(mut self) -> Ended {
        let mut said = String::new();
        let mut complained = String::new();
        self.0
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        self.0
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut complained)
            .unwrap();
        Ended {
            code: self.0.wait().unwrap().code(),
            said,
            complained,
        }
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        // After `end` it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn counts(ended: &Ended, documents: &str, files: &str) {
    assert!(
        ended
            .said
            .contains(&format!("documents: {documents} - files: {files},")),
        "{ended:?}"
    );
}

#[test]
fn folder_is_imported_and_omitted_entries_are_named() {
    let trial = Trial::new();
    let at = |name: &str| trial.source().join(name);
    trial.write("index.md", "# Welcome\n\nto *this*");
    trial.write("a.md", "no heading");
    trial.write(
        "b/page.html",
        "<title>A &amp; B</title><body class=x><p>in HTML</p></body>",
    );
    trial.write("b/bytes.bin", b"\0\x01\xff");
    trial.write("c/deep/pic.svg", "<svg/>");
    trial.write(".git/config", "");
    // None of these.
    trial.write("a.html", "the same path");
    trial.write("b/latin.md", b"caf\xe9");
    trial.write("c/index.md", b"\xe9");
    trial.write(OsStr::from_bytes(b"caf\xe9.txt"), "");
    trial.write("x@@y.txt", "");
    symlink(at("a.md"), at("link.md")).unwrap();
    symlink(trial.source(), at("loop")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(at("pipe"))
            .status()
            .unwrap()
            .success()
    );
    trial.write("secret.txt", "");
    fs::set_permissions(at("secret.txt"), fs::Permissions::from_mode(0o0)).unwrap();
    if File::open(at("secret.txt")).is_ok() {
        // A user who may read everything can read it.
        fs::remove_file(at("secret.txt")).unwrap();
        fs::create_dir(at("secret.txt@@")).unwrap();
    }
    let first = trial.import();
    assert_eq!(first.code, Some(4), "{first:?}");
    counts(
        &first,
        "6 made, 0 changed, 0 unchanged",
        "2 made, 0 changed, 0 unchanged",
    );
    assert!(
        first.said.contains("left out: 9, and 1 hidden") && first.said.lines().count() == 1,
        "{first:?}"
    );
    let named = [
        "a.html",
        "latin.md",
        "c/index.md",
        "caf\\xE9.txt",
        "x@@y",
        "link.md",
        "loop",
        "pipe",
        "secret.txt",
    ];
    assert_eq!(first.complained.lines().count(), named.len(), "{first:?}");
    for name in named {
        let is_named = |line: &str| line.starts_with("left out: ") && line.contains(name);
        assert!(first.complained.lines().any(is_named), "{name}: {first:?}");
    }
    trial.check_files(2);

    let second = trial.import();
    assert_eq!(second.code, Some(4), "{second:?}");
    counts(
        &second,
        "0 made, 0 changed, 6 unchanged",
        "0 made, 0 changed, 2 unchanged",
    );

    trial.write("a.md", "# A heading");
    trial.write("b/bytes.bin", b"four");
    trial.write("b/more.bin", b"more");
    let before = trial.blobs();
    let third = trial.import();
    counts(
        &third,
        "0 made, 1 changed, 5 unchanged",
        "1 made, 1 changed, 1 unchanged",
    );
    trial.check_files(3);
    let after = trial.blobs();
    assert_eq!(
        before.iter().filter(|blob| after.contains(blob)).count(),
        1,
        "the old one is gone"
    );

    let site = Running::start(&trial.data(), &[]);
    let page = |path: &str| get(site.public[0], path).unwrap();
    assert!(page("/").contains("<h1>Welcome</h1>") && page("/").contains("<em>this</em>"));
    assert!(page("/a").contains("<h1>A heading</h1>"));
    assert!(
        page("/b/page").contains("<h1>A &amp; B</h1>")
            && page("/b/page").contains("<p>in HTML</p>")
    );
    assert!(page("/b").contains("<h1>b</h1>") && page("/c").contains("<h1>c</h1>"));
    assert!(page("/b/bytes.bin").ends_with("\r\n\r\nfour"));
    assert!(page("/c/deep/pic.svg").contains("content-type: image/svg+xml"));
    assert!(page("/guides").starts_with("HTTP/1.1 404"), "no samples");
}

#[test]
fn site_serves_pages_that_are_imported_while_it_runs() {
    let trial = Trial::new();
    let site = Running::start(&trial.data(), &[]);
    trial.write("history/new.md", "# A new page");
    trial.write("history/bytes.bin", "first");
    trial.write("guides", "a file where a page is");
    let first = trial.import();
    assert_eq!(first.code, Some(4), "{first:?}");
    counts(
        &first,
        "1 made, 0 changed, 2 unchanged",
        "1 made, 0 changed, 0 unchanged",
    );
    assert!(
        first.complained.contains("There is a page at /guides."),
        "{first:?}"
    );
    let page = |path: &str| get(site.public[0], path).unwrap();
    assert!(page("/history/new").contains("<h1>A new page</h1>"));
    assert!(page("/history/bytes.bin").ends_with("first"));
    // The site's own content is unchanged.
    assert!(page("/").contains("<h1>Euryale</h1>") && page("/guides").starts_with("HTTP/1.1 200"));
    trial.write("history/bytes.bin", "another");
    assert_eq!(trial.import().code, Some(4));
    assert!(page("/history/bytes.bin").ends_with("another"));
    // There is a page at the path of a file, with pages below it.
    trial.write("history/bytes.bin.md", "");
    trial.write("pictures/chord.wav/index.md", "");
    trial.write("pictures/chord.wav/below.txt", "");
    let blocked = trial.import();
    assert!(blocked.said.contains("left out: 5 "), "{blocked:?}");
    assert!(
        blocked
            .complained
            .contains("There is a file at /pictures/chord.wav, which"),
        "{blocked:?}"
    );
    assert!(
        trial
            .rows()
            .iter()
            .any(|(path, _)| path == "/pictures/chord.wav")
    );
    trial.check();
}

/// More small files than are committed together, and then one that takes long: most of it is a
/// hole.
fn long() -> (Trial, File) {
    let trial = Trial::new();
    trial.write("index.md", "# Long");
    for number in 0..300 {
        trial.write(format!("{number:03}.txt"), number.to_string());
    }
    let big = File::create(trial.source().join("big.bin")).unwrap();
    (&big).write_all(b"begin").unwrap();
    big.set_len(16 << 30).unwrap();
    (trial, big)
}

impl Trial {
    /// Waits until the large file is being copied.
    fn is_halfway(&self) {
        let is_large = |blob: &PathBuf| fs::metadata(blob).is_ok_and(|blob| blob.len() >= 16 << 20);
        eventually("a part of the large file is there", || {
            self.blobs().iter().any(is_large)
        });
    }

    /// The next run adds the rest. The large file is shorter now, so that it does not take long.
    fn goes_on(&self, big: &File) {
        big.set_len((24 << 20) + 7).unwrap();
        let next = self.import();
        assert_eq!((next.code, &*next.complained), (Some(0), ""), "{next:?}");
        counts(
            &next,
            "0 made, 0 changed, 1 unchanged",
            "1 made, 0 changed, 300 unchanged",
        );
        self.check_files(301);
    }
}

#[test]
fn signal_stops_the_import_and_the_next_run_continues() {
    for name in ["-INT", "-TERM"] {
        let (trial, big) = long();
        let import = trial.start();
        trial.is_halfway();
        signal(&import.0, name);
        let ended = import.end();
        assert_eq!(ended.code, Some(3), "{ended:?}");
        counts(
            &ended,
            "1 made, 0 changed, 0 unchanged",
            "300 made, 0 changed, 0 unchanged",
        );
        assert!(ended.said.contains("Run it again to continue"), "{ended:?}");
        // Complete files are stored, and nothing of the large file.
        trial.check_files(300);
        trial.goes_on(&big);
    }
}

#[test]
fn leftovers_of_a_killed_import_are_removed() {
    let (trial, big) = long();
    let mut import = trial.start();
    trial.is_halfway();
    import.0.kill().unwrap();
    import.0.wait().unwrap();
    assert!(trial.blobs().len() > trial.rows().len());
    let site = Running::start(&trial.data(), &[]);
    trial.check();
    assert!(get(site.public[0], "/").unwrap().contains("<h1>Long</h1>"));
    assert!(
        get(site.public[0], "/000.txt")
            .unwrap()
            .ends_with("\r\n\r\n0")
    );
    let committed = trial
        .rows()
        .iter()
        .filter(|(path, _)| path.ends_with(".txt"))
        .count();
    assert!((1..=300).contains(&committed), "{committed}");
    big.set_len(1 << 20).unwrap();
    let next = trial.import();
    assert_eq!(next.code, Some(0), "{next:?}");
    assert!(next.said.contains(&format!(
        "{} made, 0 changed, {committed} unchanged",
        301 - committed
    )));
    trial.check_files(301);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let trial = Trial::new();
    trial.write("a.txt", "a");
    drop(Running::start(&trial.data(), &[]));
    let before = trial.blobs().len();
    // The import waits as long as this transaction writes.
    let lock = trial.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let import = trial.start();
    eventually("a blob is there", || trial.blobs().len() > before);
    signal(&import.0, "-INT");
    signal(&import.0, "-TERM");
    let ended = import.end();
    assert_eq!((ended.code, &*ended.said), (Some(3), ""), "{ended:?}");
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(trial.import().code, Some(0));
    assert_eq!(
        trial
            .rows()
            .iter()
            .filter(|(path, _)| path == "/a.txt")
            .count(),
        1
    );
    trial.check();
}

#[test]
fn the_data_folder_is_named_by_flag_variable_or_file() {
    let trial = Trial::new();
    trial.write("a.md", "# A");
    let data = |name: &str| trial.folder.path().join(name);
    let file = data("site.toml");
    // The file may also contain settings that only serving needs.
    fs::write(
        &file,
        format!(
            "data = {:?}\nconnections = 3\nlisten = [\"[::1]:3\"]\n",
            data("file")
        ),
    )
    .unwrap();
    let run = |flags: &[&OsStr], variable: Option<&str>| {
        let mut command = site(&[]);
        command
            .args(flags)
            .envs(variable.map(|name| ("EURYALE_DATA", data(name))));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{flags:?}: {output:?}");
    };
    let source = trial.source();
    let flag = data("flag");
    let config = file.as_os_str();
    let [import, to, by] = ["import", "--data", "--config"].map(OsStr::new);
    run(&[import, source.as_ref(), by, config], None);
    assert!(data("file").join("site.db").is_file());
    run(&[by, config, import, source.as_ref()], Some("variable"));
    assert!(data("variable").join("site.db").is_file());
    run(
        &[to, flag.as_ref(), import, source.as_ref(), by, config],
        Some("variable"),
    );
    assert!(flag.join("site.db").is_file());
    run(
        &[
            import,
            "--print-config".as_ref(),
            to,
            data("none").as_ref(),
            source.as_ref(),
        ],
        None,
    );
    assert!(!data("none").exists());
}

#[test]
fn import_that_cannot_begin_says_why_and_changes_nothing() {
    let trial = Trial::new();
    let text = |path: PathBuf| path.into_os_string().into_string().unwrap();
    let source = text(trial.source());
    let data = text(trial.data());
    let missing = text(trial.source().join("missing"));
    let file = text(trial.source().join("file"));
    fs::write(&file, "").unwrap();
    for (folder, data) in [(&missing, &data), (&file, &data), (&source, &file)] {
        let output = ended(&["import", "--data", data, folder]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with("error: cannot ") && said.lines().count() == 1,
            "{said}"
        );
        assert!(output.stdout.is_empty());
    }
    assert!(!trial.data().exists());
    let itself = ended(&["import", "--data", &source, &source]);
    assert_eq!(itself.status.code(), Some(1));
    assert!(
        String::from_utf8(itself.stderr)
            .unwrap()
            .contains("this is the data folder itself")
    );
    for flags in [
        &["import"][..],
        &["import", "--listen=[::1]:1", &source],
        &["imports", &source],
    ] {
        let output = ended(flags);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    let help = String::from_utf8(ended(&["import", "--help"]).stdout).unwrap();
    for word in [
        "REPLACED",
        "4 something",
        "FOLDER/a/index.md",
        "EURYALE_DATA",
        "1 MiB",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(
        help.lines().all(|line| line.chars().count() <= 120),
        "{help}"
    );
}
