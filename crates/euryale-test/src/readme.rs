//! A README whose commands are run.

use std::net::SocketAddr;
use std::process::Command;

/// Runs the commands of a README: each curl command in its `console` blocks, against `address` in
/// place of `127.0.0.1:3000`, and compares its output with the lines below it. Other commands are
/// for people.
///
/// A `…` matches anything within its line. It blocks, so call it in a runtime with several threads.
///
/// # Panics
/// A command prints something else, or there is no command.
pub fn run_readme(text: &str, address: SocketAddr) {
    if Command::new("curl").arg("--version").output().is_err() {
        return crate::skip("curl is not installed");
    }
    let said = commands(text);
    assert!(!said.is_empty(), "no curl line in a console block");
    for (command, expected) in said {
        let command = command.replace("127.0.0.1:3000", &address.to_string());
        let output = Command::new("sh").args(["-c", &command]).output();
        let output = output.unwrap_or_else(|error| panic!("sh does not start: {error}"));
        let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        let fits = expected.len() == printed.lines().count()
            && expected
                .iter()
                .zip(printed.lines())
                .all(|(expected, line)| is_like(line, expected));
        let errors = String::from_utf8_lossy(&output.stderr);
        let expected = expected.join("\n");
        assert!(
            fits,
            "{command}\nprints\n{printed}\n{errors}and the README says\n{expected}"
        );
    }
}

/// The commands, each with the lines below it.
fn commands(text: &str) -> Vec<(String, Vec<&str>)> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    let mut in_console = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_console = line == "```console";
        } else if !in_console {
            continue;
        } else if let Some(command) = line.strip_prefix("$ ") {
            found.push((command.to_owned(), Vec::new()));
        } else if let Some((command, expected)) = found.last_mut() {
            match command.strip_suffix('\\') {
                Some(begun) if expected.is_empty() => {
                    *command = format!("{begun}{}", line.trim_start());
                }
                _ => expected.push(line),
            }
        }
    }
    found.retain(|(command, _)| command.contains("curl "));
    found
}

fn is_like(line: &str, expected: &str) -> bool {
    let Some((start, rest)) = expected.split_once('…') else {
        return line == expected;
    };
    let Some(mut line) = line.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = line.split_once(part) else {
            return false;
        };
        line = after;
    }
    line.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::{commands, is_like};

    #[test]
    fn commands_are_found_with_what_they_print() {
        let text = "```console\n$ cargo run\n$ curl a \\\n    b\none\ntwo\n\n$ curl c\n```\n\
            ```sh\n$ curl d\n```\n";
        let expected = [
            ("curl a b".to_owned(), vec!["one", "two", ""]),
            ("curl c".to_owned(), vec![]),
        ];
        assert_eq!(commands(text), expected);
    }

    #[test]
    fn an_ellipsis_stands_for_anything() {
        assert!(is_like("date: today", "date: …") && is_like("abc", "a…c") && is_like("ac", "a…c"));
        assert!(is_like("a=1, b=2", "a=…, b=…") && !is_like("a=1, c=2", "a=…, b=…"));
        assert!(!is_like("a", "a…a") && !is_like("abd", "a…c") && !is_like("ab", "a"));
    }
}
