//! Every failure × every way in which a client may disconnect: the answer is right, the ledger is
//! quiet, and the next request is served.

use std::time::Duration;

use euryale::Pool;
use euryale::connection::PoolBook;
use euryale::transaction::Fault;
use euryale_test::Behaviour::{Fail, Panic};
use euryale_test::{
    Behaviour, CountingDatabase, H2Client, RawClient, ScriptedPublisher, Step, eventually,
};
use euryale_tests::Site;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Client {
    Stays,
    HangsUp,
    Resets,
}

type Script = Option<(Step, Behaviour)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failure_with_every_client_leaves_the_ledger_quiet() {
    let scripts: [Script; 8] = [
        None,
        Some((Step::Connect, Fail(Fault::Other))),
        Some((Step::Begin, Fail(Fault::Disconnected))),
        Some((Step::Begin, Panic)),
        Some((Step::Commit, Fail(Fault::Conflict))),
        Some((Step::Commit, Fail(Fault::InDoubt))),
        Some((Step::Commit, Panic)),
        Some((Step::Abort, Fail(Fault::Other))),
    ];
    let paths = [
        "/",
        "/error",
        "/conflict",
        "/not-found",
        "/panic",
        "/hook-before",
        "/hook-after",
        "/hook-abort",
    ];
    for script in &scripts {
        for path in paths {
            for client in [Client::Stays, Client::HangsUp, Client::Resets] {
                one(script.clone(), path, client).await;
            }
        }
    }
}

/// The status that a client gets if it stays.
fn expected(script: &Script, path: &str) -> u16 {
    let commits = matches!(path, "/" | "/hook-after");
    match (script, path) {
        // The database's script takes effect before the path does.
        (Some((Step::Connect, _)), _) => 503,
        (Some((Step::Begin, Panic)), _) => 500,
        (Some((Step::Begin, _)), _) => 503,
        // A refused commit is published again, and succeeds; one in doubt never is.
        (Some((Step::Commit, Fail(Fault::Conflict))), _) if commits => 200,
        (Some((Step::Commit, _)), _) if commits => 500,
        (_, "/conflict") => 503,
        (_, "/not-found") => 404,
        (_, "/error" | "/panic" | "/hook-before") => 500,
        (_, _) => 200,
    }
}

async fn one(script: Script, path: &'static str, client: Client) {
    let case = format!("{script:?} {path} {client:?}");
    let publisher = ScriptedPublisher::new();
    let gate = publisher.gate().clone();
    let pool = Pool::new(CountingDatabase::new(), 1);
    pool.database().drop_in_workers_only();
    let site = Site::with(pool, |stack| stack, publisher).await;
    let status = expected(&script, path);
    if let Some((step, behaviour)) = script {
        site.pool.database().script(step, [behaviour]);
    }
    let held = format!("/held{path}");
    match client {
        Client::Stays | Client::HangsUp => {
            let mut connection = RawClient::connect(site.address).await.unwrap();
            connection
                .send(format!("GET {held} HTTP/1.1\r\nhost: test\r\n\r\n"))
                .await
                .unwrap();
            eventually("it is published", || gate.waiting() == 1).await;
            if client == Client::Stays {
                gate.open();
                assert_eq!(
                    connection.read_answer(false).await.unwrap().status.as_u16(),
                    status,
                    "{case}"
                );
            } else {
                drop(connection);
                gate.open();
            }
        }
        Client::Resets => {
            let mut connection = H2Client::connect(site.address).await.unwrap();
            let (response, stream) = connection.open(&held).await.unwrap();
            eventually("it is published", || gate.waiting() == 1).await;
            H2Client::reset(stream);
            drop(response);
            gate.open();
        }
    }
    eventually("it has ended", || {
        site.pool.status().running == 0 && site.pool.status().queued == 0
    })
    .await;
    site.pool.database().clear_script();
    let mut next = RawClient::connect(site.address).await.unwrap();
    assert_eq!(
        next.get("/").await.unwrap().status,
        200,
        "the next request after {case}"
    );
    drop(next);
    assert_eq!(
        site.ledger().of::<PoolBook>().publishers.running.peak(),
        1,
        "{case}"
    );
    assert!(site.pool.database().open() <= 1, "{case}");
    site.end().await;
}

/// A client that waited long enough gets 504. Its request runs to its end, whatever that is, and
/// blocks no other request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_and_failures() {
    let paths = [
        "/",
        "/error",
        "/conflict",
        "/panic",
        "/hook-after",
        "/disconnected",
    ];
    let sites = paths.map(|path| {
        tokio::spawn(async move {
            let publisher = ScriptedPublisher::new();
            let gate = publisher.gate().clone();
            let pool = Pool::new(CountingDatabase::new(), 1);
            let site = Site::with(
                pool,
                |stack| stack.deadline(Duration::from_secs(1)),
                publisher,
            )
            .await;
            let mut client = RawClient::connect(site.address).await.unwrap();
            assert_eq!(
                client.get(&format!("/held{path}")).await.unwrap().status,
                504,
                "{path}"
            );
            assert_eq!(site.pool.status().running, 1, "{path}: it keeps its permit");
            gate.open();
            eventually("it has ended", || site.pool.status().running == 0).await;
            assert_eq!(
                site.ledger().of::<PoolBook>().publishers.running.peak(),
                1,
                "{path}"
            );
            drop(client);
            site.end().await;
        })
    });
    for site in sites {
        site.await.unwrap();
    }
}
