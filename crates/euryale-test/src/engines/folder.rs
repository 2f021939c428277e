//! The folder of the servers of one test binary.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::programs::User;

/// Removes the folder once its standard input and the servers in it have ended, also after the test
/// binary was killed.
const REAPER: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
i=0
while [ $i -lt 300 ] && ls "$0"/*/data/postmaster.pid >/dev/null 2>&1; do
    sleep 0.1
    i=$((i + 1))
done
rm -rf "$0"
"#;

struct Root {
    path: PathBuf,
    /// Its standard input ends when this process ends.
    _reaper: Child,
}

/// A new folder that belongs to `user`. Its path is short: the path of a socket has at most 107
/// bytes.
pub(super) fn create(user: User) -> PathBuf {
    static ROOT: OnceLock<Root> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let root = ROOT.get_or_init(Root::create);
    let folder = root
        .path
        .join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    std::fs::create_dir(&folder).expect("a folder for a server");
    user.own(&folder).expect("a folder of the server's user");
    folder
}

/// Removes the folder of a server that has ended.
pub(super) fn remove(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
}

impl Root {
    fn create() -> Self {
        let path = std::env::temp_dir().join(format!("eu-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a temporary folder for servers");
        // Every user may enter, because the servers run as another user.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .expect("the permissions of a folder of our own");
        let reaper = Command::new("sh")
            .arg("-c")
            .arg(REAPER)
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        Self {
            path,
            _reaper: reaper,
        }
    }
}
