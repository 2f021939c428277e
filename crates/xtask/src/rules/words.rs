//! Words that are allowed in few places or nowhere.

use super::{Finding, file_name, is_under};
use crate::source::{Source, has_word};

/// A call that is allowed only in the files that `is_allowed` accepts. The linter bans the same
/// calls and resolves imports; this list says which files may lift its ban.
struct Restricted {
    word: &'static str,
    is_allowed: fn(&str) -> bool,
    remedy: &'static str,
}

const RESTRICTED: [Restricted; 3] = [
    Restricted {
        word: "spawn_blocking",
        is_allowed: may_spawn_blocking,
        remedy: "blocking work needs a bound: use the pool's worker or a blocking lane",
    },
    Restricted {
        word: "thread::sleep",
        is_allowed: may_sleep,
        remedy: "wait for an event, a gate or a paused clock",
    },
    Restricted {
        word: "unsafe",
        is_allowed: |path| UNSAFE.contains(&path),
        remedy: "find a crate that keeps it, or argue for another file in ARCHITECTURE.md",
    },
];

/// Notes of unfinished work, which are banned in prose and comments as well.
const NOTES: [&str; 3] = ["TODO", "FIXME", "XXX"];
/// Also checked in comments, because examples in documentation are code that users copy.
const MACROS: [&str; 3] = ["dbg!", "todo!", "unimplemented!"];

pub(crate) fn check_code(path: &str, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in source.lines() {
        for rule in RESTRICTED.iter().filter(|rule| !(rule.is_allowed)(path)) {
            if has_word(line.code, rule.word) {
                findings.push(Finding::new(
                    path,
                    line.number,
                    format!("`{}` here", rule.word),
                    rule.remedy,
                ));
            }
        }
        for word in NOTES.iter().chain(&MACROS) {
            if has_word(line.code, word) || has_word(line.comment, word) {
                findings.push(unfinished(path, line.number, word));
            }
        }
    }
    findings
}

/// Checks text that is not Rust.
pub(crate) fn check_prose(path: &str, text: &str) -> Vec<Finding> {
    let found = |(line, number)| {
        NOTES
            .iter()
            .filter(move |word| has_word(line, word))
            .map(move |w| (w, number))
    };
    text.lines()
        .zip(1..)
        .flat_map(found)
        .map(|(word, number)| unfinished(path, number, word))
        .collect()
}

fn unfinished(path: &str, line: usize, word: &str) -> Finding {
    Finding::new(
        path,
        line,
        format!("`{word}`"),
        "finish it, or open an issue",
    )
}

/// The places where blocking work is bounded: the pool's worker, the lane for everything else, and
/// core's fallbacks for bodies without a layer.
const BLOCKING: [&str; 4] = [
    "crates/euryale-connection/src/threads.rs",
    "crates/euryale-core/src/body/fall_back.rs",
    "crates/euryale-core/src/threads/lane.rs",
    "crates/euryale-core/src/threads/without_layer.rs",
];

/// Each file has its argument beside the code. Four make calls that have no safe wrapper: the map
/// of files that are sent, the heap, the Python host's `_exit`, and SQLite's snapshots. The others
/// declare, keep or pass on the promise of `Blob::stable`.
const UNSAFE: [&str; 15] = [
    "crates/euryale-bench/src/serve/euryale.rs",
    "crates/euryale-blob/src/folder.rs",
    "crates/euryale-blob/src/folder/open.rs",
    "crates/euryale-core/src/body/blob.rs",
    "crates/euryale-core/src/body/blob/unnamed.rs",
    "crates/euryale-core/src/body/response/tests.rs",
    "crates/euryale-python/src/exit.rs",
    "crates/euryale-python/src/file.rs",
    "crates/euryale-sendfile/src/linux/map.rs",
    "crates/euryale-server/src/heap.rs",
    "crates/euryale-server/src/tests/sendfile.rs",
    "crates/euryale-sqlite/src/snapshot.rs",
    "crates/euryale-store/src/folder.rs",
    "tests/it/blobs.rs",
    "tests/it/blobs/middleware.rs",
];

fn may_spawn_blocking(path: &str) -> bool {
    let is_home = BLOCKING.contains(&path);
    let is_trial = ["tests", "benches", "examples"]
        .iter()
        .any(|folder| is_under(path, folder));
    is_home || is_trial || file_name(path) == "tests.rs" || is_kit(path)
}

/// Stricter than the list above: a crate's own tests never sleep.
fn may_sleep(path: &str) -> bool {
    path.starts_with("tests/") || path.starts_with("examples/") || is_kit(path)
}

fn is_kit(path: &str) -> bool {
    path.starts_with("crates/euryale-test/") || path.starts_with("crates/euryale-bench/")
}
