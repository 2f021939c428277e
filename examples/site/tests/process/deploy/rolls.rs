//! Several processes of one site at one address, behind a proxy: rolls lose no request of clients
//! with and without keep-alive, not even one that must not be sent twice.

use tempfile::TempDir;

use super::program::Proxy;
use super::{Sites, caddy, haproxy, nginx};
use crate::eventually;
use crate::peer::Peer;
use crate::processes::is_alive;
use crate::rolls::{FEW, MANY, roll_under_clients};

fn roll_behind(start: fn(&Sites) -> Option<(Proxy, TempDir)>, times: usize) {
    let sites = Sites::of(1, &["--processes=2"]);
    let Some((proxy, _folder)) = start(&sites) else {
        return;
    };
    roll_under_clients(sites.one(0), proxy.address, times);
    drop(proxy);
    sites.end();
}

/// A proxy does not send a request into a socket that the site is about to close if it closes the
/// socket first. The recipes set one second for that, and a process that drains waits for two.
fn proxy_closes_its_idle_sockets(start: fn(&Sites) -> Option<(Proxy, TempDir)>) {
    const CLIENTS: usize = 16;
    // Each of them is longer than the test waits for anything.
    let longer = ["--lame-duck=10m", "--drain=1h", "--idle-timeout=1h"];
    let sites = Sites::of(1, &[&["--processes=2"][..], &longer].concat());
    let Some((proxy, _folder)) = start(&sites) else {
        return;
    };
    let site = sites.one(0);
    let mut peers: Vec<_> = (0..CLIENTS)
        .map(|_| Peer::connect(proxy.address).unwrap())
        .collect();
    for peer in &mut peers {
        let request = "GET /@@slow?ms=50 HTTP/1.1\r\nhost: localhost\r\n\r\n";
        peer.send(request).unwrap();
    }
    for peer in &mut peers {
        assert_eq!(peer.answer().unwrap().status, 200);
    }
    let old = site.children();
    site.roll();
    eventually("the old processes have no idle socket", || {
        !old.iter().any(|pid| is_alive(*pid))
    });
    drop(proxy);
    sites.end();
}

#[test]
fn nginx_closes_idle_sockets_before_a_process_that_drains() {
    proxy_closes_its_idle_sockets(nginx::in_front_of);
}

#[test]
fn caddy_closes_idle_sockets_before_a_process_that_drains() {
    proxy_closes_its_idle_sockets(caddy::in_front_of);
}

#[test]
fn rolls_behind_haproxy_lose_no_request() {
    roll_behind(haproxy::in_front_of_one, FEW);
}

#[test]
fn rolls_behind_nginx_lose_no_request() {
    roll_behind(nginx::in_front_of, FEW);
}

#[test]
fn rolls_behind_caddy_lose_no_request() {
    roll_behind(caddy::in_front_of, FEW);
}

#[test]
#[ignore = "slow: cargo test -p site --test process twenty_rolls -- --ignored --nocapture"]
fn twenty_rolls_behind_proxies_lose_no_request() {
    for start in [
        haproxy::in_front_of_one,
        nginx::in_front_of,
        caddy::in_front_of,
    ] {
        roll_behind(start, MANY);
    }
}
