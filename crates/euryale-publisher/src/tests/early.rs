//! Answers that leave before their transaction has ended.

use std::pin::Pin;

use euryale_core::body::{EarlyAnswers, SpillBudget};
use euryale_core::error::{ANSWER_ABANDONED, CONFLICT, PANICKED, Pending};
use euryale_core::transaction::{AnswerGate, ReleasePoint};
use http::header::CONTENT_LENGTH;

use super::*;

fn head() -> http::Response<()> {
    http::Response::new(())
}

/// Returns an onion whose release point is the end of the body on all routes.
fn onion<F>(publisher: F) -> Onion
where
    F: Fn(&Request, &mut Tx<'_>) -> Result<Response, Abort> + Send + Sync + 'static,
{
    Onion::with(
        |publish| publish.release_point(|_| ReleasePoint::BodyEnd),
        publisher,
    )
}

async fn next(body: &mut Body) -> Option<Result<String, String>> {
    let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(match frame {
        Ok(frame) => Ok(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()),
        Err(error) => Err(format!("{error}")),
    })
}

/// Reads to the end: the bytes, and whether the body broke off.
async fn rest(body: &mut Body) -> (String, bool) {
    let mut all = String::new();
    loop {
        match next(body).await {
            Some(Ok(text)) => all += &text,
            end => return (all, end.is_some()),
        }
    }
}

fn broken(onion: &Onion) -> u64 {
    onion.pool.ledger().early_answers.broken.get()
}

#[tokio::test]
async fn first_block_arrives_before_the_second_is_written_and_the_end_after_the_commit() {
    let gate = Gate::new();
    let at = gate.clone();
    let onion = onion(move |_, transaction| {
        transaction.connection()?;
        let mut answer = transaction.answer_early(head())?;
        answer.write_all(b"first ")?;
        at.wait();
        answer.write_all(b"second")?;
        at.wait();
        Ok(answer.finish())
    });
    let mut response = onion.get().await.unwrap();
    let body = response.body_mut();
    assert_eq!(next(body).await.unwrap().unwrap(), "first ");
    assert_eq!(onion.pool.status().running, 1);
    gate.let_through(1);
    assert_eq!(next(body).await.unwrap().unwrap(), "second");
    assert!(!body.is_end_stream());
    assert_eq!(onion.story(), "connect · begin read");
    gate.let_through(1);
    assert_eq!(rest(body).await, (String::new(), false));
    assert_eq!(onion.story(), "commit");
    drop(response);
    onion.quiet().await;
}

#[tokio::test]
async fn slow_client_holds_a_worker_no_longer_than_its_publisher_writes() {
    let folder = tempfile::tempdir().unwrap();
    let block = "0123456789abcdef".repeat(1 << 10);
    let written = block.clone();
    let pool = Pool::new(CountingDatabase::new(), 1);
    let files = SpillBudget::new(folder.path(), 8 << 20, pool.ledger());
    let publish = Publish::new(move |_: &Request, transaction: &mut Tx<'_>| {
        let mut answer = transaction.answer_early(head())?;
        (0..64).try_for_each(|_| answer.write_all(written.as_bytes()))?;
        Ok(answer.finish())
    });
    let publish = publish
        .release_point(|_| ReleasePoint::BodyEnd)
        .early_answers(EarlyAnswers::new().spill(files));
    let service = ConnectionLimitLayer::new(pool.clone()).layer(publish);
    let request = http::Request::get("/").body(SpooledBody::empty()).unwrap();
    let mut response = service.oneshot(request).await.unwrap();
    // Nothing is read, and the worker is free all the same.
    eventually("the worker is free", || pool.status().running == 0).await;
    assert_eq!(pool.ledger().early_answers.sending.get(), 1);
    let (all, is_broken) = rest(response.body_mut()).await;
    assert!(!is_broken && all == block.repeat(64));
    drop(response);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn failure_past_the_first_block_breaks_the_body_off_and_is_never_repeated() {
    type End = fn() -> Result<Response, Abort>;
    let ends: [(&str, End); 6] = [
        ("error", || Err(std::io::Error::other("no").into())),
        ("conflict", || Err(TestError(Fault::Conflict).into())),
        ("suspension", || {
            Err(Abort::error(Error::suspended(Pending::new(()))))
        }),
        ("abort", || Err(Abort::status(StatusCode::NOT_FOUND))),
        ("panic", || panic!("past the first block")),
        ("another answer", page),
    ];
    for (name, end) in ends {
        let onion = onion(move |_, transaction| {
            transaction.connection()?;
            let mut answer = transaction.answer_early(head())?;
            answer.write_all(b"first")?;
            end()
        });
        let mut response = onion.ask(Method::POST, "").await.unwrap();
        assert_eq!(response.status(), 200);
        let ended = rest(response.body_mut()).await;
        assert_eq!(ended, ("first".to_owned(), true), "{name}");
        drop(response);
        onion.quiet().await;
        let story = onion.story();
        assert_eq!(story.matches("begin").count(), 1, "{name}");
        assert!(!story.contains("commit"), "{name}");
        assert_eq!(broken(&onion), 1, "{name}");
    }
}

#[tokio::test]
async fn failure_before_the_first_block_is_an_answer_of_its_own() {
    let onion = onion(|_, transaction| {
        transaction.connection()?;
        let mut answer = transaction.answer_early(head())?;
        answer.write_all(b"")?;
        if transaction.attempt().number() == 1 {
            return Err(TestError(Fault::Conflict).into());
        }
        Err(Abort::status(StatusCode::NOT_FOUND))
    });
    let response = onion.get().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(onion.pool.ledger().transactions.attempts.get(), 2);
    assert_eq!(broken(&onion), 0);
    drop(response);
    onion.quiet().await;
}

#[tokio::test]
async fn commit_that_fails_breaks_the_body_off() {
    let onion = onion(|_, transaction| {
        transaction.connection()?;
        let mut answer = transaction.answer_early(head())?;
        answer.write_all(b"all of it")?;
        Ok(answer.finish())
    });
    let database = onion.pool.database();
    database.script(Step::Commit, [Fail(Fault::Conflict)]);
    let mut response = onion.ask(Method::POST, "").await.unwrap();
    let ended = rest(response.body_mut()).await;
    assert_eq!(ended, ("all of it".to_owned(), true));
    assert_eq!(broken(&onion), 1);
    drop(response);
    onion.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn publisher_that_hangs_past_the_first_block_breaks_off_at_its_deadline() {
    let gate = Gate::new();
    let at = gate.clone();
    let onion = Onion::with(
        |publish| {
            let publish = publish.deadline(Duration::from_secs(60));
            publish.release_point(|_| ReleasePoint::BodyEnd)
        },
        move |_, transaction| {
            transaction.connection()?;
            let mut answer = transaction.answer_early(head())?;
            answer.write_all(b"first")?;
            at.wait();
            Ok(answer.finish())
        },
    );
    let get = http::Request::get("/page").body(SpooledBody::empty());
    let asked = tokio::spawn(onion.service.clone().oneshot(get.unwrap()));
    eventually("it hangs", || gate.waiting() == 1).await;
    let mut response = asked.await.unwrap().unwrap();
    let body = response.body_mut();
    assert_eq!(next(body).await.unwrap().unwrap(), "first");
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(rest(body).await, (String::new(), true));
    assert_eq!(broken(&onion), 1);
    drop(response);
    assert_eq!(onion.pool.status().running, 1, "and keeps its permit");
    gate.open();
    onion.quiet().await;
    assert_eq!(onion.story(), "connect · begin read · abort");
    assert_eq!(broken(&onion), 1, "counted once");
}

/// It would otherwise hold its worker for as long as its client reads a byte now and then.
#[tokio::test]
async fn publisher_that_waits_for_its_client_is_free_at_its_deadline() {
    for method in [Method::GET, Method::POST] {
        let onion = Onion::with(
            |publish| {
                let publish = publish.deadline(Duration::from_secs(1));
                publish.release_point(|_| ReleasePoint::BodyEnd)
            },
            |_, transaction| {
                transaction.connection()?;
                let mut answer = transaction.answer_early(head())?;
                answer.write_all(&[b'x'; 1 << 20])?;
                Ok(answer.finish())
            },
        );
        let mut response = onion.ask(method.clone(), "").await.unwrap();
        // Nothing is read before.
        eventually("the worker is free", || onion.pool.status().running == 0).await;
        assert!(onion.story().ends_with("abort"), "{method}");
        let (sent, is_broken) = rest(response.body_mut()).await;
        assert!(is_broken && sent.len() < 1 << 20, "{method}");
        assert_eq!(broken(&onion), 1, "{method}");
        drop(response);
        onion.quiet().await;
    }
}

/// A transaction that may write goes on without its client, but not beyond its deadline.
#[tokio::test]
async fn publisher_that_writes_without_end_is_free_at_its_deadline() {
    for stays in [true, false] {
        let onion = Onion::with(
            |publish| {
                let publish = publish.deadline(Duration::from_secs(1));
                publish.release_point(|_| ReleasePoint::BodyEnd)
            },
            |_, transaction| {
                transaction.connection()?;
                let mut answer = transaction.answer_early(head())?;
                loop {
                    answer.write_all(&[b'x'; 1 << 16])?;
                }
            },
        );
        let response = onion.ask(Method::POST, "").await.unwrap();
        let kept = stays.then_some(response);
        eventually("the worker is free", || onion.pool.status().running == 0).await;
        assert!(onion.story().ends_with("abort"));
        drop(kept);
        onion.quiet().await;
    }
}

#[tokio::test]
async fn answer_that_was_refused_is_no_empty_page() {
    let onion = onion(|_, transaction| {
        transaction.connection()?;
        let mut answer = transaction.answer_early(head())?;
        let _ = answer.write_all(b"first");
        Ok(answer.finish())
    });
    let mut request = http::Request::post("/").body(SpooledBody::empty()).unwrap();
    let refuse_the_first = AnswerGate::new(|response| {
        let is_early = !response.body().is_end_stream();
        (!is_early)
            .then_some(())
            .ok_or_else(|| Error::new(APPLICATION))
    });
    refuse_the_first.attach(request.extensions_mut());
    let error = onion.service.clone().oneshot(request).await.unwrap_err();
    assert_eq!(error.code(), APPLICATION);
    assert!(onion.story().ends_with("abort"));
    onion.quiet().await;
}

#[tokio::test]
async fn pool_that_closes_waits_for_early_answers_and_then_stops_them() {
    for finishes in [true, false] {
        let gate = Gate::new();
        let at = gate.clone();
        let onion = onion(move |_, transaction| {
            transaction.connection()?;
            let mut answer = transaction.answer_early(head())?;
            answer.write_all(b"first")?;
            at.wait();
            Ok(answer.finish())
        });
        let mut response = onion.ask(Method::POST, "").await.unwrap();
        eventually("it waits", || gate.waiting() == 1).await;
        let within = if finishes {
            Duration::from_secs(600)
        } else {
            Duration::ZERO
        };
        let pool = onion.pool.clone();
        let closing = tokio::spawn(async move { pool.close(within).await });
        if finishes {
            eventually("it closes", || onion.pool.status().is_closed).await;
            gate.open();
            assert!(closing.await.unwrap().is_ok());
        } else {
            assert_eq!(closing.await.unwrap().unwrap_err().stopped, 1);
        }
        let ended = rest(response.body_mut()).await;
        assert_eq!(ended, ("first".to_owned(), !finishes));
        drop(response);
        gate.open();
        onion.quiet().await;
    }
}

#[tokio::test]
async fn client_that_leaves_ends_a_reader_and_no_writer() {
    for (method, end) in [(Method::GET, "abort"), (Method::POST, "commit")] {
        let gate = Gate::new();
        let at = gate.clone();
        let onion = onion(move |_, transaction| {
            transaction.connection()?;
            let mut answer = transaction.answer_early(head())?;
            answer.write_all(b"first")?;
            at.wait();
            answer.write_all(&[b'x'; 1 << 20])?;
            Ok(answer.finish())
        });
        let response = onion.ask(method.clone(), "").await.unwrap();
        eventually("it waits", || gate.waiting() == 1).await;
        drop(response);
        gate.open();
        onion.quiet().await;
        assert!(onion.story().ends_with(end), "{method}");
        assert_eq!(broken(&onion), 0);
    }
}

#[tokio::test]
async fn route_that_declares_nothing_must_not_answer_early() {
    let onion = Onion::new(|_, transaction| {
        assert_eq!(transaction.release_point(), ReleasePoint::TransactionEnd);
        let answer = transaction.answer_early(head())?;
        Ok(answer.finish())
    });
    let error = onion.get().await.unwrap_err();
    assert_eq!(error.code(), APPLICATION);
    onion.quiet().await;
}

#[tokio::test]
async fn head_has_no_body_and_the_length_of_the_answer() {
    let onion = onion(|request, transaction| {
        assert_eq!(request.method(), Method::GET);
        let head = http::Response::builder().header(CONTENT_LENGTH, 5);
        let mut answer = transaction.answer_early(head.body(()).unwrap())?;
        answer.write_all(b"first")?;
        Ok(answer.finish())
    });
    let response = onion.ask(Method::HEAD, "").await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(5));
    assert_eq!(onion.pool.ledger().early_answers.begun.get(), 0);
    drop(response);
    onion.quiet().await;
}

#[tokio::test]
async fn error_of_the_body_has_the_code_of_the_failure() {
    let codes = [ANSWER_ABANDONED, CONFLICT, PANICKED, APPLICATION];
    for (end, code) in codes.into_iter().enumerate() {
        let onion = onion(move |_, transaction| {
            let mut answer = transaction.answer_early(head())?;
            answer.write_all(b"first")?;
            match end {
                0 => page(),
                1 => Err(TestError(Fault::Conflict).into()),
                2 => panic!("past the first block"),
                _ => Err(std::io::Error::other("no").into()),
            }
        });
        let body = onion.get().await.unwrap().into_body();
        let error = body.collect().await.unwrap_err();
        let error = error.downcast::<Error>().unwrap();
        assert_eq!(error.code(), code);
        onion.quiet().await;
    }
}
