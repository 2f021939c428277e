//! A guard against regressions: instruction counts of fixed inputs, compared with a table in the
//! repository.
//!
//! Counts depend on the compiler, so the table names the compiler that it was made with. With any
//! other compiler, nothing is compared.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{Workspace, cargo, output};

const TABLE: &str = "crates/euryale/benches/instructions.txt";
const HEAD: &str = "# Instructions of benches/instructions.rs, as `cargo xtask instructions \
    --accept` counted them.\n";
/// The profile of the workspace's manifest that the program is built with.
const PROFILE: &str = "instructions";
const RUSTC: &str = "# rustc: ";
/// Differences between C libraries and processors stay below this, and so does the noise of
/// hashing.
const TOLERANCE: f64 = 0.05;

/// Name and count, in the order of the program.
type Counts = Vec<(String, u64)>;

/// Counts, and compares the counts with the table or accepts them.
pub(crate) fn run(accept: bool) -> Result<()> {
    let rustc = rustc()?;
    let path = Workspace::load()?.root.join(TABLE);
    let table = std::fs::read_to_string(&path).unwrap_or_default();
    let (made_by, accepted) = parse(&table);
    if !accept && made_by != rustc {
        println!(
            "instructions: nothing is compared: {TABLE} was made by rustc {made_by}, this is \
                {rustc}"
        );
        return Ok(());
    }
    let program = build()?;
    let counted = count(&program)?;
    if accept {
        std::fs::write(&path, show(&rustc, &counted))
            .with_context(|| format!("writing {TABLE}"))?;
        println!("instructions: {TABLE} holds the new counts; say in the commit why they changed");
        return Ok(());
    }
    let (text, worse) = compare(&accepted, &counted);
    print!("{text}");
    if !worse.is_empty() {
        bail!(
            "instructions: more than {:.0} % above {TABLE}: {}; find out why, or accept with \
                `cargo xtask \
             instructions --accept`",
            TOLERANCE * 100.0,
            worse.join(", ")
        );
    }
    Ok(())
}

/// Returns whether instructions can be counted on this machine.
pub(crate) fn is_possible() -> bool {
    Command::new("valgrind")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Version, commit and target.
fn rustc() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text = output(Command::new(rustc).arg("-vV"))?;
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or("unknown")
            .trim()
    };
    Ok(format!(
        "{} {} {}",
        field("release:"),
        field("commit-hash:"),
        field("host:")
    ))
}

/// Builds the program with the inputs, and returns its path, which cargo reports.
fn build() -> Result<PathBuf> {
    println!("cargo build --profile {PROFILE} --locked -p euryale --bench instructions");
    let mut build = Command::new(cargo());
    build.args([
        "build",
        "--profile",
        PROFILE,
        "--locked",
        "-p",
        "euryale",
        "--bench",
        "instructions",
    ]);
    // The user's own flags would change the counts.
    build
        .args(["--message-format", "json-render-diagnostics"])
        .env_remove("RUSTFLAGS")
        .env("CARGO_INCREMENTAL", "0");
    let messages = output(&mut build)?;
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_ours = message["target"]["name"] == "instructions";
        is_ours
            .then(|| message["executable"].as_str().map(PathBuf::from))
            .flatten()
    };
    messages
        .lines()
        .find_map(executable)
        .context("cargo built no instructions")
}

/// Each input runs in its own process, so that none warms the caches and the heap for another.
fn count(program: &Path) -> Result<Counts> {
    let listed = output(&mut Command::new(program))?;
    let names = listed
        .split_once(": ")
        .map(|(_, names)| names.split_whitespace())
        .context("no inputs")?;
    names
        .map(|name| Ok((name.to_owned(), callgrind(program, name)?)))
        .collect()
}

fn callgrind(program: &Path, input: &str) -> Result<u64> {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*instructions*measured*",
        ])
        .arg(program)
        .arg(input)
        .output()
        .context("starting valgrind, which counts the instructions; Debian has it as `valgrind`")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "input {input} failed: {}",
        text.lines().last().unwrap_or("without a word")
    );
    let count = collected(&text).with_context(|| format!("valgrind counted nothing of {input}"))?;
    ensure!(
        count > 0,
        "nothing was counted of {input}: its function `measured` was not found"
    );
    Ok(count)
}

/// Of `==1234== Collected : 5678`.
pub(crate) fn collected(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))?;
    line.1.split_whitespace().next()?.parse().ok()
}

/// The compiler and the counts of a table.
pub(crate) fn parse(table: &str) -> (String, Counts) {
    let rustc = table
        .lines()
        .find_map(|line| line.strip_prefix(RUSTC))
        .unwrap_or("unknown")
        .to_owned();
    let entry = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    };
    let counts = table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(entry)
        .collect();
    (rustc, counts)
}

pub(crate) fn show(rustc: &str, counts: &Counts) -> String {
    let mut out = format!("{HEAD}{RUSTC}{rustc}\n");
    for (name, count) in counts {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name} {count}");
    }
    out
}

/// A table for people, and the inputs that became worse. An input that is not in the accepted table
/// counts as worse.
pub(crate) fn compare(accepted: &Counts, counted: &Counts) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut worse = Vec::new();
    for (name, count) in counted {
        let before = accepted
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, count)| *count);
        let now = *count as f64;
        let before = before.map(|before| before as f64);
        let verdict = match before {
            None => "new",
            Some(before) if now > before * (1.0 + TOLERANCE) => "MORE",
            Some(before) if now < before * (1.0 - TOLERANCE) => "less: accept it",
            Some(_) => "ok",
        };
        if matches!(verdict, "new" | "MORE") {
            worse.push(name.clone());
        }
        let change = before.map_or("–".to_owned(), |before| {
            format!("{:+.2} %", (now / before - 1.0) * 100.0)
        });
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name:16} {count:>12} {change:>10}  {verdict}");
    }
    (out, worse)
}
