//! Participants, from the socket to the ledger.

use euryale::connection::PoolBook;
use euryale::transaction::Participant;
use euryale::{Body, BoxError, Request, Response, Transaction};
use euryale_test::{CountingDatabase, RawClient};
use euryale_tests::Site;

/// Records its calls among the database's events.
struct Recorded {
    name: &'static str,
    votes: bool,
    finishes: bool,
    database: CountingDatabase,
}

impl Recorded {
    fn says(&self, what: &str) {
        self.database.record(format!("{}: {what}", self.name));
    }
}

impl Participant for Recorded {
    fn vote(&mut self) -> Result<(), BoxError> {
        self.says("vote");
        if self.votes { Ok(()) } else { Err("no".into()) }
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        self.says("finish");
        if self.finishes {
            Ok(())
        } else {
            Err("could not".into())
        }
    }

    fn abort(&mut self) {
        self.says("abort");
    }
}

/// A site with three participants, the last of which acts as the path says.
async fn with_three() -> Site {
    Site::start(
        1,
        |request: &Request, transaction: &mut Transaction<'_, CountingDatabase>| {
            transaction.connection()?;
            let path = request.uri().path();
            for (name, is_last) in [("first", false), ("second", false), ("third", true)] {
                let database = transaction.database().clone();
                let votes = !(is_last && path == "/no");
                let finishes = !(is_last && path == "/unfinished");
                transaction.join(Recorded {
                    name,
                    votes,
                    finishes,
                    database,
                });
            }
            Ok(Response::new(Body::from("done")))
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_against_the_commit_aborts_all() {
    let site = with_three().await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    assert_eq!(client.get("/no").await.unwrap().status, 500);
    let story = site.pool.database().story();
    assert!(
        story.ends_with(
            "first: vote · second: vote · third: vote · abort · first: abort · second: abort · \
                third: abort"
        ),
        "{story}"
    );
    let transactions = &site.ledger().transactions;
    assert_eq!(
        (transactions.committed.get(), transactions.aborted.get()),
        (0, 1)
    );
    assert_eq!(
        client.get("/").await.unwrap().text(),
        "done",
        "the connection is sound"
    );
    assert_eq!(
        (
            site.ledger().of::<PoolBook>().connections.opened.get(),
            transactions.committed.get()
        ),
        (1, 1)
    );
    drop(client);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_finish_is_counted_and_fails_nothing() {
    let site = with_three().await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    let answer = client.get("/unfinished").await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (200, "done")
    );
    let story = site.pool.database().story();
    assert!(
        story.ends_with("commit · first: finish · second: finish · third: finish"),
        "{story}"
    );
    let transactions = &site.ledger().transactions;
    assert_eq!(
        (
            transactions.committed.get(),
            transactions.finish_failures.get()
        ),
        (1, 1)
    );
    assert_eq!(client.get("/").await.unwrap().status, 200);
    assert_eq!(transactions.finish_failures.get(), 1);
    drop(client);
    site.end().await;
}
