//! Each rule is tested with text that obeys it and text that breaks it, because a check that cannot
//! fail is useless.

mod cycles;
mod phrases;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::ci::{self, Action, Installed, steps};
use crate::instructions;
use crate::python::environment::Environment;
use crate::python::without;
use crate::rules::{
    Finding, codes, entries, examples, manifests, markdown, packages, roots, size, words,
};
use crate::source::{Source, has_word};
use crate::workspace::{Dependency, Package, Workspace};

mod kinds;

const LAYER_ROOT: &str = "//! One sentence.\n//!\n//! # Cancellation\n//! # Backpressure\n\
    //! # Errors\n//! # Panics\n\
                          mod layer;\npub use layer::SpoolLayer;\n";

fn lines(findings: &[Finding]) -> Vec<usize> {
    findings.iter().map(|finding| finding.line).collect()
}

fn whats(findings: &[Finding]) -> Vec<&str> {
    findings
        .iter()
        .map(|finding| finding.what.as_str())
        .collect()
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn package(name: &str, folder: &str, dependencies: Vec<Dependency>) -> Package {
    Package {
        name: name.into(),
        folder: folder.into(),
        published: true,
        kind: None,
        dependencies,
    }
}

fn normal(name: &str) -> Dependency {
    Dependency {
        name: name.into(),
        dev: false,
        versioned: true,
    }
}

fn dev(name: &str) -> Dependency {
    Dependency {
        name: name.into(),
        dev: true,
        versioned: false,
    }
}

fn code(path: &str, text: &str) -> Vec<Finding> {
    words::check_code(path, &Source::new(text))
}

// The splitter.

fn split(text: &str) -> (Vec<String>, Vec<String>) {
    let source = Source::new(text);
    let code = source
        .lines()
        .map(|line| line.code.trim_end().to_owned())
        .collect();
    let comments = source
        .lines()
        .map(|line| line.comment.trim().to_owned())
        .collect();
    (code, comments)
}

#[test]
fn names_of_codes_begin_with_their_crate_and_differ() {
    let text = "pub const FULL: Code = Code::new(Class::Busy, \"spool.full\", \"no room\");\n\
                pub const GONE: Code = Code::new(\n    Class::Failed,\n    \"gone\",\n    \
                \"gone\",\n)\n.telling(\"It is gone.\");\n\
                pub const BUSY: Code = Code::new(Class::Busy, \"spool.full\", \"busy\");\n";
    let found = |path| lines(&codes::check(path, &Source::new(text)));
    assert_eq!(found("crates/euryale-spool/src/codes.rs"), [4, 8]);
    assert_eq!(found("crates/euryale-spool/src/tests.rs"), [0; 0]);
}

#[test]
fn comments_are_not_code() {
    let (code, comments) = split("a(); // b\n/* c /* d */ e\n*/ f();\n//! g\n");
    assert_eq!(code, ["a();", "", "   f();", ""]);
    assert_eq!(comments, ["// b", "/* c /* d */ e", "*/", "//! g"]);
}

#[test]
fn literals_are_neither_code_nor_comment() {
    let literals = [
        r#""a // x""#,
        r#""\" // x""#,
        r##"r"a // x""##,
        r###"r#"a " // x"#"###,
        r##"br"// x""##,
        r##"c"// x""##,
    ];
    for literal in literals {
        let (code, comments) = split(&format!("f({literal}); // end"));
        assert!(
            code[0].ends_with(");") && !code[0].contains(['/', 'x']),
            "{literal}: {code:?}"
        );
        assert_eq!(comments, ["// end"], "{literal}");
    }
}

#[test]
fn characters_and_lifetimes_do_not_open_strings() {
    for text in [
        "f('\"'); // end",
        "f('\\''); // end",
        "f('\\u{22}'); // end",
        "f::<'a, 'b>(b'\"'); // end",
    ] {
        assert_eq!(split(text).1, ["// end"], "{text}");
    }
}

#[test]
fn an_identifier_that_ends_in_r_opens_no_raw_string() {
    assert_eq!(split("for\"a\\\" // b\" // end").1, ["// end"]);
}

#[test]
fn words_end_where_identifiers_end() {
    assert!(has_word("task::spawn_blocking(", "spawn_blocking"));
    assert!(!has_word("my_spawn_blocking(", "spawn_blocking"));
    assert!(!has_word("spawn_blocking_lane(", "spawn_blocking"));
    assert!(has_word("x(dbg!(y))", "dbg!"));
    assert!(!has_word("my_dbg!(y)", "dbg!"));
}

// Size.

#[test]
fn a_file_has_at_most_360_lines_of_code() {
    let full = "a();\n// why\n\n".repeat(360);
    assert_eq!(size::check("crates/a/src/b.rs", &Source::new(&full)), []);
    let more = size::check(
        "crates/a/src/b.rs",
        &Source::new(&(full.clone() + "a();\n")),
    );
    assert_eq!(lines(&more), [1081]);
}

#[test]
fn tests_may_have_800_lines() {
    for path in [
        "crates/a/src/tests.rs",
        "tests/it/a.rs",
        "crates/a/tests/b/c.rs",
        "crates/a/benches/b.rs",
    ] {
        assert_eq!(size::check(path, &Source::new(&"a();\n".repeat(800))), []);
        assert_eq!(
            lines(&size::check(path, &Source::new(&"a();\n".repeat(801)))),
            [801],
            "{path}"
        );
    }
}

#[test]
fn text_in_a_long_string_counts_as_code() {
    let text = format!("const A: &str = r\"\n{}\";\n", "text\n".repeat(359));
    assert_eq!(lines(&size::check("a.rs", &Source::new(&text))), [361]);
}

#[test]
fn a_line_has_at_most_100_characters() {
    assert_eq!(size::check("a.rs", &Source::new(&"é".repeat(100))), []);
    assert_eq!(
        lines(&size::check(
            "a.rs",
            &Source::new(&format!("\n// {}", "é".repeat(98)))
        )),
        [2]
    );
}

#[test]
fn rows_of_tables_in_doc_comments_may_be_longer() {
    let row = "cell".repeat(30);
    for line in [format!("//! | {row} |"), format!("    /// | {row} |")] {
        assert_eq!(size::check("a.rs", &Source::new(&line)), [], "{line}");
    }
    for line in [
        format!("// | {row} |"),
        format!("//! {row} |"),
        format!("/// | {row}"),
        format!("a(\"/// | {row} |\");"),
    ] {
        assert_eq!(
            lines(&size::check("a.rs", &Source::new(&line))),
            [1],
            "{line}"
        );
    }
}

// Crate roots.

#[test]
fn library_roots_are_found_by_path() {
    assert!(roots::is_crate_root("crates/euryale/src/lib.rs"));
    assert!(roots::is_crate_root("crates/euryale-spool/src/lib.rs"));
    assert!(!roots::is_crate_root("crates/euryale-spool/src/a/lib.rs"));
    assert!(!roots::is_crate_root("crates/xtask/src/main.rs"));
    let files = strings(&[
        "crates/euryale-spool/src/layer.rs",
        "crates/euryale-forwarded/src/host/layer.rs",
    ]);
    assert!(roots::is_layer_crate(
        "crates/euryale-spool/src/lib.rs",
        &files
    ));
    assert!(roots::is_layer_crate(
        "crates/euryale-forwarded/src/lib.rs",
        &files
    ));
    assert!(!roots::is_layer_crate(
        "crates/euryale-core/src/lib.rs",
        &files
    ));
}

#[test]
fn a_root_starts_with_documentation() {
    assert_eq!(
        roots::check("a/lib.rs", &Source::new("//! Text.\nmod a;\n"), false),
        []
    );
    assert_eq!(
        lines(&roots::check(
            "a/lib.rs",
            &Source::new("mod a;\n//! Text.\n"),
            false
        )),
        [1]
    );
    assert_eq!(
        lines(&roots::check("a/lib.rs", &Source::new(""), false)),
        [1]
    );
}

#[test]
fn a_layer_answers_four_questions() {
    assert_eq!(roots::check("a/lib.rs", &Source::new(LAYER_ROOT), true), []);
    for heading in ["# Cancellation", "# Backpressure", "# Errors", "# Panics"] {
        let without = LAYER_ROOT.replace(heading, "# Other");
        assert_eq!(
            whats(&roots::check("a/lib.rs", &Source::new(&without), true)),
            [format!("no `{heading}` in a layer crate's documentation")]
        );
        assert_eq!(roots::check("a/lib.rs", &Source::new(&without), false), []);
    }
}

#[test]
fn a_root_holds_no_items() {
    for item in [
        "fn a() {}",
        "pub struct A;",
        "impl A {}",
        "pub(crate) const A: u8 = 1;",
        "macro_rules! a { () => {} }",
    ] {
        let text = format!("{LAYER_ROOT}{item}\n");
        assert_eq!(
            lines(&roots::check("a/lib.rs", &Source::new(&text), true)),
            [9],
            "{item}"
        );
    }
    let text = format!(
        "{LAYER_ROOT}#[cfg(test)]\nmod tests;\n// fn a() {{}}\npub use a::{{\n    B, function,\n\
            }};\n"
    );
    assert_eq!(roots::check("a/lib.rs", &Source::new(&text), true), []);
}

#[test]
fn a_root_finding_names_the_item_and_not_a_lifetime() {
    let found = roots::check(
        "a/lib.rs",
        &Source::new("//! Text.\npub type A = Box<dyn B + 'static>;\n"),
        false,
    );
    assert_eq!(whats(&found), ["`type` in a crate root"]);
}

// Manifests.

#[test]
fn the_folder_is_the_name() {
    const MANIFEST: &str = "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n";
    for folder in ["crates/a", "examples/a", "tests"] {
        assert_eq!(
            manifests::check(&package("a", folder, vec![]), MANIFEST),
            []
        );
    }
    for folder in ["crates/b", "examples/b", "crates/a/b", "crates/b/a"] {
        assert_eq!(
            lines(&manifests::check(&package("a", folder, vec![]), MANIFEST)),
            [2],
            "{folder}"
        );
    }
}

#[test]
fn members_inherit_the_lints() {
    let found = |manifest| manifests::check(&package("a", "crates/a", vec![]), manifest);
    assert_eq!(found("[lints]\nworkspace = true # why\n"), []);
    assert_eq!(found("lints.workspace = true\n[package]\n"), []);
    assert_eq!(found("[package]\nname = \"a\"\n").len(), 1);
    assert_eq!(found("[dependencies.a]\nworkspace = true\n").len(), 1);
    assert_eq!(found("[lints]\n# workspace = true\n").len(), 1);
}

// Packages.

const PUBLISHED: &str = "[package]
name = \"euryale-a\"
description = \"A\"
documentation = \"https://docs.rs/euryale-a\"
keywords = [\"a\"]
categories = [\"asynchronous\"]
rust-version.workspace = true
license.workspace = true

[package.metadata.docs.rs]
all-features = true
";

fn packaged(package: &Package, manifest: &str, files: &[&str]) -> Vec<String> {
    let known = files
        .iter()
        .map(|file| format!("{}/{file}", package.folder))
        .collect();
    packages::check(package, manifest, &known)
        .into_iter()
        .map(|finding| finding.what)
        .collect()
}

#[test]
fn a_published_package_is_complete() {
    let a = package("euryale-a", "crates/euryale-a", vec![]);
    let files = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];
    assert_eq!(packaged(&a, PUBLISHED, &files), Vec::<String>::new());
    assert_eq!(
        packaged(&a, PUBLISHED, &files[..2]),
        ["no LICENSE-APACHE in the package"]
    );
    assert_eq!(
        packaged(&a, PUBLISHED, &files[1..]),
        ["no README.md in the package"]
    );
    let elsewhere = PUBLISHED.replace("[package]", "[package]\nreadme = \"../../README.md\"");
    assert_eq!(packaged(&a, &elsewhere, &files[1..]), Vec::<String>::new());
    let without = PUBLISHED.replace("documentation", "# documentation");
    assert_eq!(packaged(&a, &without, &files), ["no `documentation`"]);
    let some = PUBLISHED.replace("all-features = true", "features = []");
    assert_eq!(
        packaged(&a, &some, &files),
        ["docs.rs would leave features out"]
    );
}

#[test]
fn only_crates_are_published() {
    let mut site = package("site", "examples/site", vec![]);
    assert_eq!(
        packaged(&site, "[package]\n", &[]),
        ["`site` would be published"]
    );
    site.published = false;
    assert_eq!(packaged(&site, "[package]\n", &[]), Vec::<String>::new());
}

#[test]
fn types_of_other_crates_are_not_re_exported() {
    let found = |path: &str, line: &str| packages::check_code(path, &Source::new(line)).len();
    for line in [
        "pub use self::a::B;",
        "pub use euryale_core as core;",
        "pub use std::io;",
        "use http::Uri;",
    ] {
        assert_eq!(found("crates/euryale-a/src/lib.rs", line), 0, "{line}");
    }
    assert_eq!(
        found("crates/euryale-sqlite/src/lib.rs", "pub use rusqlite;"),
        0
    );
    for line in [
        "pub use rusqlite;",
        "pub use http::{HeaderMap, Uri};",
        "    pub use lol_html as html;",
    ] {
        assert_eq!(found("crates/euryale-a/src/lib.rs", line), 1, "{line}");
    }
}

#[test]
fn an_example_keeps_a_file_of_its_own_name() {
    let found = |path: &str, line: &str| examples::check(path, &Source::new(line)).len();
    let two = r#"let pool = pool("mixed.db", "notes.db");"#;
    assert_eq!(
        found("examples/mixed/src/main.rs", r#"pool("mixed.db")"#),
        0
    );
    assert_eq!(found("examples/mixed/src/bin/other.rs", two), 1);
    for path in [
        "examples/mixed/src/tests.rs",
        "examples/mixed/src/tests/a.rs",
        "crates/a/src/lib.rs",
    ] {
        assert_eq!(found(path, two), 0, "{path}");
    }
}

#[test]
fn missing_metadata_for_a_release_is_found() {
    assert_eq!(
        packages::unreleasable("[workspace.package]\nversion = \"0.1.0\"\n").len(),
        1
    );
    assert!(packages::unreleasable("[workspace.package]\nrepository = \"https://…\"\n").is_empty());
}

// Workspace.

#[test]
fn packages_are_read_from_cargo_metadata() {
    let metadata = serde_json::json!({
        "name": "euryale-spool",
        "manifest_path": "/w/crates/euryale-spool/Cargo.toml",
        "publish": null,
        "dependencies": [
            { "name": "bytes", "kind": null, "req": "^1" },
            {
                "name": "euryale-core",
                "kind": null,
                "req": "^0.1.0",
                "path": "/w/crates/euryale-core"
            },
            { "name": "euryale-test", "kind": "dev", "req": "*", "path": "/w/crates/euryale-test" },
        ],
    });
    let package = Package::read(&metadata, Path::new("/w")).unwrap();
    assert_eq!(
        (package.manifest().as_str(), package.published),
        ("crates/euryale-spool/Cargo.toml", true)
    );
    let read: Vec<_> = package
        .dependencies
        .iter()
        .map(|d| (d.name.as_str(), d.dev, d.versioned))
        .collect();
    assert_eq!(
        read,
        [("euryale-core", false, true), ("euryale-test", true, false)]
    );
    let private =
        serde_json::json!({ "name": "a", "manifest_path": "/w/tests/Cargo.toml", "publish": [] });
    assert!(!Package::read(&private, Path::new("/w")).unwrap().published);
}

// Words.

#[test]
fn blocking_threads_are_taken_in_two_files() {
    let text = "//! spawn_blocking\nlet a = \"spawn_blocking\";\ntask::spawn_blocking(f);\n";
    assert_eq!(lines(&code("crates/euryale-spool/src/a.rs", text)), [3]);
    assert_eq!(
        lines(&code("crates/euryale-spool/src/worker.rs", text)),
        [3]
    );
    for path in [
        "crates/euryale-connection/src/threads.rs",
        "crates/euryale-core/src/threads/without_layer.rs",
        "crates/euryale-core/src/tests.rs",
        "crates/euryale-core/tests/a.rs",
        "crates/euryale-core/benches/a.rs",
        "crates/euryale-core/examples/a.rs",
        "crates/euryale-test/src/a.rs",
        "crates/euryale-bench/src/a.rs",
        "examples/site/src/main.rs",
    ] {
        assert_eq!(code(path, text), [], "{path}");
    }
}

#[test]
fn sleeping_in_tests_is_found() {
    let text = "// thread::sleep\nstd::thread::sleep(d);\nuse std::thread::sleep;\n";
    for path in [
        "crates/euryale-core/src/a.rs",
        "crates/euryale-core/src/tests.rs",
        "crates/euryale-core/tests/a.rs",
    ] {
        assert_eq!(lines(&code(path, text)), [2, 3], "{path}");
    }
    for path in [
        "crates/euryale-test/src/a.rs",
        "crates/euryale-bench/src/a.rs",
        "examples/a/src/a.rs",
        "tests/it/a.rs",
    ] {
        assert_eq!(code(path, text), [], "{path}");
    }
}

#[test]
fn notes_of_unfinished_work_are_found() {
    for word in ["TODO", "FIXME", "XXX", "dbg!", "todo!", "unimplemented!"] {
        assert_eq!(code("a.rs", &format!("// {word}(a)")).len(), 1, "{word}");
        assert_eq!(
            code("a.rs", &format!("let a = {word}(a);")).len(),
            1,
            "{word}"
        );
        assert_eq!(code("a.rs", &format!("let a = \"{word}\";")), [], "{word}");
    }
    assert_eq!(
        lines(&words::check_prose(
            "a.md",
            "TODOS are fine\n- TODO: this\n"
        )),
        [2]
    );
}

// The top level and Markdown.

#[test]
fn the_top_level_is_closed() {
    assert_eq!(
        entries::check(&strings(&[
            "Cargo.toml",
            "crates/a/src/lib.rs",
            ".ci/run",
            "deploy/a"
        ])),
        []
    );
    let found = entries::check(&strings(&["scripts/a.sh", "scripts/b.sh", "notes.txt"]));
    assert_eq!(
        found
            .iter()
            .map(|finding| finding.path.as_str())
            .collect::<Vec<_>>(),
        ["notes.txt", "scripts"]
    );
}

#[test]
fn lines_of_prose_end_without_white_space() {
    assert_eq!(
        lines(&markdown::check("a.md", "a\nb \nc\t\n", &BTreeSet::new())),
        [2, 3]
    );
}

#[test]
fn links_lead_somewhere() {
    let known =
        BTreeSet::from(["crates", "crates/a", "crates/a/README.md", "README.md"].map(String::from));
    let found = |path, text| markdown::check(path, text, &known).len();
    for text in [
        "[a](crates/a/README.md#top) and [b](crates/)",
        "[a](https://example.org/x) [b](#part) [c](mailto:a@example.org)",
        "[a]: crates/a \"title\"",
        "`[a](b)` and `x](y)`",
        "```text\n[a](b)\n```",
        "[^1]: a note",
    ] {
        assert_eq!(found("README.md", text), 0, "{text}");
    }
    for text in [
        "[a](b)",
        "see [a](crates) and [b](c.md#d)",
        "[a]: b",
        "[a](../README.md)",
        "```\n```\n[a](b)",
    ] {
        assert_eq!(found("README.md", text), 1, "{text}");
    }
    assert_eq!(found("crates/a/README.md", "[a](../../README.md)"), 0);
    assert_eq!(
        found("crates/a/README.md", "[a](README.md) [b](../README.md)"),
        1
    );
    assert_eq!(
        found("examples/site/content/page.md", "[a](b)"),
        0,
        "content has links of its own site"
    );
}

// The other two commands.

#[test]
fn tests_run_once_and_can_be_left_out() {
    let names = |with_tests| {
        steps(
            with_tests,
            Installed {
                nextest: true,
                deny: true,
                valgrind: true,
                python: true,
                libpq: true,
            },
        )
        .iter()
        .map(|step| step.name)
        .collect::<Vec<_>>()
    };
    let all = [
        "fmt",
        "tidy",
        "clippy",
        "tests",
        "doctests",
        "no python",
        "python",
        "snapshot",
        "clippy of the site with PostgreSQL",
        "site on PostgreSQL",
        "diesel on PostgreSQL",
        "docs",
        "package",
        "deny",
        "instructions",
    ];
    assert_eq!(names(true), all);
    assert_eq!(
        names(false),
        [
            "fmt",
            "tidy",
            "clippy",
            "snapshot",
            "clippy of the site with PostgreSQL",
            "site on PostgreSQL",
            "diesel on PostgreSQL",
            "docs",
            "package",
            "deny",
            "instructions"
        ]
    );
}

#[test]
fn every_published_crate_is_packaged() {
    let mut packages = vec![
        package("euryale", "crates/euryale", vec![]),
        package("site", "examples/site", vec![]),
    ];
    packages[1].published = false;
    let workspace = Workspace {
        root: "/w".into(),
        packages,
        files: Vec::new(),
    };
    let command = ci::package(&workspace);
    assert!(
        command.starts_with("package ") && command.ends_with(" -p euryale"),
        "{command}"
    );
}

#[test]
fn missing_programs_are_replaced_or_skipped() {
    let steps = steps(
        true,
        Installed {
            nextest: false,
            deny: false,
            valgrind: false,
            python: false,
            libpq: false,
        },
    );
    let tests = steps.iter().find(|step| step.name == "tests").unwrap();
    assert!(
        matches!(tests.action, Action::Cargo { arguments, .. } if arguments.starts_with("test "))
    );
    assert!(matches!(steps.last().unwrap().action, Action::Skip(_)));
}

#[test]
fn the_path_without_python_has_no_interpreter() {
    let place = std::env::temp_dir().join(format!("xtask-programs-{}", std::process::id()));
    let first = place.join("first");
    let second = place.join("second");
    for (folder, names) in [
        (&first, &["cc", "python3"][..]),
        (&second, &["cc", "git", "python3.13", "pypy3", "pyvenv"]),
    ] {
        fs::create_dir_all(folder).unwrap();
        for name in names {
            fs::write(folder.join(name), "").unwrap();
        }
    }
    let path = std::env::join_paths([&first, &second, &place.join("missing")]).unwrap();
    // The second time it replaces the first folder.
    for _ in 0..2 {
        let programs = without::link_programs(&place, &path).unwrap();
        let mut linked: Vec<_> = fs::read_dir(&programs)
            .unwrap()
            .map(|link| link.unwrap().file_name())
            .collect();
        linked.sort();
        assert_eq!(linked, ["cc", "git"]);
        let target = fs::read_link(programs.join("cc")).unwrap();
        assert_eq!(target, first.join("cc"), "the first one of a name counts");
    }
    fs::remove_dir_all(&place).unwrap();
}

#[test]
fn each_test_that_needs_python_says_that_it_is_skipped() {
    let line = "SKIPPED: python3 is not installed\n";
    let of = |count: usize| format!("     Running tests/process\n{}", line.repeat(count));
    without::all_skipped(&of(5)).unwrap();
    for count in [0, 4, 6] {
        let error = without::all_skipped(&of(count)).unwrap_err().to_string();
        let said = format!("{count} of 5 tests were skipped without Python: ");
        assert!(error.starts_with(&said), "{error}");
    }
}

#[test]
fn environment_is_made_once_its_list_of_requirements_is_in_it() {
    let place = std::env::temp_dir().join(format!("xtask-environment-{}", std::process::id()));
    let requirements: String = (0..10)
        .map(|number| format!("package-{number}==1\n"))
        .collect();
    let environment = Environment::new(&place, "frameworks", &requirements);
    assert!(!environment.is_made());
    let said = environment.describe();
    assert!(
        said.starts_with("package-0==1, ") && said.contains(" and 2 more in "),
        "{said}"
    );
    fs::create_dir_all(place.join("frameworks")).unwrap();
    let stamp = place.join("frameworks/requirements.txt");
    fs::write(&stamp, "package-0==2\n").unwrap();
    assert!(!environment.is_made(), "another list");
    fs::write(&stamp, &requirements).unwrap();
    assert!(environment.is_made());
    fs::remove_dir_all(&place).unwrap();
}

#[test]
fn counts_are_read_from_valgrind() {
    let text =
        "==7== Callgrind\n==7== Events    : Ir\n==7== Collected : 6333\n==7== I refs: 6,333\n";
    assert_eq!(instructions::collected(text), Some(6333));
    assert_eq!(instructions::collected("valgrind: no such program"), None);
}

#[test]
fn a_table_of_counts_comes_back_as_it_was() {
    let counts = vec![("queue".to_owned(), 1000), ("respond".to_owned(), 70)];
    let table = instructions::show("1.95.0 abc x86_64", &counts);
    assert_eq!(
        instructions::parse(&table),
        ("1.95.0 abc x86_64".to_owned(), counts)
    );
    assert_eq!(instructions::parse(""), ("unknown".to_owned(), Vec::new()));
}

#[test]
fn more_instructions_fail_and_fewer_are_reported() {
    let counts = |counts: &[(&str, u64)]| {
        counts
            .iter()
            .map(|(name, n)| ((*name).to_owned(), *n))
            .collect()
    };
    let accepted = counts(&[("a", 1000), ("b", 1000), ("c", 1000)]);
    let (text, worse) = instructions::compare(
        &accepted,
        &counts(&[("a", 1050), ("b", 1051), ("c", 900), ("d", 1)]),
    );
    assert_eq!(
        worse,
        ["b", "d"],
        "at most a twentieth more, and nothing that nobody accepted"
    );
    assert!(
        text.contains("+5.10 %  MORE") && text.contains("-10.00 %  less: accept it"),
        "{text}"
    );
}
