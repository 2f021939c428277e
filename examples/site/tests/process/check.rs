//! `--check-config`, and settings without effect.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::edge::certify;
use super::{Running, ended, eventually, output, program, site};

/// Exit code and lines of a check with these flags.
fn checked(flags: &[&str]) -> (Option<i32>, Vec<String>) {
    lines(site(&[&["--check-config"], flags].concat()))
}

fn lines(command: Command) -> (Option<i32>, Vec<String>) {
    let output = output(command);
    let said = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code();
    assert_eq!(
        output.stdout == b"The configuration is valid.\n",
        code == Some(0),
        "{said}"
    );
    (code, said.lines().map(str::to_owned).collect())
}

/// A theme with these rules.
fn theme(folder: &Path, name: &str, rules: &str) -> String {
    let theme = folder.join(name);
    fs::create_dir(&theme).unwrap();
    let page = "<html><head></head><body><div id=\"a\"></div></body></html>";
    fs::write(theme.join("page.html"), page).unwrap();
    fs::write(theme.join("rules.xml"), rules).unwrap();
    format!("--theme={}", theme.display())
}

const RULES: &str =
    "<rules xmlns=\"http://namespaces.plone.org/diazo\">\n<theme href=\"page.html\"/>\n";

#[test]
fn right_configuration_is_valid_and_nothing_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let [cert, key] = certify(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let rules = format!(
        "{RULES}<replace css:theme=\"#a\" css:content=\"main\" \
        xmlns:css=\"http://namespaces.plone.org/diazo/css\"/>\n</rules>"
    );
    let flags = [
        theme(folder.path(), "theme", &rules),
        format!("--data={}", path("data/below")),
        cert,
        key,
        format!("--listen=tls:8443,unix:{}", path("socket")),
        "--unix-owner=root".to_owned(),
    ];
    let flags = flags.each_ref().map(String::as_str);
    let (code, said) = checked(&flags);
    assert_eq!((code, said.len()), (Some(0), 0), "{said:?}");
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["cert.pem", "key.pem", "theme"]);
}

#[test]
fn each_fault_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let [cert, key] = certify(folder.path());
    let [_, others_key] = certify(other.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("file"), "").unwrap();
    fs::create_dir_all(path("swapped/site.db")).unwrap();
    fs::write(path("swapped/blobs"), "").unwrap();
    symlink("/does/not/exist", path("dangling")).unwrap();
    let no_key = format!("--tls-key={}", path("file"));
    let tls = "--listen=tls:0".to_owned();
    let broken = theme(folder.path(), "broken", "<rules");
    let nonsense = theme(
        folder.path(),
        "nonsense",
        &format!("{RULES}<nonsense/>\n</rules>"),
    );
    let data = |name: &str| format!("--data={}", path(name));
    let socket = format!("--listen=unix:{}", path("missing/socket"));
    let cases: [(Vec<String>, &[&str]); 13] = [
        (
            vec![cert.clone(), key.clone()],
            &["--tls-cert", "--tls-key"],
        ),
        (
            vec![cert.clone(), tls.clone()],
            &["a certificate needs its key"],
        ),
        (vec![tls.clone()], &["there are no certificates"]),
        (
            vec![cert.clone(), others_key, tls.clone()],
            &["the certificates cannot be used"],
        ),
        (
            vec![cert.clone(), no_key, tls.clone()],
            &["cannot read the key"],
        ),
        (vec![broken], &["the theme is wrong"]),
        (vec![nonsense], &["rules.xml"]),
        (
            vec!["--theme=gazete".to_owned()],
            &["there is no such theme"],
        ),
        (
            vec!["--log-filter=a=b=c".to_owned()],
            &["cannot read the log filter"],
        ),
        (vec![data("file")], &["the site cannot write here"]),
        (
            vec![data("dangling/below")],
            &["the site cannot write here"],
        ),
        (vec![data("swapped")], &["swapped/site.db", "swapped/blobs"]),
        (
            vec![
                socket,
                "--unix-owner=:nobody-of-that-name".to_owned(),
                data("file"),
            ],
            &[
                "the site cannot write here",
                "no socket can be made",
                "knows no nobody",
            ],
        ),
    ];
    for (flags, faults) in cases {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let (code, said) = checked(&flags);
        assert_eq!(code, Some(1), "{flags:?}: {said:?}");
        assert_eq!(said.len(), faults.len(), "{flags:?}: {said:?}");
        for (line, fault) in said.iter().zip(faults) {
            assert!(
                line.starts_with("error: ") && line.contains(fault),
                "{flags:?}: {line}"
            );
        }
    }
}

/// A start stops at the first fault.
#[test]
fn wrong_values_of_flags_variables_and_file_are_listed_together() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    fs::write(
        &file,
        "connections = 3\nmax-wait = \"soon\"\nnonsense = 1\nmax-streams = 0\n",
    )
    .unwrap();
    fs::write(folder.path().join("data"), "").unwrap();
    let data = format!("--data={}", folder.path().join("data").display());
    let config = format!("--config={}", file.display());
    let mut command = site(&[
        "--check-config",
        "--connections=abc",
        "--listen=127.0.0.1:8080,nowhere",
        "--listen=:99999",
        "--conections",
        "5",
        "--drain",
        "never",
        &config,
        &data,
    ]);
    command.env("EURYALE_MAX_QUEUE", "0");
    let (code, said) = lines(command);
    let faults = [
        "unexpected argument '--conections' found",
        "invalid value 'nowhere' for '--listen",
        "invalid value ':99999' for '--listen",
        "invalid value 'abc' for '--connections <NUMBER>'",
        "for '--max-queue <NUMBER>': 0 is not in 1..=1000000 - EURYALE_MAX_QUEUE - ",
        "invalid value 'never' for '--drain <DURATION>'",
        "the setting max-streams is wrong",
        "the setting max-wait is wrong",
        "there is no setting nonsense",
        "the site cannot write here",
    ];
    for fault in faults {
        assert!(
            said.iter()
                .any(|line| line.starts_with("error: ") && line.contains(fault)),
            "{fault}: {said:#?}"
        );
    }
    assert_eq!((code, said.len()), (Some(1), faults.len()), "{said:#?}");
}

/// root may write everywhere, so the check runs as another user.
#[test]
fn folder_that_only_others_may_write_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    // The program may be in a folder that only root can read.
    let copy = folder.path().join("site");
    fs::copy(super::SITE, &copy).unwrap();
    let mut command = program(&copy);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    command
        .current_dir("/")
        .arg("--check-config")
        .arg("--data")
        .arg(closed.join("data"));
    let (code, said) = lines(command);
    assert_eq!((code, said.len()), (Some(1), 1), "{said:?}");
    assert!(
        said[0].contains("closed/data") && said[0].contains("Permission denied"),
        "{said:?}"
    );
}

/// Otherwise the site would be served without TLS, and nobody would notice.
#[test]
fn certificates_without_a_tls_address_keep_the_site_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let data = folder.path().join("data");
    let flag = |name: &str, file: &str| format!("--{name}={}", folder.path().join(file).display());
    let flags = [
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        &flag("data", "data"),
        &flag("tls-cert", "cert.pem"),
        &flag("tls-key", "key.pem"),
    ];
    let output = ended(&flags);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("error: setting without effect - --tls-cert - ")
            && said.lines().count() == 1,
        "{said}"
    );
    assert!(output.stdout.is_empty() && !data.exists());
}

#[test]
fn setting_without_effect_is_a_warning_at_the_start_and_at_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let file = folder.path().join("site.toml");
    let data = folder.path().join("data");
    fs::write(&file, "unix-mode = 600\n").unwrap();
    let config = format!("--config={}", file.display());
    let warning = "setting without effect - --unix-mode - it needs a unix: address of --listen";
    let (code, said) = checked(&[&config]);
    assert_eq!((code, said), (Some(0), vec![format!("warning: {warning}")]));
    let site = Running::start(&data, &[&config]);
    eventually("it warns", || site.said().contains(warning));
    let reload = |settings: &str, says: &str| {
        fs::write(&file, settings).unwrap();
        let before = site.said().len();
        site.signal("-HUP");
        eventually(says, || site.said()[before..].contains(says));
    };
    reload(
        "max-wait = \"9s\"\noffload = \"/blobs\"\n",
        "--offload - it needs --trusted-proxy",
    );
    let pem = |name: &str| folder.path().join(name).display().to_string();
    let tls = format!(
        "tls-cert = {:?}\ntls-key = {:?}\n",
        pem("cert.pem"),
        pem("key.pem")
    );
    reload(
        &tls,
        "not reloaded, and nothing is changed: setting without effect - --tls-cert",
    );
    site.end_well();
}
