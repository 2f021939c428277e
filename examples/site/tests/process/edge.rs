//! The entrances: Unix sockets, TLS, systemd's sockets, several processes.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Output};

use super::clients::{printed, run};
use super::deploy::free_port;
use super::{PATIENCE, Running, eventually, get, output, program, rest, site};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Makes a certificate for `site.example` in two files, and returns the flags for them.
pub(super) fn certify(folder: &Path) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(["site.example".to_owned()]).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name));
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    [
        format!("--tls-cert={}", text(&cert)),
        format!("--tls-key={}", text(&key)),
    ]
}

/// The status and the version of HTTP with which curl gets a page, trusting `cert`. `None` without
/// curl.
pub(super) fn over_tls(site: &Running, cert: &Path) -> Option<Output> {
    let url = site
        .greeting
        .split(' ')
        .find(|word| word.starts_with("https://"))
        .unwrap();
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
    let resolve = format!("site.example:{port}:127.0.0.1");
    let url = format!("https://site.example:{port}/history");
    let said = ["-o", "/dev/null", "-w", "%{http_code} %{http_version}"];
    run(
        "curl",
        &[
            &["-sS", "--cacert", text(cert), "--resolve", &resolve],
            &said[..],
            &[&url],
        ]
        .concat(),
    )
}

#[test]
fn the_site_serves_at_unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.sock");
    let listen = format!("--listen=unix:{}", text(&path));
    let site = Running::start(&folder.path().join("data"), &[&listen]);
    assert!(site.greeting.contains(text(&path)), "{}", site.greeting);
    let mut peer = UnixStream::connect(&path).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("<h1>Euryale</h1>"));
    site.end_well();
    assert!(!path.exists());
}

/// The socket of a killed process is replaced, and the new one has the right owner.
#[test]
fn a_socket_that_was_left_behind_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.sock");
    let data = folder.path().join("data");
    let listen = format!("--listen=unix:{}", text(&path));
    let killed = Running::start(&data, &[&listen]);
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o660);
    killed.signal("-KILL");
    assert_eq!(killed.end().0, None);
    assert!(path.exists() && UnixStream::connect(&path).is_err());
    // Only root can give files to other users; a process can always give its own to itself.
    let me = std::fs::metadata("/proc/self").unwrap();
    let (user, group) = if me.uid() == 0 {
        (1, 2)
    } else {
        (me.uid(), me.gid())
    };
    let owner = format!("--unix-owner={user}:{group}");
    let site = Running::start(&data, &[&listen, "--unix-mode=600", &owner]);
    let made = path.metadata().unwrap();
    assert_eq!(
        (made.mode() & 0o777, made.uid(), made.gid()),
        (0o600, user, group)
    );
    if me.uid() == 0 {
        let mut peer = UnixStream::connect(&path).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.write_all(b"GET /history HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // A second site at the same address is refused and changes nothing.
    let flags = [&*listen, "--admin=127.0.0.1:0", "--data", text(&data)];
    let second = super::ended(&flags);
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("error: the address is in use") && said.contains(text(&path)),
        "{said}"
    );
    site.end_well();
    assert!(!path.exists());
    let nobody = super::ended(&[&flags[..], &["--unix-owner=:nobody-of-that-name"]].concat());
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!(nobody.status.code(), Some(1), "{said}");
    assert!(
        said.contains("/etc/group knows no nobody-of-that-name") && said.contains("--unix-owner"),
        "{said}"
    );
}

#[test]
fn certificates_are_read_again_on_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let cert = folder.path().join("cert.pem");
    let key = folder.path().join("key.pem");
    let config = folder.path().join("site.toml");
    let settings = format!("connections = 2\ntls-cert = {cert:?}\ntls-key = {key:?}\n");
    std::fs::write(&config, &settings).unwrap();
    let flags = [
        "--listen=tls:127.0.0.1:0",
        "--host=site.example,localhost",
        "--demo",
        "--config",
        text(&config),
    ];
    let site = Running::start(&folder.path().join("data"), &flags);
    let ask = |cert: &Path| over_tls(&site, cert);
    let Some(output) = ask(&cert) else { return };
    assert_eq!(printed(output), "200 2");
    let old = folder.path().join("old.pem");
    std::fs::copy(&cert, &old).unwrap();
    certify(folder.path());
    // A wrong file changes nothing.
    std::fs::write(&config, format!("{settings}nonsense = 1\n")).unwrap();
    site.signal("-HUP");
    eventually("it says so", || {
        site.said().contains("not reloaded, and nothing is changed")
    });
    assert_eq!(printed(ask(&old).unwrap()), "200 2");
    std::fs::write(
        &config,
        settings.replace("connections = 2", "connections = 3"),
    )
    .unwrap();
    let slow = site.slow(500);
    site.signal("-HUP");
    site.counts("euryale_connections_cap", 3);
    assert_eq!(printed(ask(&cert).unwrap()), "200 2");
    assert!(!ask(&old).unwrap().status.success());
    assert!(rest(slow).unwrap().ends_with("worked for 500 ms\n"));
    site.end_well();
}

#[test]
fn tls_without_certificates_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = site(&["--listen=tls:127.0.0.1:0", "--admin=127.0.0.1:0", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("there are no certificates") && said.contains("--tls-cert"),
        "{said}"
    );
    assert!(!data.exists());
}

#[test]
fn supervisor_is_notified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = site(&[]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "20000");
    let running = Running::spawn(command, &folder.path().join("data"), &[]);
    let hear = || {
        let mut heard = [0; 256];
        let count = supervisor.recv(&mut heard).unwrap();
        String::from_utf8_lossy(&heard[..count]).into_owned()
    };
    assert_eq!(hear().trim(), "READY=1");
    assert_eq!(hear().trim(), "WATCHDOG=1");
    assert_eq!(hear().trim(), "WATCHDOG=1");
    running.signal("-TERM");
    while !hear().starts_with("STOPPING=1") {}
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
}

/// Binds a socket, and then executes the site, which inherits it as descriptor 3, under the name in
/// the first argument.
const ACTIVATE: &str = "
import os, socket, sys
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()
os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=sys.argv[1])
os.execv(sys.argv[2], sys.argv[2:])";

/// The site with an inherited socket of this name. It needs python3.
pub(super) fn activate(name: &str) -> Command {
    let mut command = program("python3");
    command.args(["-c", ACTIVATE, name, super::SITE]);
    command
}

#[test]
fn sockets_of_a_supervisor_are_served() {
    if run("python3", &["-c", ""]).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let command = activate("euryale-site.socket");
    let site = Running::spawn(command, &folder.path().join("data"), &[]);
    // The inherited socket overrides the requested addresses.
    assert_eq!(site.public.len(), 1);
    assert!(
        get(site.public[0], "/history")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    site.end_well();
}

#[test]
fn sockets_of_a_supervisor_may_speak_tls() {
    if run("python3", &["-c", ""]).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let flags = certify(folder.path());
    let cert = folder.path().join("cert.pem");
    let mut without = activate("tls");
    without
        .args(["--admin=127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"));
    let said = output(without);
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(
        said.contains("there are no certificates") && said.contains("FileDescriptorName=tls"),
        "{said}"
    );
    let site = Running::spawn(
        activate("tls"),
        &folder.path().join("data"),
        &flags.each_ref().map(|flag| &**flag),
    );
    if let Some(output) = over_tls(&site, &cert) {
        assert_eq!(printed(output), "200 2");
    }
    site.end_well();
}

#[test]
fn two_processes_share_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let free = free_port();
    let flags = [&*format!("--listen={free}"), "--reuse-port"];
    let first = Running::start(&data, &flags);
    let second = Running::start(&data, &flags);
    for _ in 0..20 {
        assert!(get(free, "/history").unwrap().starts_with("HTTP/1.1 200"));
    }
    first.end_well();
    for _ in 0..20 {
        assert!(get(free, "/history").unwrap().starts_with("HTTP/1.1 200"));
    }
    second.end_well();
}
