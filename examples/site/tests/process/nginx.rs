//! nginx in front of the site, as a cache that requests parts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use super::clients::{printed, run};
use super::{Running, eventually, program};

/// Caches parts of 1 MiB, and reports whether an answer came from the cache. It listens on a socket
/// in its folder, which nothing else can occupy.
const CONFIGURATION: &str = "
daemon off;
master_process off;
pid FOLDER/pid;
error_log FOLDER/error.log;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    proxy_cache_path FOLDER/cache keys_zone=parts:1m use_temp_path=off;
    server {
        listen unix:FOLDER/socket;
        location / {
            slice 1m;
            proxy_cache parts;
            proxy_cache_key $uri$slice_range;
            proxy_cache_valid 200 206 1h;
            proxy_set_header Range $slice_range;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            add_header X-From $upstream_cache_status always;
            proxy_pass http://SITE;
        }
    }
}
";

/// A running nginx with one process. When it is dropped, it is ended by its id.
struct Nginx {
    child: Child,
    folder: PathBuf,
}

impl Nginx {
    /// `None` if nginx is not installed, which is reported.
    fn start(folder: &Path, site: &Running) -> Option<Self> {
        let name = folder.to_str().unwrap();
        let configuration = folder.join("nginx.conf");
        let text = CONFIGURATION
            .replace("FOLDER", name)
            .replace("SITE", &site.public[0].to_string());
        fs::write(&configuration, text).unwrap();
        let mut command = program("nginx");
        // Debian's path of the program, which is not in every user's `PATH`.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        let log = folder.join("error.log");
        command.args([
            "-p",
            name,
            "-c",
            configuration.to_str().unwrap(),
            "-e",
            log.to_str().unwrap(),
        ]);
        let child = match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                euryale_test::skip("nginx is not installed");
                return None;
            }
            child => child.unwrap(),
        };
        let mut nginx = Self {
            child,
            folder: folder.to_owned(),
        };
        eventually("nginx listens", || {
            let ended = nginx.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", nginx.said());
            std::os::unix::net::UnixStream::connect(folder.join("socket")).is_ok()
        });
        Some(nginx)
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.join("error.log")).unwrap_or_default()
    }

    /// Its answer: the head and the body. `None` if there is no curl.
    fn get(&self, path: &str, more: &[&str]) -> Option<(String, Vec<u8>)> {
        let [socket, head, body] = ["socket", "head", "answer"].map(|name| self.folder.join(name));
        let [socket, head, body] = [&socket, &head, &body].map(|path| path.to_str().unwrap());
        let url = format!("http://localhost{path}");
        let arguments = [
            "-sSf",
            "--unix-socket",
            socket,
            "-D",
            head,
            "-o",
            body,
            &url,
        ];
        printed(run("curl", &[more, arguments.as_slice()].concat())?);
        Some((
            fs::read_to_string(head).unwrap().to_lowercase(),
            fs::read(body).unwrap(),
        ))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn nginx_assembles_the_parts_and_requests_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&folder.path().join("data"), &[]);
    let (_, chord) = site.chord();
    let cache = folder.path().join("nginx");
    fs::create_dir(&cache).unwrap();
    let Some(nginx) = Nginx::start(&cache, &site) else {
        return;
    };
    let sent = || site.metric("euryale_blobs_total{path=\"sendfile\"}");
    let path = "/pictures/chord.wav";
    let before = sent();

    // A part that covers two parts of the cache.
    let range = ["-r", "3145000-4194999"];
    for from in ["miss", "hit"] {
        let Some((head, body)) = nginx.get(path, &range) else {
            return;
        };
        assert!(
            head.starts_with("http/1.1 206 ") && head.contains(&format!("x-from: {from}\r\n")),
            "{head}"
        );
        assert!(
            head.contains("content-range: bytes 3145000-4194999/21168044\r\n"),
            "{head}"
        );
        assert!(body == chord[3_145_000..4_195_000]);
    }
    assert_eq!(sent() - before, 3, "the parts of 1 MiB in which it lies");
    for from in ["miss", "hit"] {
        let Some((head, body)) = nginx.get(path, &[]) else {
            return;
        };
        assert!(
            head.starts_with("http/1.1 200 ") && head.contains(&format!("x-from: {from}\r\n")),
            "{head}"
        );
        assert!(body == chord);
    }
    assert_eq!(sent() - before, 21, "each once");
    // Parts of the whole file, which is in the cache now.
    let Some((head, body)) = nginx.get(path, &["-r", "-100"]) else {
        return;
    };
    assert!(head.contains("x-from: hit\r\n"), "{head}");
    assert!(body == chord[chord.len() - 100..]);
    let Some((_, body)) = nginx.get(path, &["-r", "21000000-"]) else {
        return;
    };
    assert!(body == chord[21_000_000..]);
    assert_eq!(sent() - before, 21);
    assert_eq!(
        nginx.said().matches("[error]").count(),
        0,
        "{}",
        nginx.said()
    );
    drop(nginx);
    site.end_well();
}
