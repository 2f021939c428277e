//! The number of sockets and of sessions, while clients disconnect from running statements.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use euryale::connection::PoolBook;
use euryale::transaction::DropReason;
use euryale::{Body, Ledger, Pool, Response, Stack};
use euryale_postgres::{Postgres, PostgresBook};
use euryale_test::engines::Setup;
use tower::ServiceExt;

const CAP: usize = 4;

/// One thread sends all cancels, one after the other, each on a socket of its own.
const CANCEL: usize = 1;

/// How long a session may take to end after its client has dropped the connection.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Clients in one wave, all of which disconnect.
const CLIENTS: usize = 40;

/// A tenth of the full number, which `EURYALE_WAVES=200` runs.
fn waves() -> usize {
    let number = std::env::var("EURYALE_WAVES").ok();
    number.and_then(|number| number.parse().ok()).unwrap_or(20)
}

/// The number of this process's open sockets whose peer has the port.
///
/// The kernel hands its table over in parts, so a socket that is closed while it is read and the
/// one that takes its place can both be in it. Sockets that two tables have were all open between
/// the two readings.
fn sockets(port: u16) -> usize {
    let before = inodes(port);
    inodes(port).intersection(&before).count()
}

/// The inodes of the sockets in one reading of the kernel's table.
fn inodes(port: u16) -> HashSet<u64> {
    let peer = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let inode = fields[9].parse().unwrap();
        // A socket that was closed has no inode.
        (fields[2].ends_with(&peer) && inode != 0).then_some(inode)
    };
    table.lines().skip(1).filter_map(inode).collect()
}

fn dropped(ledger: &Ledger) -> u64 {
    let dropped = &ledger.of::<PoolBook>().connections.dropped;
    DropReason::ALL
        .iter()
        .map(|reason| dropped.get(*reason))
        .sum()
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Looks at both sides until `stop`, and counts its looks. Returns the most sockets and the most
/// sessions.
fn look(
    port: u16,
    mut sessions: impl FnMut() -> usize,
    ledger: &Ledger,
    stop: &AtomicBool,
    looks: &AtomicUsize,
) -> (usize, usize) {
    let mut history = VecDeque::from([(Instant::now(), dropped(ledger))]);
    let mut most = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let open = sockets(port);
        assert!(open <= CAP + CANCEL, "{open} sockets are open");
        let sessions = sessions();
        let now = Instant::now();
        let total = dropped(ledger);
        history.push_back((now, total));
        while history.len() > 1 && now.duration_since(history[1].0) > ENDS_WITHIN {
            history.pop_front();
        }
        let ending = usize::try_from(total - history[0].1).unwrap();
        assert!(
            sessions <= CAP + ending,
            "{sessions} sessions, and {ending} connections were dropped within {ENDS_WITHIN:?}"
        );
        most = (most.0.max(open), most.1.max(sessions));
        looks.fetch_add(1, Ordering::Relaxed);
    }
    most
}

/// Disconnects waves of clients from statements that run and from the queue. Each wave stays until
/// there was a look while all statements ran.
async fn flood(pool: &Pool<Postgres>, looks: &AtomicUsize) {
    let begun = Arc::new(AtomicUsize::new(0));
    let begins = Arc::clone(&begun);
    let service = Stack::new(pool.clone()).publish(move |_, transaction| {
        let connection = transaction.connection()?;
        begins.fetch_add(1, Ordering::Relaxed);
        connection.query("SELECT pg_sleep(10)", &[])?;
        Ok(Response::new(Body::empty()))
    });
    for _ in 0..waves() {
        let before = begun.load(Ordering::Relaxed);
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..CLIENTS {
            let service = service.clone();
            clients.spawn(async move {
                let request = http::Request::new(String::new());
                service.oneshot(request).await.unwrap()
            });
        }
        let are_busy = || begun.load(Ordering::Relaxed) >= before + CAP;
        euryale_test::eventually("all workers run statements", are_busy).await;
        // The look that goes on may have begun before.
        let seen = looks.load(Ordering::Relaxed) + 2;
        let are_seen = || looks.load(Ordering::Relaxed) >= seen;
        euryale_test::eventually("the statements are seen", are_seen).await;
        clients.abort_all();
        while clients.join_next().await.is_some() {}
        euryale_test::eventually("all are stopped", || pool.status().running == 0).await;
    }
}

#[test]
fn sockets_and_sessions_keep_to_the_cap_while_clients_disconnect() {
    let _alone = super::alone();
    let setup = Setup::new().listen().hba("host all all 127.0.0.1/32 trust");
    let Some(server) = setup.start() else {
        return;
    };
    let name = server.create_database();
    let url = format!("postgres://euryale@127.0.0.1:{}/{name}", server.port());
    let ledger = Ledger::new();
    let database = Postgres::open(&url).unwrap().ledger(&ledger);
    let pool = Pool::builder(database)
        .connections(CAP)
        .ledger(ledger.clone())
        .build();
    // On a socket of another kind, so it is not among those that are counted.
    let other = Postgres::open(&server.url(&name)).unwrap();
    let mut other = euryale::Database::connect(&other).unwrap();
    let mut sessions = move || {
        let sql = "SELECT count(*) FROM pg_stat_activity \
            WHERE backend_type = 'client backend' AND client_port > 0";
        let sessions: i64 = other.query_one(sql, &[]).unwrap().get(0);
        usize::try_from(sessions).unwrap()
    };
    let until = Instant::now() + ENDS_WITHIN;
    while sessions() > 0 {
        assert!(
            Instant::now() < until,
            "the session of `open` is still there"
        );
    }
    let stop = AtomicBool::new(false);
    let looks = AtomicUsize::new(0);
    let most = std::thread::scope(|scope| {
        let observer = scope.spawn(|| look(server.port(), sessions, &ledger, &stop, &looks));
        // Also after a panic, so that the test ends.
        let stopper = StopOnDrop(&stop);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            flood(&pool, &looks).await;
            euryale_test::assert_quiet(&ledger).await;
            pool.close(Duration::from_secs(5)).await.unwrap();
        });
        drop(stopper);
        observer.join().unwrap()
    });
    let cancelled = ledger.of::<PostgresBook>().cancelled.get();
    let (sockets, sessions) = most;
    println!("at most {sockets} sockets and {sessions} sessions, {cancelled} cancels");
    assert!(cancelled > 0);
    assert!(sockets >= CAP);
    assert_eq!(ledger.of::<PostgresBook>().not_cancelled.get(), 0);
}
