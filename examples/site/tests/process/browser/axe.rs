//! Whether people can use the pages without sight, without a mouse, or with poor sight, as far as
//! axe-core can tell.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;

use super::devtools::DevTools;
use super::tour;
use crate::{Running, output, program};

/// A package of npm, and the digest of its archive.
const PACKAGE: &str = "axe-core@4.14.1";
const ARCHIVE: &str = "axe-core-4.14.1.tgz";
const SHA512: &str = "1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b73\
    4f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5";

/// All rules, and the one for the size of touch targets (WCAG 2.2, 2.5.8), which is off by default.
/// Style sheets are not fetched again, because the policy of the pages forbids it.
const RUN: &str = "axe.run(document, {
    preload: false,
    resultTypes: ['violations'],
    rules: { 'target-size': { enabled: true } },
}).then(({ violations }) => violations.map(({ id, help, nodes }) => ({
    id, help, nodes: nodes.slice(0, 5).map(({ html }) => html),
})))";

const LOOKS: [(u32, &str); 4] = [
    (390, "light"),
    (390, "dark"),
    (1280, "light"),
    (1280, "dark"),
];

/// The script of axe-core. `None` if it cannot be fetched.
static AXE: LazyLock<Option<String>> = LazyLock::new(load);

/// Reads the script from an archive that is fetched once.
fn load() -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let archive = folder.join(ARCHIVE);
    if !archive.is_file() && !fetch(folder, &archive) {
        return None;
    }
    check(&archive);
    let mut unpack = program("tar");
    unpack
        .args(["-xzO", "package/axe.min.js", "-f"])
        .arg(&archive);
    let unpacked = unpack.output().unwrap();
    assert!(unpacked.status.success(), "{unpacked:?}");
    Some(String::from_utf8(unpacked.stdout).unwrap())
}

/// Renames the archive once it is complete.
fn fetch(folder: &Path, archive: &Path) -> bool {
    let fresh = tempfile::tempdir_in(folder).unwrap();
    let mut pack = program("npm");
    pack.args(["pack", "--silent", "--fetch-retries=1"])
        .args(["--fetch-retry-mintimeout=1000", PACKAGE])
        .arg("--pack-destination")
        .arg(fresh.path());
    let packed = match pack.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return false,
        packed => packed.unwrap(),
    };
    if packed.status.success() {
        fs::rename(fresh.path().join(ARCHIVE), archive).unwrap();
    }
    packed.status.success()
}

/// Panics if the archive is not the chosen one.
fn check(archive: &Path) {
    let mut list = tempfile::NamedTempFile::new().unwrap();
    writeln!(list, "{SHA512}  {}", archive.display()).unwrap();
    let mut sum = program("sha512sum");
    sum.args(["--check", "--strict"]).arg(list.path());
    let checked = output(sum);
    assert!(checked.status.success(), "{PACKAGE}: {checked:?}");
}

/// A browser, and the script to run in it. If one of them is missing, the skip is reported.
fn tools(profile: &Path) -> Option<(DevTools, &'static str)> {
    let Some(browser) = DevTools::start(profile) else {
        euryale_test::skip("chromium is not installed");
        return None;
    };
    let Some(axe) = AXE.as_deref() else {
        let reason = format!("{PACKAGE} could not be fetched: needs npm and its registry");
        euryale_test::skip(&reason);
        return None;
    };
    Some((browser, axe))
}

fn look(browser: &mut DevTools, axe: &str, what: &str) {
    browser.ask(&format!("{axe};0"));
    for (width, scheme) in LOOKS {
        browser.looks(width, scheme);
        let violations = browser.ask(RUN);
        assert_eq!(
            violations.as_array().map(Vec::len),
            Some(0),
            "{what} {width} {scheme}: {violations:#}"
        );
    }
}

/// Checks that axe-core finds nothing on the page.
pub(crate) fn is_accessible(profile: &Path, url: &str) {
    let Some((mut browser, axe)) = tools(profile) else {
        return;
    };
    browser.open(url);
    look(&mut browser, axe, url);
}

#[test]
fn axe_finds_no_violations() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut browser, axe)) = tools(&folder.path().join("profile")) else {
        return;
    };
    for theme in ["euryale", "gazette"] {
        let data = folder.path().join(theme);
        let site = Running::start(&data, &[&format!("--theme={theme}")]);
        tour::of(&mut browser, &site, |browser, page| {
            look(browser, axe, &format!("{theme} {page}"));
        });
        site.end_well();
    }
}

/// Shows that the test can fail: without this, a test that finds nothing would prove nothing.
#[test]
fn axe_finds_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut browser, axe)) = tools(&folder.path().join("profile")) else {
        return;
    };
    browser.open("data:text/html,<title>t</title><body><main><h1>h</h1><img src=x></main>");
    browser.ask(&format!("{axe};0"));
    let violations = browser.ask(RUN);
    let found: Vec<_> = violations
        .as_array()
        .unwrap()
        .iter()
        .map(|violation| violation["id"].as_str().unwrap())
        .collect();
    assert_eq!(found, ["html-has-lang", "image-alt"], "{violations:#}");
}
