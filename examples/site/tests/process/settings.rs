//! The order of flag, variable, file and default, and the messages about a wrong file.

use std::path::Path;
use std::process::Output;

use super::{Running, ended, get, site};

#[test]
fn the_settings_are_printed_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = site(&["--print-config", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains(data.to_str().unwrap())
    );
    assert!(!data.exists());
}

/// Runs `--print-config` with a file and a variable.
fn printed(
    folder: &Path,
    file: Option<&str>,
    variable: Option<(&str, &str)>,
    flags: &[&str],
) -> Output {
    let mut command = site(flags);
    if let Some(text) = file {
        let path = folder.join("site.toml");
        std::fs::write(&path, text).unwrap();
        command.arg("--config").arg(path);
    }
    command
        .envs(variable)
        .arg("--print-config")
        .output()
        .unwrap()
}

#[test]
fn flag_overrides_variable_overrides_file_overrides_default() {
    let folder = tempfile::tempdir().unwrap();
    let connections = ("EURYALE_CONNECTIONS", "5");
    let listen = ("EURYALE_LISTEN", "127.0.0.1:5,127.0.0.1:6");
    let three = "connections = 3\n";
    let lists = "listen = [\"[::1]:3\", \"[::1]:4\"]\nmax-wait = \"3s\"\n";
    let news = "news = \"https://a.example/feed\"\n";
    let gazette = ("EURYALE_THEME", "gazette");
    let cases: [(_, _, &[&str], _); 22] = [
        (None, None, &[], "theme = \"euryale\"\n"),
        (
            Some("theme = \"none\"\n"),
            Some(gazette),
            &[],
            "theme = \"gazette\"\n",
        ),
        (
            Some("theme = \"none\"\n"),
            Some(gazette),
            &["--theme=./mine"],
            "theme = \"./mine\"\n",
        ),
        (Some(news), None, &[], news),
        (
            Some("half-close = true\n"),
            None,
            &[],
            "half-close = true\n",
        ),
        (
            Some("half-close = true\n"),
            None,
            &["--half-close=false"],
            "half-close = false\n",
        ),
        (None, None, &[], "connections = 2\n"),
        (Some(three), None, &[], "connections = 3\n"),
        (None, Some(connections), &[], "connections = 5\n"),
        (Some(three), Some(connections), &[], "connections = 5\n"),
        (Some(three), None, &["--connections=7"], "connections = 7\n"),
        (
            Some(three),
            Some(connections),
            &["--connections=7"],
            "connections = 7\n",
        ),
        (Some(three), None, &["--connections=2"], "connections = 2\n"),
        (
            Some(lists),
            None,
            &[],
            "listen = [\"[::1]:3\", \"[::1]:4\"]\n",
        ),
        (
            Some(lists),
            Some(listen),
            &[],
            "listen = [\"127.0.0.1:5\", \"127.0.0.1:6\"]\n",
        ),
        (
            Some(lists),
            Some(listen),
            &["--listen=[::1]:7"],
            "listen = [\"[::1]:7\"]\n",
        ),
        (Some(lists), None, &[], "max-wait = \"3s\"\n"),
        (
            Some(lists),
            None,
            &["--max-wait", "7s"],
            "max-wait = \"7s\"\n",
        ),
        (
            Some("listen = 5\n"),
            None,
            &[],
            "listen = [\"127.0.0.1:5\"]\n",
        ),
        (
            Some("log-format = \"json\"\n"),
            None,
            &[],
            "log-format = \"json\"\n",
        ),
        (
            Some("log-format = \"json\"\n"),
            Some(("EURYALE_LOG_FORMAT", "text")),
            &[],
            "log-format = \"text\"\n",
        ),
        (Some("# nothing\n"), None, &[], "max-wait = \"30s\"\n"),
    ];
    for (file, variable, flags, expected) in cases {
        let output = printed(folder.path(), file, variable, flags);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && text.contains(expected),
            "{file:?} {variable:?} {flags:?}: {text}"
        );
    }
}

#[test]
fn printed_settings_are_a_file_of_settings() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--listen=127.0.0.1:1,[::1]:2",
        "--data=a \"b\"",
        "--max-queue=3",
        "--drain=90s",
    ];
    let first = String::from_utf8(printed(folder.path(), None, None, &flags).stdout).unwrap();
    let again = String::from_utf8(printed(folder.path(), Some(&first), None, &[]).stdout).unwrap();
    assert_eq!(first, again);
    let file = folder.path().join("site.toml");
    let by_variable = site(&["--print-config"])
        .env("EURYALE_CONFIG", file)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(by_variable.stdout).unwrap(), first);
}

#[test]
fn a_file_that_is_wrong_is_named_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("conections = 3\n", "there is no setting conections - "),
        ("print-config = 1\n", "there is no setting print-config - "),
        ("config = \"x\"\n", "there is no setting config - "),
        ("max_wait = \"3s\"\n", "there is no setting max_wait - "),
        (
            "[server]\nconnections = 3\n",
            "there is no setting server - ",
        ),
        (
            "connections = 0\n",
            "the setting connections is wrong: invalid value '0' for '--connections",
        ),
        (
            "connections = 1.5\n",
            "the setting connections is wrong: it is neither a text nor",
        ),
        (
            "connections = true\n",
            "the setting connections is wrong: invalid value 'true' for '--connections",
        ),
        (
            "max-wait = 30\n",
            "the setting max-wait is wrong: invalid value '30' for '--max-wait",
        ),
        ("max-wait = \"\"\n", "the setting max-wait is wrong: "),
        (
            "listen = []\n",
            "the setting listen is wrong: the list is empty - ",
        ),
        (
            "admin = [\"[::1]:1\", \"[::1]:2\"]\n",
            "the setting admin is wrong: ",
        ),
        (
            "drain = \"1s\"\n\nconnections = \n",
            "the file of settings is not valid TOML: ",
        ),
        (
            "drain = \"1s\"\ndrain = \"1s\"\n",
            "the file of settings is not valid TOML: duplicate key in line 2 - ",
        ),
    ];
    for (text, what) in cases {
        // A flag does not hide mistakes in the file.
        let output = printed(folder.path(), Some(text), None, &["--connections=1"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}: {said}");
        assert!(
            said.starts_with(&format!("error: {what}")) && said.lines().count() == 1,
            "{text}: {said}"
        );
        assert!(
            said.contains("site.toml") && output.stdout.is_empty(),
            "{text}: {said}"
        );
    }
    let missing = ended(&["--config=/does/not/exist.toml"]);
    let said = String::from_utf8(missing.stderr).unwrap();
    assert_eq!(missing.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("error: cannot read the file of settings: ")
            && said.contains("/exist.toml"),
        "{said}"
    );
}

#[test]
fn a_theme_that_is_not_there_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = ended(&[
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        "--theme=gazete",
        &format!("--data={}", data.display()),
    ]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = "error: there is no such theme - gazete - name a folder with a rules.xml or a \
        manifest.cfg, or euryale, gazette, none\n";
    assert_eq!(said, line);
    assert!(!data.exists());
}

#[test]
fn a_theme_that_is_wrong_is_named_with_its_line_and_the_site_serves() {
    let folder = tempfile::tempdir().unwrap();
    let theme = folder.path().join("theme");
    std::fs::create_dir(&theme).unwrap();
    std::fs::write(
        theme.join("rules.xml"),
        "<rules xmlns=\"http://namespaces.plone.org/diazo\">\n<nonsense/>\n</rules>",
    )
    .unwrap();
    let site = Running::start(
        &folder.path().join("data"),
        &[&format!("--theme={}", theme.display())],
    );
    assert!(
        get(site.public[0], "/guides")
            .unwrap()
            .contains("<h1>Guides</h1>")
    );
    let said = site.end_well();
    assert!(
        said.contains("no theme: pages are served as they are"),
        "{said}"
    );
    assert!(said.contains("rules.xml") && said.contains('2'), "{said}");
}
