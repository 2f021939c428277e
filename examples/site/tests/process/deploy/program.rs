//! A proxy's own program.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{eventually, program, signal};

/// A running proxy. When it is dropped, it is ended by its id.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    child: Child,
    log: PathBuf,
}

/// Proxies that let their children end first need a moment.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Proxy {
    /// `None` if the program is not installed, which is reported. Its output goes into a file in
    /// `folder`.
    pub(super) fn start(address: SocketAddr, folder: &Path, mut command: Command) -> Option<Self> {
        let log = folder.join("said");
        let said = File::create(&log).unwrap();
        command
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .stdin(Stdio::null());
        let child = match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                euryale_test::skip(&format!(
                    "{} is not installed",
                    command.get_program().display()
                ));
                return None;
            }
            child => child.unwrap(),
        };
        let mut proxy = Self {
            address,
            child,
            log,
        };
        eventually("the proxy listens", || {
            let ended = proxy.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", proxy.said());
            TcpStream::connect(address).is_ok()
        });
        Some(proxy)
    }

    /// The processor time that it has used: utime and stime of proc(5), in hundredths of a second.
    pub(super) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the program's name, which may contain spaces, the third and all other fields
        // follow.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap();
        Duration::from_millis(10 * (ticks(14) + ticks(15)))
    }

    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

/// Debian may keep a program in a folder that is not in every user's path.
pub(super) fn of_debian(name: &str) -> Command {
    let mut command = program(name);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin"));
    command
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            signal(&self.child, "-TERM");
        }
        let until = Instant::now() + LAST_WORDS;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > until {
                let _ = self.child.kill();
            }
            crate::between_looks();
        }
    }
}
