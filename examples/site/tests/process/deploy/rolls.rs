//! Several processes of one site at one address, behind a proxy: rolls lose no request of clients
//! with and without keep-alive, not even one that must not be sent twice.

use tempfile::TempDir;

use super::program::Proxy;
use super::{Sites, caddy, haproxy, nginx};
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
