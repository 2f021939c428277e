//! Every failure × every way the client may go: the ledger is quiet, and the next request is served.

use std::time::Duration;

use euryale::core::Fault;
use euryale::{Abort, Body, Pool, Response};
use euryale_test::Behaviour::{Fail, Panic};
use euryale_test::{Behaviour, CountingDatabase, Gate, H2Client, RawClient, Step, TestError, eventually};
use euryale_tests::{Site, Tx};

/// What the publisher does, by path.
fn act(path: &str, transaction: &mut Tx<'_>, gate: &Gate) -> Result<Response, Abort> {
    gate.wait();
    transaction.connection()?;
    match path {
        "/error" => return Err(TestError(Fault::Other).into()),
        "/conflict" => return Err(TestError(Fault::Conflict).into()),
        "/panic" => std::panic::resume_unwind(Box::new("in the publisher")),
        "/hook-before" => {
            transaction.before_commit(|_| std::panic::resume_unwind(Box::new("before the commit")));
        }
        "/hook-after" => transaction.after_commit(|| std::panic::resume_unwind(Box::new("after the commit"))),
        "/hook-abort" => {
            transaction.after_abort(|| std::panic::resume_unwind(Box::new("after the abort")));
            transaction.doom();
        }
        _ => {}
    }
    Ok(Response::new(Body::from("fine")))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Client {
    Stays,
    HangsUp,
    Resets,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_product_of_failures_and_clients() {
    let scripts: [Option<(Step, Behaviour)>; 8] = [
        None,
        Some((Step::Connect, Fail(Fault::Other))),
        Some((Step::Begin, Fail(Fault::Disconnected))),
        Some((Step::Begin, Panic)),
        Some((Step::Commit, Fail(Fault::Conflict))),
        Some((Step::Commit, Fail(Fault::InDoubt))),
        Some((Step::Commit, Panic)),
        Some((Step::Abort, Fail(Fault::Other))),
    ];
    let paths = ["/fine", "/error", "/conflict", "/panic", "/hook-before", "/hook-after", "/hook-abort"];
    for script in &scripts {
        for path in paths {
            for client in [Client::Stays, Client::HangsUp, Client::Resets] {
                for deadline in [None, Some(Duration::from_millis(1))] {
                    one(script.clone(), path, client, deadline).await;
                }
            }
        }
    }
}

async fn one(
    script: Option<(Step, Behaviour)>,
    path: &'static str,
    client: Client,
    deadline: Option<Duration>,
) {
    let case = format!("{script:?} {path} {client:?} {deadline:?}");
    let gate = Gate::new();
    let at = gate.clone();
    let pool = Pool::new(CountingDatabase::new(), 1);
    pool.database().drop_in_workers_only();
    let site = Site::with(
        pool,
        |stack| stack.deadline(deadline),
        move |request, transaction| act(request.uri().path(), transaction, &at),
    )
    .await;
    if let Some((step, behaviour)) = script {
        site.pool.database().script(step, [behaviour]);
    }
    // With a deadline it may be over before a worker has come.
    let is_published = || gate.waiting() == 1 || (deadline.is_some() && site.ledger().queue.gone.get() == 1);
    match client {
        Client::Stays => {
            let mut client = RawClient::connect(site.address).await.unwrap();
            client.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await.unwrap();
            eventually("it is published", is_published).await;
            if deadline.is_some() {
                assert_eq!(client.read_answer(false).await.unwrap().status, 504, "{case}");
                gate.open();
            } else {
                gate.open();
                let status = client.read_answer(false).await.unwrap().status.as_u16();
                assert!([200, 500, 503].contains(&status), "{case}: {status}");
            }
        }
        Client::HangsUp => {
            let mut client = RawClient::connect(site.address).await.unwrap();
            client.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await.unwrap();
            eventually("it is published", is_published).await;
            drop(client);
            gate.open();
        }
        Client::Resets => {
            let mut client = H2Client::connect(site.address).await.unwrap();
            let (response, stream) = client.open(path).await.unwrap();
            eventually("it is published", is_published).await;
            H2Client::reset(stream);
            drop(response);
            gate.open();
        }
    }
    eventually("it has ended", || site.pool.status().running == 0 && site.pool.status().queued == 0).await;
    site.pool.database().clear_script();
    let mut next = RawClient::connect(site.address).await.unwrap();
    let status = next.get("/fine").await.unwrap().status;
    assert!(status == 200 || deadline.is_some(), "{case}: the next request got {status}");
    drop(next);
    assert_eq!(site.ledger().publishers.running.peak(), 1, "{case}");
    assert!(site.pool.database().open() <= 1, "{case}");
    site.end().await;
}
