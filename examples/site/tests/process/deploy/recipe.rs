//! Follows the READMEs of `deploy/` literally: every command is run, with Debian's own
//! configuration, on a separate machine that Linux's namespaces make of this one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// A step of a README.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Commands that end.
    Run(String),
    /// A command that runs until it is stopped.
    Terminal(String),
    /// A command, and the lines that it should print.
    Check(String, String),
}

/// The limit for a whole recipe. A step that fails ends it much earlier.
const PATIENCE: Duration = Duration::from_secs(120);

/// The proxy sends a file once, with the same bytes as the site itself.
pub(super) const OFFLOADED: &str = r"
```console
$ curl -so $machine/proxy -w '%{http_code}\n' -H 'Host: www.example.org' \
    http://127.0.0.1/pictures/chord.wav
200
$ curl -sH 'Host: www.example.org' http://127.0.0.1:8080/pictures/chord.wav | cmp - $machine/proxy
$ curl -s http://127.0.0.1:8081/metrics http://127.0.0.1:8091/metrics \
    | grep -c '^euryale_blobs_total.*offload.* 1$'
1
```
";

/// Reading needs no password. Everything else does, also below the mount, and wrong passwords are
/// refused.
const LOGIN: &str = r"
```console
$ curl -sIo /dev/null -w '%{http_code}\n' -H 'Host: www.example.org' http://127.0.0.1/guides
200
$ for method in POST PUT PATCH DELETE OPTIONS; do \
    curl -so /dev/null -w '%{http_code}\n' -d x -X $method -H 'Host: www.example.org' \
    http://127.0.0.1/guides -o /dev/null http://127.0.0.1/app/guides; done | sort | uniq -c
     10 401
$ curl -so /dev/null -w '%{http_code}\n' -H 'Host: www.example.org' -F file=@README.md \
    -u editor:WRONG http://127.0.0.1/app/
401
```
";

/// Exit codes of `machine/run.sh` that are not the recipe's fault.
const NO_OVERLAY: i32 = 77;
const NO_PACKAGE: i32 = 78;

/// Follows the README of a folder of `deploy/`, after Debian has started `service` with its own
/// configuration. Then checks which requests need a password, and `more`, in the same form.
pub(super) fn follow(folder: &str, service: &str, more: &str) {
    let readme = checkout().join("deploy").join(folder).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let first = Step::Run(format!("systemctl start {service}\n"));
    run(&[vec![first], steps(&readme), steps(LOGIN), steps(more)].concat());
}

/// Runs these steps on a separate machine, or skips the test if none can be made.
fn run(steps: &[Step]) {
    if !has_namespaces() {
        return euryale_test::skip("namespaces are not permitted: root is needed");
    }
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("steps");
    fs::create_dir(&files).unwrap();
    for (number, step) in steps.iter().enumerate() {
        let write = |kind: &str, text: &str| {
            fs::write(files.join(format!("{number:03}.{kind}")), text).unwrap();
        };
        match step {
            Step::Run(commands) => write("sh", commands),
            Step::Terminal(command) => write("terminal", &format!("exec {command}")),
            Step::Check(command, printed) => {
                write("command", command);
                write("output", printed);
            }
        }
    }
    let said = folder.path().join("said");
    let log = fs::File::create(&said).unwrap();
    let mut command = namespaces();
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .arg("sh")
        .arg(checkout().join("examples/site/tests/process/deploy/machine/run.sh"))
        .args([files, checkout(), PathBuf::from(crate::SITE)])
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            None if Instant::now() < until => crate::between_looks(),
            None => break give_up(&mut child),
            Some(status) => break status,
        }
    };
    let code = status.code();
    let said = fs::read_to_string(said).unwrap();
    match code {
        Some(NO_OVERLAY) => euryale_test::skip("an overlay file system cannot be mounted"),
        Some(NO_PACKAGE) => euryale_test::skip(said.lines().last().unwrap_or_default()),
        code => assert!(
            code == Some(0) && said.ends_with("all steps are done\n"),
            "{code:?}\n{said}"
        ),
    }
}

/// All processes that it started end with it.
fn give_up(child: &mut Child) -> ExitStatus {
    child.kill().unwrap();
    child.wait().unwrap()
}

fn checkout() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    folder.canonicalize().unwrap()
}

/// All processes in the namespaces end with the first one.
fn namespaces() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child"]);
    command.arg("--mount-proc");
    command
}

fn has_namespaces() -> bool {
    let output = namespaces().arg("true").output();
    output.is_ok_and(|output| output.status.success())
}

/// Blocks of `sh` are commands; one that starts the site gets its own terminal. Blocks of `console`
/// are commands after a dollar sign, and the lines that they print.
fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut blocks = text.split("\n```").skip(1).step_by(2);
    for block in &mut blocks {
        let (language, lines) = block.split_once('\n').unwrap();
        match language {
            "sh" => commands(lines, &mut steps),
            "console" => checks(lines, &mut steps),
            _ => {}
        }
    }
    steps
}

fn commands(lines: &str, steps: &mut Vec<Step>) {
    let mut command = String::new();
    for line in lines.lines() {
        command.push_str(line);
        command.push('\n');
        if line.ends_with('\\') {
            continue;
        }
        let command = std::mem::take(&mut command);
        let is_server = command.contains("site --trusted-proxy=");
        match steps.last_mut() {
            _ if is_server => steps.push(Step::Terminal(command)),
            Some(Step::Run(before)) => before.push_str(&command),
            _ => steps.push(Step::Run(command)),
        }
    }
}

fn checks(lines: &str, steps: &mut Vec<Step>) {
    for line in lines.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                steps.push(Step::Check(format!("{command}\n"), String::new()));
            }
            (None, Some(Step::Check(command, _))) if command.ends_with("\\\n") => {
                *command += &format!("{line}\n");
            }
            (None, Some(Step::Check(_, printed))) => *printed += &format!("{line}\n"),
            (None, _) => {}
        }
    }
}

#[test]
fn a_readme_is_commands_and_what_they_print() {
    let text = "# A\n\n```sh\ncargo build\nrunuser -u a -- site --trusted-proxy=x \\\n    --b\n\
        ```\n\n```sh\nnginx -t\n```\n\n```text\nno\n```\n\n\
        ```console\n$ curl a \\\n    b\n200\n$ c\n```\n";
    let run = |text: &str| Step::Run(text.to_owned());
    let check = |command: &str, printed: &str| Step::Check(command.to_owned(), printed.to_owned());
    let expected = [
        run("cargo build\n"),
        Step::Terminal("runuser -u a -- site --trusted-proxy=x \\\n    --b\n".to_owned()),
        run("nginx -t\n"),
        check("curl a \\\n    b\n", "200\n"),
        check("c\n", ""),
    ];
    assert_eq!(steps(text), expected);
}

/// A step can write only on its own machine.
#[test]
fn step_does_not_change_the_tests_own_machine() {
    let here = tempfile::tempdir().unwrap();
    let probe = here.path().join("written-by-a-step");
    let name = format!("euryale-probe-{}", std::process::id());
    let written = [
        "/etc",
        "/srv",
        "/usr/local",
        "/var/tmp",
        "/tmp",
        "/run",
        "/dev/shm",
    ];
    let mut script = format!("! mkdir {} 2>/dev/null\n", probe.display());
    for folder in written {
        script += &format!("echo x > {folder}/{name}\n");
    }
    // Nothing can be written anywhere else.
    for folder in ["/", "/root", "/usr/bin", "/home"] {
        script += &format!("! mkdir {folder}/{name} 2>/dev/null\n");
    }
    run(&[Step::Run(script)]);
    assert!(!probe.exists());
    for folder in written
        .into_iter()
        .chain(["/", "/root", "/usr/bin", "/home"])
    {
        assert!(!Path::new(folder).join(&name).exists(), "{folder}");
    }
}
