//! Two servers: one follows the other, and takes its place.

use std::time::{Duration, Instant};

use euryale_postgres::PostgresBook;
use euryale_test::engines::Postgres as Engine;

use super::load::Load;

const CAP: usize = 8;

/// How long callers may be refused after a standby was promoted.
const GAP: Duration = Duration::from_secs(2);

/// A primary, and a standby without which it confirms no commit.
fn pair() -> Option<(Engine, Engine)> {
    let primary = Engine::start()?;
    let standby = primary.replica();
    let wait = "ALTER SYSTEM SET synchronous_standby_names = '*'";
    primary.sql("postgres", wait);
    primary.sql("postgres", "SELECT pg_reload_conf()");
    Some((primary, standby))
}

/// Both servers, in this order.
fn url(first: &Engine, second: &Engine) -> String {
    format!(
        "host={},{} user=euryale dbname=postgres target_session_attrs=read-write",
        first.folder().display(),
        second.folder().display()
    )
}

#[test]
fn no_answered_write_is_lost_when_a_primary_dies_and_its_standby_is_promoted() {
    let _alone = super::alone();
    let Some((mut primary, standby)) = pair() else {
        return;
    };
    let load = Load::start(&url(&primary, &standby), CAP);
    load.goes_on(500);
    let opened = load.opened();
    primary.kill();
    standby.promote();
    let begin = Instant::now();
    load.goes_on(1);
    let gap = begin.elapsed();
    load.goes_on(500);
    let opened = load.opened() - opened;
    println!("the first answer came {gap:.0?} after the promotion, {opened} opened");
    assert!(gap < GAP, "{gap:?}");
    load.end();
}

#[test]
fn callers_move_to_the_new_primary_when_the_old_one_becomes_read_only() {
    let _alone = super::alone();
    let Some((primary, standby)) = pair() else {
        return;
    };
    let load = Load::start(&url(&primary, &standby), CAP);
    load.goes_on(500);
    let opened = load.opened();
    // As a manager of clusters does it: the old primary first, so that there are never two.
    let fence = "ALTER SYSTEM SET default_transaction_read_only = on";
    primary.sql("postgres", fence);
    primary.sql("postgres", "SELECT pg_reload_conf()");
    let demoted = || load.ledger.of::<PostgresBook>().demoted.get();
    let until = Instant::now() + GAP;
    while demoted() == 0 {
        assert!(Instant::now() < until, "no writer noticed");
        std::thread::park_timeout(Duration::from_millis(1));
    }
    standby.promote();
    let begin = Instant::now();
    load.goes_on(500);
    let gap = begin.elapsed();
    println!(
        "500 answers came within {gap:.0?} after the promotion, {} opened, {} demotions",
        load.opened() - opened,
        demoted()
    );
    assert_eq!(standby.sql("postgres", "SELECT pg_is_in_recovery()"), "f");
    load.end();
}
