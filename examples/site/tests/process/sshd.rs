//! Commands from another machine, through the recipe for the host's own sshd.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use super::deploy::{configuration, free_port};
use super::{Running, eventually, exit_code, give_up, output, program};

/// sshd insists on its whole path.
const SSHD: &str = "/usr/sbin/sshd";

/// A running sshd. When it is dropped, it is ended by its id.
struct Sshd {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
    user: String,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        give_up(&mut self.child);
    }
}

fn make_key(file: &Path) {
    let mut command = program("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
    command.arg(file);
    let made = output(command);
    assert!(made.status.success(), "{made:?}");
}

fn me() -> String {
    let said = Command::new("id").arg("-un").output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().to_owned()
}

impl Sshd {
    /// With the recipe, for the user of this test.
    fn start(folder: &Path, console: &Path) -> Self {
        let name = |file: &str| folder.join(file).to_str().unwrap().to_owned();
        for key in ["host", "operator", "stranger"] {
            make_key(&folder.join(key));
        }
        fs::copy(folder.join("operator.pub"), folder.join("operators")).unwrap();
        let user = me();
        let recipe = configuration(
            "systemd/sshd.conf",
            &[
                ("Match User euryale", &format!("Match User {user}")),
                ("/etc/euryale/operators", &name("operators")),
                ("/usr/local/bin/site", super::SITE),
                ("/run/euryale-site-808/console", console.to_str().unwrap()),
            ],
        );
        fs::write(folder.join("recipe.conf"), recipe).unwrap();
        let address = free_port();
        // As Debian's file includes it. Keys may be in a temporary folder, and the test may run
        // where there is no PAM.
        let main = format!(
            "Include {}\nListenAddress {address}\nHostKey {}\nPidFile none\nUsePAM no\n\
             StrictModes no\n",
            name("recipe.conf"),
            name("host")
        );
        fs::write(folder.join("sshd_config"), main).unwrap();
        if rustix::process::geteuid().is_root() {
            // The package's service makes it.
            fs::create_dir_all("/run/sshd").unwrap();
            fs::set_permissions("/run/sshd", fs::Permissions::from_mode(0o755)).unwrap();
        }
        let log = fs::File::create(folder.join("said")).unwrap();
        let child = program(SSHD)
            .args(["-D", "-e", "-f", &name("sshd_config")])
            .stderr(log)
            .spawn()
            .unwrap();
        let mut sshd = Self {
            child,
            address,
            folder: folder.to_owned(),
            user,
        };
        eventually("sshd listens", || {
            let ended = sshd.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", sshd.said());
            std::net::TcpStream::connect(address).is_ok()
        });
        sshd
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.join("said")).unwrap_or_default()
    }

    /// Runs ssh with this key.
    fn ssh(&self, key: &str, words: &[&str]) -> Output {
        let mut command = program("ssh");
        command
            .args([
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args(["-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-i"])
            .arg(self.folder.join(key))
            .args(["-p", &self.address.port().to_string()]);
        let (options, command_words): (Vec<&str>, Vec<&str>) =
            words.iter().partition(|word| word.starts_with("-W"));
        command.args(options).arg("--");
        command.arg(format!("{}@{}", self.user, self.address.ip()));
        command.args(command_words);
        let mut child = command.spawn().unwrap();
        exit_code(&mut child);
        child.wait_with_output().unwrap()
    }

    /// Standard output of a command that must succeed.
    fn give(&self, words: &[&str]) -> String {
        let output = self.ssh("operator", words);
        assert!(output.status.success(), "{output:?}\n{}", self.said());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Both outputs of a command that must fail.
    fn fail(&self, key: &str, words: &[&str]) -> String {
        let output = self.ssh(key, words);
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }
}

#[test]
fn operators_give_commands_through_sshd_and_get_no_shell() {
    if !Path::new(SSHD).exists() {
        euryale_test::skip("sshd is not installed: Debian's package is openssh-server");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let console = folder.path().join("console");
    let flag = format!("--console={}", console.display());
    let site = Running::start(&folder.path().join("data"), &["--processes=2", &flag]);
    let sshd = Sshd::start(folder.path(), &console);

    assert!(sshd.give(&["status"]).contains("workers: 0 of 2 busy"));
    assert!(sshd.give(&["resize 3"]).contains("at most 3 connections"));
    assert!(sshd.give(&["status"]).contains("workers: 0 of 3 busy"));
    // Without a command there is help, and no shell.
    assert!(
        sshd.give(&[])
            .lines()
            .any(|line| line.starts_with("resize N"))
    );

    for words in ["status; id", "$(id)", "`id`", "status | id", "--help", "*"] {
        let said = sshd.fail("operator", &[words]);
        assert!(said.contains("error: "), "{words}: {said}");
        assert!(!said.contains("uid="), "{words}: {said}");
    }
    let forward = format!("-W{}", site.admin);
    let said = sshd.fail("operator", &[&forward]);
    assert!(said.contains("forwarding failed"), "{said}");
    let refused = sshd.fail("stranger", &["drain"]);
    assert!(refused.contains("Permission denied"), "{refused}");

    drop(sshd);
    let said = site.end_well();
    let uid = rustix::process::getuid().as_raw();
    assert!(
        said.contains(&format!("command given peer=uid {uid}, pid ")),
        "{said}"
    );
    assert!(said.contains("command=\"resize 3\""), "{said}");
}
