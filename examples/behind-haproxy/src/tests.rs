use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use euryale_server::{Server, Shutdown};
use euryale_test::{eventually, run_readme, skip};
use tokio::net::TcpListener;

/// A child process. Dropping it ends the process by its id, even if the test fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn start() -> (SocketAddr, Shutdown) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let app = crate::app("127.0.0.1".parse().unwrap());
    tokio::spawn(Server::new().listen(listener).serve(app, shutdown.clone()));
    (address, shutdown)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_true() {
    let (address, shutdown) = start().await;
    run_readme(include_str!("../README.md"), address);
    shutdown.drain();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_behind_haproxy_is_identified() {
    let (address, shutdown) = start().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("public");
    let started = Command::new("haproxy")
        .args(["-f", concat!(env!("CARGO_MANIFEST_DIR"), "/haproxy.cfg")])
        .env("BIND", format!("unix@{}", socket.display()))
        .env("SERVER", address.to_string())
        .stdout(Stdio::null())
        .spawn();
    let Ok(haproxy) = started else {
        return skip("haproxy is not installed");
    };
    let _haproxy = Process(haproxy);
    eventually("haproxy listens", || socket.exists()).await;
    let made_up = [
        "-H",
        "X-Forwarded-For: 203.0.113.9",
        "-H",
        "X-Forwarded-Proto: https",
    ];
    let mut curl = Command::new("curl");
    curl.args(["-s", "--unix-socket"])
        .arg(&socket)
        .args(made_up)
        .arg("http://example.org/");
    let answer = String::from_utf8(curl.output().unwrap().stdout).unwrap();
    assert!(
        answer.ends_with(" sees http://example.org/news\n"),
        "{answer}"
    );
    assert!(!answer.contains("203.0.113.9"), "{answer}");
    shutdown.drain();
}
