//! `EURYALE_*` variables that are empty, unknown or wrong.

use std::fs;

use super::{Running, output, site};

fn help(command: &[&str]) -> String {
    let output = output(site(&[command, &["--help"]].concat()));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn empty_variables_count_as_unset() {
    let expected = output(site(&["--print-config"]));
    let mut command = site(&["--print-config"]);
    let help = help(&[]);
    let names: Vec<&str> = help
        .split("[env: ")
        .skip(1)
        .filter_map(|rest| rest.split('=').next())
        .collect();
    assert!(names.len() > 40 && names.contains(&"EURYALE_THEME"));
    for name in names {
        command.env(name, "");
    }
    let printed = output(command);
    let said = String::from_utf8(printed.stderr).unwrap();
    assert!(printed.status.success() && said.is_empty(), "{said}");
    assert_eq!(printed.stdout, expected.stdout);
}

#[test]
fn unknown_variable_is_reported_and_the_program_continues() {
    let line = "unknown variable, without effect - EURYALE_CONECTIONS - did you mean \
        EURYALE_CONNECTIONS?\n";
    let command = |flags: &[&str]| {
        let mut command = site(flags);
        command.env("EURYALE_CONECTIONS", "5");
        command
    };
    let printed = output(command(&["--print-config"]));
    assert!(printed.status.success());
    assert_eq!(
        String::from_utf8(printed.stderr).unwrap(),
        format!("warning: {line}")
    );
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let said = Running::spawn(command(&[]), &data, &[]).end_well();
    assert!(said.contains(line), "{said}");
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    let mut import = command(&["import"]);
    import.arg(source).arg("--data").arg(&data);
    let imported = output(import);
    let said = String::from_utf8(imported.stderr).unwrap();
    assert!(imported.status.success() && said.contains(line), "{said}");
}

#[test]
fn wrong_value_of_a_variable_names_the_variable() {
    let run = |flags: &[&str]| {
        let mut command = site(flags);
        command.env("EURYALE_CONNECTIONS", "abc");
        let output = output(command);
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let tip = "the value is that of the variable EURYALE_CONNECTIONS";
    let (code, said) = run(&["--print-config"]);
    assert!(code == Some(2) && said.contains(tip), "{said}");
    let (code, said) = run(&["--print-config", "--connections=xyz"]);
    assert!(
        code == Some(2) && said.contains("'xyz'") && !said.contains(tip),
        "{said}"
    );
}

#[test]
fn help_is_grouped_and_lists_what_a_command_has() {
    let serving = help(&[]);
    let groups: Vec<&str> = serving
        .lines()
        .filter(|line| line.ends_with(':') && !line.starts_with(' '))
        .collect();
    assert_eq!(
        groups,
        [
            "Commands:",
            "Options:",
            "Addresses:",
            "Content:",
            "Workers:",
            "Request bodies:",
            "Proxies and hosts:",
            "Log:",
            "Permissions:",
            "Peers:",
            "Configuration:",
        ]
    );
    let group = |name: &str| {
        let (_, rest) = serving.split_once(&format!("\n{name}:\n")).unwrap();
        let next = groups
            .iter()
            .filter_map(|other| rest.find(&format!("\n{other}\n")))
            .min();
        &rest[..next.unwrap_or(rest.len())]
    };
    let options = group("Options");
    let flags: Vec<&str> = options
        .lines()
        .filter(|line| line.trim_start().starts_with('-'))
        .map(str::trim)
        .collect();
    assert_eq!(flags, ["-h, --help", "-V, --version"]);
    assert!(group("Addresses").contains("--tls-cert") && group("Log").contains("--log-format"));
    assert!(group("Configuration").contains("--config"));
    let import = help(&["import"]);
    assert!(
        import.contains("Log:") && import.contains("Configuration:"),
        "{import}"
    );
    assert!(
        !import.contains("--admin") && !import.contains("Peers:"),
        "{import}"
    );
    assert!(help(&["healthcheck"]).contains("--admin"));
}
