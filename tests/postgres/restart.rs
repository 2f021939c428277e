//! A server that restarts, and sessions that it ends, under 64 callers.

use std::time::{Duration, Instant};

use euryale_postgres::Postgres;
use euryale_test::engines::{Setup, Stop};

use super::load::Load;

const CAP: usize = 8;

/// How long it may take until the callers have the rate again that they had before.
const FULL_RATE_WITHIN: Duration = Duration::from_secs(2);

/// A tenth of the full number, which `variable` overrides.
fn count(variable: &str, tenth: usize) -> usize {
    let number = std::env::var(variable).ok();
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or(tenth)
}

/// The number of sessions that the server has authorized so far, as its log says.
fn sessions(server: &euryale_test::engines::Postgres) -> usize {
    let log = server.log();
    let authorized = |line: &&str| line.contains("connection authorized: user=euryale");
    log.lines().filter(authorized).count()
}

/// The full number is `EURYALE_RESTARTS=10`.
#[test]
fn a_server_that_restarts_costs_64_callers_only_refusals_and_two_seconds() {
    let _alone = super::alone();
    let setup = Setup::new().setting("log_connections", "on");
    let Some(mut server) = setup.start() else {
        return;
    };
    let Some(steady) = Setup::new().start() else {
        return;
    };
    let name = server.create_database();
    let load = Load::start(&server.url(&name), CAP);
    // On a server that does not restart, to tell the machine's speed.
    let other = Load::start(&steady.url(&steady.create_database()), CAP);
    load.goes_on(500);
    for number in 0..count("EURYALE_RESTARTS", 1) {
        let share = load.share(&other, Duration::from_secs(1));
        let opened = load.opened();
        let authorized = sessions(&server);
        let refused = load.refused();
        let begin = Instant::now();
        server.restart(Stop::Immediate);
        let down = begin.elapsed();
        let (recovered, part) = load.recovers(&other, share, FULL_RATE_WITHIN);
        let opened = load.opened() - opened;
        let authorized = sessions(&server) - authorized;
        let refused = load.refused() - refused;
        println!(
            "restart {number} in {down:.0?}: {part:.2} of the rate after {recovered:.0?}, \
             {opened} opened, {refused} refused"
        );
        assert!(opened <= CAP as u64, "{opened} connections were opened");
        assert!(authorized <= CAP, "the server authorized {authorized}");
    }
    load.end();
    other.end();
}

/// The full number is `EURYALE_TERMINATIONS=500`.
#[test]
fn sessions_that_are_ended_at_random_cost_64_callers_only_refusals() {
    let _alone = super::alone();
    let setup = Setup::new();
    let Some(server) = setup.start() else {
        return;
    };
    let name = server.create_database();
    let load = Load::start(&server.url(&name), CAP);
    load.goes_on(500);
    let other = Postgres::open(&server.url(&name)).unwrap();
    let mut other = euryale::Database::connect(&other).unwrap();
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() \
        ORDER BY random() LIMIT 1";
    let opened = load.opened();
    let mut ended = 0;
    for _ in 0..count("EURYALE_TERMINATIONS", 50) {
        load.goes_on(20);
        ended += other.query(terminate, &[]).unwrap().len() as u64;
    }
    load.goes_on(500);
    let opened = load.opened() - opened;
    let refused = load.refused();
    println!("{ended} sessions were ended, {opened} opened, {refused} requests refused");
    assert!(ended > 0);
    assert!(opened <= ended, "{opened} for {ended}");
    // One that was ended while it was idle costs no request.
    assert!(refused <= ended, "{refused} for {ended}");
    load.end();
}
