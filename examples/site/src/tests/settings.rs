//! Flags, durations, and the database at the start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crate::store::Row;
use clap::{CommandFactory, Parser};

use super::connection;
use crate::cli::duration;
use crate::cli::settings::Settings;
use crate::demo::content;
use crate::store;
use crate::store::data::Data;

fn parse(flags: &[&str]) -> Result<Settings, String> {
    Settings::try_parse_from(std::iter::once(&"site").chain(flags))
        .map_err(|error| error.to_string())
}

/// Settings that are not printed unless they were set.
const OPTIONAL: [&str; 20] = [
    "--access-log",
    "--allow-writes",
    "--demo",
    "--host",
    "--log-file",
    "--log-filter",
    "--unix-owner",
    "--proxy-protocol",
    "--private-feed",
    "--news",
    "--theme-parameter",
    "--theme-mount",
    "--edge-includes",
    "--trusted-proxy",
    "--virtual-host-proxy",
    "--virtual-host",
    "--offload",
    "--agent",
    "--console",
    "--processes",
];

#[test]
fn printed_settings_can_be_read_again() {
    let cases: [&[&str]; 12] = [
        &["--allow-writes=false", "--demo"],
        &[
            "--host=example.org,*.example.org:8443,[::1]",
            "--log-filter=warn",
            "--log-file=/var/log/site.log",
            "--access-log=/var/log/access.log",
            "--unix-owner=:www-data",
        ],
        &["--theme=gazette"],
        &[
            "--theme=./mine",
            "--theme-parameter=a=b=c,d=",
            "--theme-mount=base=/a/b",
            "--edge-includes=ssi,esi",
        ],
        &[
            "--trusted-proxy=10.0.0.0/8,::1",
            "--trusted-proxy=unix",
            "--forwarded-field=forwarded",
        ],
        &[
            "--virtual-host-proxy=127.0.0.1",
            "--virtual-host=*.example.org/guides",
            "--offload=/blobs",
            "--agent=[::1]:0",
        ],
        &[],
        &[
            "--listen=unix:/a/b,tls:[::1]:3",
            "--half-close",
            "--unix-mode=600",
            "--proxy-protocol=10.0.0.0/8",
        ],
        &[
            "--feed-host=a.test,b.test",
            "--private-feed-host=c.test:8080,[::1]",
            "--news=http://c.test/feed",
        ],
        &[
            "--connections",
            "7",
            "--max-queue=3",
            "--max-wait",
            "1500ms",
            "--publish-deadline=5m",
            "--drain",
            "0s",
            "--lame-duck=0s",
            "--processes=4",
            "--console=/run/console",
            "--log-format=json",
        ],
        &["--max-upload=1536M", "--body-memory=64M", "--body-disk=20G"],
        &[
            "--listen",
            "127.0.0.1:1,[::1]:2",
            "--listen=0.0.0.0:3",
            "--admin=[::1]:0",
            "--data=a \"b\"\\ü",
        ],
    ];
    for flags in cases {
        let settings = parse(flags).unwrap();
        let printed: toml::Table = toml::from_str(&settings.to_toml().unwrap()).unwrap();
        let optional = flags
            .iter()
            .filter(|flag| OPTIONAL.iter().any(|name| flag.starts_with(name)));
        let optional: BTreeSet<&str> = optional.filter_map(|flag| flag.split('=').next()).collect();
        assert_eq!(
            printed.len(),
            34 + optional.len(),
            "every setting is printed"
        );
        let again: Vec<String> = printed
            .iter()
            .flat_map(|(key, value)| {
                match value {
                    toml::Value::Array(values) => values.clone(),
                    value => vec![value.clone()],
                }
                .into_iter()
                .map(move |value| {
                    format!(
                        "--{key}={}",
                        value.as_str().map_or(value.to_string(), str::to_owned)
                    )
                })
            })
            .collect();
        let again: Vec<&str> = again.iter().map(String::as_str).collect();
        assert_eq!(parse(&again).unwrap(), settings);
    }
}

#[test]
fn wrong_flags_are_refused() {
    let cases: &[&[&str]] = &[
        &["--feed-host=http://a.test"],
        &["--feed-host=a.test:"],
        &["--feed-host=a.test:x"],
        &["--private-feed-host=user@a.test"],
        &["--allow-writes=yes"],
        &["--host", "http://example.org"],
        &["--host", "*"],
        &["--unix-owner", ":"],
        &["--unix-owner", "a:b:c"],
        &["--theme", ""],
        &["--trusted-proxy", "10.0.0.1/8"],
        &["--trusted-proxy", "localhost"],
        &["--forwarded-field", "via"],
        &["--virtual-host", "192.0.2.1/guides"],
        &["--offload", "blobs"],
        &["--connections", "0"],
        &["--connections", "4097"],
        &["--connections", "two"],
        &["--max-queue", "0"],
        &["--max-wait", "0s"],
        &["--max-wait", "30"],
        &["--publish-deadline", "0s"],
        &["--drain", "soon"],
        &["--max-upload", "0"],
        &["--max-upload", "1GB"],
        &["--body-memory", "0"],
        &["--body-disk", "8GB"],
        &["--listen", ""],
        &["--listen", "65536"],
        &["--listen", "+80"],
        &["--listen", "tls:"],
        &["--listen", "127.0.0.1"],
        &["--listen", "::1:80"],
        &["--listen", "example.org:80"],
        &["--admin", "localhost"],
        &["--agent", "unix:/a"],
        &["--log-format", "xml"],
        &["--unknown"],
    ];
    for flags in cases {
        assert!(
            parse(flags).unwrap_err().starts_with("error: "),
            "{flags:?}"
        );
    }
}

/// The flags of a table on the settings page, each with the default that the page names.
fn documented() -> BTreeMap<String, Vec<String>> {
    let page = content::samples()
        .find(|sample| sample.path == "/operate/settings")
        .unwrap();
    let mut flags = BTreeMap::new();
    let table = page
        .body
        .lines()
        .skip_while(|line| !line.starts_with("| flag |"))
        .take_while(|line| line.starts_with('|'));
    for row in table.skip(2) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let names: Vec<&str> = cells[1].split(", ").collect();
        let defaults: Vec<String> = cells[2]
            .split(", ")
            .map(|default| default.trim_matches('`').to_owned())
            .collect();
        for (place, name) in names.iter().enumerate() {
            let own = match names.len() == defaults.len() {
                true => vec![defaults[place].clone()],
                false => defaults.clone(),
            };
            flags.insert(name.trim_matches(['`', '-']).to_owned(), own);
        }
    }
    flags
}

#[test]
fn the_settings_page_lists_each_flag_with_its_default() {
    let documented = documented();
    for argument in Settings::command().get_arguments() {
        let name = argument.get_long().unwrap();
        let Some(on_page) = documented.get(name) else {
            panic!("--{name} is missing from content/operate/settings.md");
        };
        let defaults: Vec<&str> = argument
            .get_default_values()
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        let written = match (defaults.as_slice(), name) {
            // If there is no default, the page describes the behaviour in words.
            ([], _) => continue,
            (["false"], _) => vec!["no"],
            // The page leaves out the common part of the names.
            (_, "forwarded-field") => defaults
                .iter()
                .map(|field| match *field {
                    "x-forwarded-for" => "x-forwarded-for",
                    other => other.trim_start_matches("x-forwarded"),
                })
                .collect(),
            _ => defaults,
        };
        assert_eq!(on_page, &written, "the default of --{name}");
    }
}

#[test]
fn port_alone_is_on_loopback_and_one_with_a_colon_on_all_addresses() {
    let cases = [
        ("8080", "127.0.0.1:8080"),
        ("localhost:8080", "127.0.0.1:8080"),
        ("LocalHost:0", "127.0.0.1:0"),
        (":8080", "0.0.0.0:8080"),
        ("[::1]:8080", "[::1]:8080"),
    ];
    for (text, address) in cases {
        let flags = ["--listen", "--admin", "--agent"].map(|flag| format!("{flag}={text}"));
        let settings = parse(&flags.each_ref().map(String::as_str)).unwrap();
        assert_eq!(settings.listen[0].to_string(), address);
        assert_eq!(settings.admin.to_string(), address);
        assert_eq!(settings.agent.unwrap().to_string(), address);
        let tls = parse(&[&format!("--listen=tls:{text}")]).unwrap();
        assert_eq!(tls.listen[0].to_string(), format!("tls:{address}"));
    }
    let said = parse(&["--listen=example.org:80"]).unwrap_err();
    assert!(
        said.contains("localhost:8080") && said.contains(":8080 for all"),
        "{said}"
    );
}

#[test]
fn durations_are_read_and_written() {
    let cases = [
        ("0ms", 0, "0ms"),
        ("0h", 0, "0ms"),
        ("500ms", 500, "500ms"),
        ("1000ms", 1000, "1s"),
        ("1500ms", 1500, "1500ms"),
        ("30s", 30_000, "30s"),
        ("90s", 90_000, "90s"),
        ("120s", 120_000, "2m"),
        ("24h", 86_400_000, "24h"),
    ];
    for (text, millis, written) in cases {
        let duration = duration::parse(text).unwrap();
        assert_eq!(duration, Duration::from_millis(millis), "{text}");
        assert_eq!(duration::text(duration), written, "{text}");
        assert_eq!(duration::parse(written), Ok(duration), "{written}");
    }
    let wrong = [
        "",
        "s",
        "30",
        "-1s",
        "+1s",
        "1.5s",
        "1 s",
        "1S",
        "1d",
        "1m30s",
        "25h",
        "99999999999999999999s",
        "²s",
    ];
    for text in wrong {
        assert!(duration::parse(text).is_err(), "{text}");
    }
}

#[test]
fn samples_are_imported_once() {
    let folder = tempfile::tempdir().unwrap();
    let count = || -> i64 {
        connection(folder.path())
            .query_row("SELECT count(*) FROM document", [], |row| row.get(0))
            .unwrap()
    };
    drop(Data::open(folder.path()).unwrap());
    assert_eq!(usize::try_from(count()), Ok(content::samples().count()));
    connection(folder.path())
        .execute_batch("DELETE FROM document WHERE path <> '/'")
        .unwrap();
    drop(Data::open(folder.path()).unwrap());
    assert_eq!(count(), 1);
}

#[test]
fn programs_that_start_together_import_once() {
    let folder = tempfile::tempdir().unwrap();
    drop(euryale_sqlite::Sqlite::open(folder.path().join("site.db")).unwrap());
    let together = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                together.wait();
                drop(Data::open(folder.path()).unwrap());
            });
        }
    });
    let select = "SELECT count(*) FROM document";
    let count: i64 = connection(folder.path())
        .query_row(select, [], |row| row.get(0))
        .unwrap();
    assert_eq!(usize::try_from(count), Ok(content::samples().count()));
}

#[test]
fn interrupted_import_is_completed_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = euryale_sqlite::Sqlite::open(folder.path().join("site.db")).unwrap();
    sqlite.migrate(&store::SQLITE_STEPS).unwrap();
    drop(Data::open(folder.path()).unwrap());
    let found = connection(folder.path()).query_row(
        "SELECT title FROM document WHERE path = '/'",
        [],
        |row| row.get::<_, String>(0),
    );
    assert_eq!(found.unwrap(), "Euryale");
}

#[test]
fn a_database_that_cannot_be_used_is_left_alone() {
    let newer = |folder: &Path| {
        drop(Data::open(folder).unwrap());
        connection(folder)
            .execute_batch("PRAGMA user_version = 99")
            .unwrap();
    };
    let foreign =
        |folder: &Path| std::fs::write(folder.join("site.db"), "a shopping list").unwrap();
    let check = |prepare: &dyn Fn(&Path), says: &str| {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let before = std::fs::read(folder.path().join("site.db")).unwrap();
        let error = Data::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains('\n'), "{error}");
        assert!(error.contains("site.db"), "{error}");
        assert_eq!(
            std::fs::read(folder.path().join("site.db")).unwrap(),
            before
        );
    };
    let known = format!(
        "its schema version is 99, this program knows {}",
        store::SQLITE_STEPS.len()
    );
    check(&newer, &known);
    check(&foreign, "is not an SQLite database");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for data in [file.clone(), file.join("below")] {
        let error = Data::open(&data).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot make the data folder: "),
            "{error}"
        );
        assert!(
            error.contains(data.to_str().unwrap()) && error.contains("--data"),
            "{error}"
        );
    }
}

#[test]
fn a_mark_that_a_kill_has_left_unfinished_is_written_again() {
    for unfinished in ["owner.4711", "owner"] {
        let folder = tempfile::tempdir().unwrap();
        let blobs = folder.path().join("blobs");
        std::fs::create_dir(&blobs).unwrap();
        std::fs::write(blobs.join(unfinished), "").unwrap();
        drop(Data::open(folder.path()).unwrap());
        assert_ne!(std::fs::read_to_string(blobs.join("owner")).unwrap(), "");
        assert!(!blobs.join("owner.4711").exists());
    }
}

#[test]
fn files_whose_database_is_not_there_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(Data::open(folder.path()).unwrap());
    let blobs = || -> usize {
        let writers = std::fs::read_dir(folder.path().join("blobs"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        writers
            .filter(|path| path.is_dir())
            .map(|path| std::fs::read_dir(path).unwrap().count())
            .sum()
    };
    let before = blobs();
    assert!(before > content::PICTURES.len());
    let away = tempfile::tempdir_in(folder.path().parent().unwrap()).unwrap();
    let files: Vec<_> = ["site.db", "site.db-wal", "site.db-shm"]
        .into_iter()
        .filter(|name| std::fs::rename(folder.path().join(name), away.path().join(name)).is_ok())
        .collect();
    for _ in 0..2 {
        let error = Data::open(folder.path()).unwrap_err().to_string();
        assert!(
            error.starts_with("these files belong to another database - "),
            "{error}"
        );
        assert!(
            error.contains(folder.path().to_str().unwrap()) && error.contains("site.db"),
            "{error}"
        );
        assert_eq!(blobs(), before);
    }
    // Without its mark the folder of blobs names no database, so the site refuses to start.
    let mark = folder.path().join("blobs").join("owner");
    std::fs::rename(&mark, away.path().join("owner")).unwrap();
    assert!(Data::open(folder.path()).is_err());
    std::fs::rename(away.path().join("owner"), &mark).unwrap();
    for name in ["site.db", "site.db-wal", "site.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    for name in files {
        std::fs::rename(away.path().join(name), folder.path().join(name)).unwrap();
    }
    for _ in 0..2 {
        drop(Data::open(folder.path()).unwrap());
        assert_eq!(blobs(), before, "and it is found again");
    }
}

/// A volume that is not mounted looks like this: the folder is there, and nothing is in it.
#[test]
fn site_without_the_blobs_of_its_database_does_not_start() {
    let with_files = tempfile::tempdir().unwrap();
    drop(Data::open(with_files.path()).unwrap());
    let without_files = tempfile::tempdir().unwrap();
    drop(Data::without_samples(without_files.path()).unwrap());
    for folder in [with_files, without_files] {
        let blobs = folder.path().join("blobs");
        let away = folder.path().join("away");
        std::fs::rename(&blobs, &away).unwrap();
        // Once made by the operator, and once by the start before.
        for _ in 0..2 {
            let error = Data::open(folder.path()).unwrap_err().to_string();
            let begin = format!(
                "the files that the database has rows for are missing - {} - mount",
                blobs.display()
            );
            assert!(error.starts_with(&begin), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
            let there = std::fs::read_dir(&blobs).unwrap().count();
            assert_eq!(there, 0, "nothing is written beneath the mount point");
        }
        std::fs::remove_dir(&blobs).unwrap();
        std::fs::rename(&away, &blobs).unwrap();
        drop(Data::open(folder.path()).unwrap());
    }
}

/// Before folders of blobs were marked, only the rows identified the right one.
#[test]
fn a_folder_of_blobs_from_before_marks_is_adopted_if_it_has_what_the_rows_name() {
    let folder = tempfile::tempdir().unwrap();
    drop(Data::open(folder.path()).unwrap());
    let forget = || {
        let database = connection(folder.path());
        database
            .execute_batch("UPDATE identity SET has_marked_blobs = 0")
            .unwrap();
        std::fs::remove_file(folder.path().join("blobs").join("owner")).unwrap();
    };
    forget();
    let data = Data::open(folder.path()).unwrap();
    assert!(data.blobs.mark().unwrap().is_some());
    drop(data);
    forget();
    let blobs = folder.path().join("blobs");
    std::fs::rename(&blobs, folder.path().join("away")).unwrap();
    let error = Data::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.starts_with("the files that the database has rows for"),
        "{error}"
    );
}

#[test]
fn database_with_holes_is_reported_as_damaged() {
    let folder = tempfile::tempdir().unwrap();
    drop(Data::open(folder.path()).unwrap());
    let database = connection(folder.path());
    // At the point where the start checks whether there are samples, and not before.
    let pages = "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'imported'";
    let mut select = database.prepare(pages).unwrap();
    let pages: Vec<usize> = select
        .query_map([], |row| row.get::<_, i64>(0))
        .unwrap()
        .map(|page| usize::try_from(page.unwrap()).unwrap())
        .collect();
    drop(select);
    let ask = |pragma: &str| {
        let number = |row: &Row<'_>| row.get::<_, i64>(0);
        usize::try_from(database.query_row(pragma, [], number).unwrap()).unwrap()
    };
    assert_eq!(
        ask("PRAGMA wal_checkpoint(TRUNCATE)"),
        0,
        "nobody has it open"
    );
    let size = ask("PRAGMA page_size");
    drop(database);
    let file = folder.path().join("site.db");
    let mut bytes = std::fs::read(&file).unwrap();
    for page in pages {
        bytes[(page - 1) * size..page * size].fill(0xa5);
    }
    std::fs::write(&file, bytes).unwrap();
    let error = Data::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("damaged") && error.contains("backup"),
        "{error}"
    );
    assert!(error.contains("site.db"), "{error}");
}
