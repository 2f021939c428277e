use std::any::Any;
use std::future::poll_fn;
use std::io::{ErrorKind, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use tokio::sync::oneshot;

use super::{Early, EarlyAnswer, EarlyAnswers, EarlyFuture, SpillBudget, SpillFile, SpillStore};
use crate::body::Body;
use crate::error::{APPLICATION, BoxError, Error, PUBLISH_ELAPSED};
use crate::ledger::Ledger;
use crate::request::Response;

/// An answer without a pool: the test is the job.
struct Job {
    ledger: Ledger,
    done: Option<oneshot::Sender<Result<Response, Error>>>,
    future: Option<EarlyFuture>,
    early: Option<Early>,
}

impl Job {
    fn new(settings: EarlyAnswers, ledger: &Ledger) -> Self {
        let (done, job) = oneshot::channel();
        let (hand_over, future) = EarlyFuture::channel();
        let early = Early::new(settings, ledger, hand_over, false, Ok);
        let job = async { Ok(job.await.expect("the job ends")) };
        Self {
            ledger: ledger.clone(),
            done: Some(done),
            future: Some(future.of(Box::pin(job))),
            early: Some(early),
        }
    }

    fn answer(&mut self) -> EarlyAnswer {
        self.answer_of(http::Response::new(()))
    }

    fn answer_of(&mut self, head: http::Response<()>) -> EarlyAnswer {
        self.early.take().expect("one answer").answer(head)
    }

    async fn response(&mut self) -> Response {
        self.future
            .take()
            .expect("one future")
            .await
            .expect("an answer")
    }

    fn end(&mut self, result: Result<Response, Error>) {
        let done = self.done.take().expect("one end");
        drop(done.send(result));
    }

    fn is_quiet(&self) -> bool {
        let early = &self.ledger.early_answers;
        early.sending.get() == 0 && early.files.get() == 0 && early.file_bytes.get() == 0
    }
}

async fn next(body: &mut Body) -> Option<Result<Bytes, BoxError>> {
    let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(frame.map(|frame| frame.into_data().expect("bytes")))
}

/// Everything up to the end, or up to an error.
async fn read(body: &mut Body) -> (Vec<u8>, Option<BoxError>) {
    let mut all = Vec::new();
    loop {
        match next(body).await {
            Some(Ok(bytes)) => all.extend_from_slice(&bytes),
            Some(Err(error)) => return (all, Some(error)),
            None => return (all, None),
        }
    }
}

/// Bytes that differ from place to place.
fn pattern(len: usize) -> Vec<u8> {
    let numbers = 0_u64..;
    let bytes = numbers.flat_map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes.take(len).collect()
}

fn in_files(folder: &tempfile::TempDir, bytes: u64, ledger: &Ledger) -> EarlyAnswers {
    EarlyAnswers::new().spill(SpillBudget::new(folder.path(), bytes, ledger))
}

#[tokio::test]
async fn first_bytes_can_be_read_before_the_job_has_ended() {
    let ledger = Ledger::new();
    let mut job = Job::new(EarlyAnswers::new(), &ledger);
    let mut answer = job.answer();
    answer.write_all(b"").unwrap();
    assert_eq!(ledger.early_answers.begun.get(), 0, "nothing was written");
    answer.write_all(b"Stheno, ").unwrap();
    let mut response = job.response().await;
    let body = response.body_mut();
    assert_eq!(next(body).await.unwrap().unwrap(), "Stheno, ");
    answer.write_all(b"Euryale").unwrap();
    assert_eq!(next(body).await.unwrap().unwrap(), "Euryale");
    assert!(!body.is_end_stream());
    let end = answer.finish();
    assert!(EarlyAnswer::has_left(&end));
    job.end(Ok(end));
    assert!(next(body).await.is_none());
    drop(response);
    assert!(job.is_quiet());
}

#[tokio::test]
async fn answer_without_a_byte_is_the_publishers_own() {
    let ledger = Ledger::new();
    let mut job = Job::new(EarlyAnswers::new(), &ledger);
    let mut head = http::Response::new(());
    *head.status_mut() = http::StatusCode::ACCEPTED;
    let end = job.answer_of(head).finish();
    assert!(!EarlyAnswer::has_left(&end));
    job.end(Ok(end));
    let mut response = job.response().await;
    assert_eq!(response.status(), 202);
    assert!(read(response.body_mut()).await.0.is_empty());
}

#[tokio::test]
async fn bytes_beyond_the_window_are_kept_in_a_file_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let mut job = Job::new(in_files(&folder, 8 << 20, &ledger), &ledger);
    let mut answer = job.answer();
    let all = pattern(3 << 20);
    // Pieces of all sizes, written before anything is read: the writer never waits.
    let mut rest = &all[..];
    for size in (1..).map(|number| number * 977) {
        let (piece, later) = rest.split_at(size.min(rest.len()));
        answer.write_all(piece).unwrap();
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    job.end(Ok(answer.finish()));
    assert_eq!(ledger.early_answers.files.get(), 1);
    let mut response = job.response().await;
    let (sent, error) = read(response.body_mut()).await;
    assert!(error.is_none() && sent == all);
    drop(response);
    eventually(|| job.is_quiet()).await;
    assert!(ledger.early_answers.file_bytes.peak() >= 2 << 20);
}

#[tokio::test]
async fn file_never_gets_longer_than_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let settings = in_files(&folder, 8 << 20, &ledger).bound(200_000);
    let mut job = Job::new(settings, &ledger);
    let mut answer = job.answer();
    let all = pattern(5 << 20);
    let written = all.clone();
    let writer = thread::spawn(move || {
        answer.write_all(&written).unwrap();
        answer.finish()
    });
    let mut response = job.response().await;
    let mut sent = Vec::new();
    while sent.len() < all.len() {
        sent.extend_from_slice(&next(response.body_mut()).await.unwrap().unwrap());
    }
    job.end(Ok(writer.join().unwrap()));
    assert!(next(response.body_mut()).await.is_none());
    assert!(sent == all);
    drop(response);
    eventually(|| job.is_quiet()).await;
    let peak = ledger.early_answers.file_bytes.peak();
    assert!((1..=200_000).contains(&peak), "{peak}");
}

#[tokio::test]
async fn answer_without_room_for_a_file_waits_for_its_client() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let mut job = Job::new(in_files(&folder, 100, &ledger), &ledger);
    let mut answer = job.answer();
    let all = pattern(64 << 10);
    answer.write_all(&all).unwrap();
    assert!(!answer.try_write(b"more").unwrap(), "it would wait");
    let writer = thread::spawn(move || {
        answer.write_all(&pattern(1 << 20)).unwrap();
        answer.finish()
    });
    let mut response = job.response().await;
    let mut sent = Vec::new();
    while sent.len() < all.len() + (1 << 20) {
        sent.extend_from_slice(&next(response.body_mut()).await.unwrap().unwrap());
    }
    job.end(Ok(writer.join().unwrap()));
    assert!(next(response.body_mut()).await.is_none());
    assert!(sent == [all, pattern(1 << 20)].concat());
    assert_eq!(ledger.early_answers.file_bytes.peak(), 0);
}

/// The disk is full, say. Counts the attempts.
#[derive(Clone, Default)]
struct Broken(Arc<AtomicUsize>);

impl SpillStore for Broken {
    fn create(&self) -> std::io::Result<Option<Arc<dyn SpillFile>>> {
        self.0.fetch_add(1, Relaxed);
        Err(ErrorKind::StorageFull.into())
    }
}

#[tokio::test]
async fn file_that_cannot_be_created_is_no_failure() {
    let ledger = Ledger::new();
    let files = Broken::default();
    let settings = EarlyAnswers::new().window(8).spill(files.clone());
    let mut job = Job::new(settings, &ledger);
    let mut answer = job.answer();
    let writer = thread::spawn(move || {
        answer.write_all(b"Stheno, Euryale, Medusa").unwrap();
        answer.finish()
    });
    let mut response = job.response().await;
    eventually(|| files.0.load(Relaxed) == 1).await;
    let mut sent = Vec::new();
    while sent.len() < 23 {
        sent.extend_from_slice(&next(response.body_mut()).await.unwrap().unwrap());
    }
    job.end(Ok(writer.join().unwrap()));
    assert!(next(response.body_mut()).await.is_none());
    assert_eq!(sent, b"Stheno, Euryale, Medusa");
    assert_eq!(files.0.load(Relaxed), 1, "it is tried and logged once");
}

/// Files whose budget has no memory for any window.
#[derive(Clone)]
struct WithoutMemory(SpillBudget);

impl SpillStore for WithoutMemory {
    fn create(&self) -> std::io::Result<Option<Arc<dyn SpillFile>>> {
        self.0.create()
    }

    fn charge_window(&self, _bytes: usize) -> Option<Box<dyn Any + Send + Sync>> {
        None
    }
}

#[tokio::test]
async fn window_without_room_in_its_budget_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let files = WithoutMemory(SpillBudget::new(folder.path(), 1 << 20, &ledger));
    let mut job = Job::new(EarlyAnswers::new().spill(files), &ledger);
    let mut answer = job.answer();
    let all = pattern(64 << 10);
    answer.write_all(&all).unwrap();
    let in_memory = (64 << 10) - ledger.early_answers.file_bytes.get();
    assert!(in_memory <= 4 << 10, "{in_memory}");
    job.end(Ok(answer.finish()));
    let mut response = job.response().await;
    let (sent, error) = read(response.body_mut()).await;
    assert!(error.is_none() && sent == all);
    drop(response);
    eventually(|| job.is_quiet()).await;
}

#[tokio::test]
async fn client_that_reads_nothing_for_too_long_gets_a_broken_body() {
    let ledger = Ledger::new();
    let settings = EarlyAnswers::new()
        .window(8)
        .stall(Duration::from_millis(1));
    let mut job = Job::new(settings, &ledger);
    let mut answer = job.answer();
    let error = answer.write_all(&[b'a'; 100]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let mut response = job.response().await;
    job.end(Err(Error::with_source(APPLICATION, error)));
    let (_, error) = read(response.body_mut()).await;
    assert!(error.is_some());
    assert_eq!(ledger.early_answers.broken.get(), 1);
}

/// A client that reads slowly would otherwise keep a stopped job in its worker.
#[tokio::test]
async fn job_that_was_stopped_writes_no_more_although_its_client_reads() {
    let ledger = Ledger::new();
    let mut job = Job::new(EarlyAnswers::new().window(8), &ledger);
    let mut answer = job.answer();
    let writer = thread::spawn(move || answer.write_all(&[b'a'; 100]));
    let mut response = job.response().await;
    job.end(Err(Error::new(PUBLISH_ELAPSED)));
    let (sent, error) = read(response.body_mut()).await;
    assert!(error.is_some());
    assert!(sent.len() < 100, "{} bytes", sent.len());
    let error = writer.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(ledger.early_answers.broken.get(), 1);
}

#[tokio::test]
async fn writer_learns_that_its_client_has_gone_unless_it_outlives_it() {
    let ledger = Ledger::new();
    for outlives in [false, true] {
        let mut job = Job::new(EarlyAnswers::new(), &ledger);
        let early = job.early.take().unwrap().outlive_client(outlives);
        let mut answer = early.answer(http::Response::new(()));
        answer.write_all(b"a").unwrap();
        drop(job.response().await);
        let written = answer.write_all(&[b'a'; 1 << 20]);
        let kind = written.err().map(|error| error.kind());
        let expected = (!outlives).then_some(ErrorKind::BrokenPipe);
        assert_eq!(kind, expected);
        assert!(job.is_quiet());
    }
    assert_eq!(ledger.early_answers.broken.get(), 0);
}

#[tokio::test]
async fn last_bytes_of_an_announced_length_follow_the_end_of_the_job() {
    let ledger = Ledger::new();
    for (written, fits) in [
        ("Medusa", true),
        ("Stheno", true),
        ("Med", false),
        ("Euryale", false),
    ] {
        let mut job = Job::new(EarlyAnswers::new(), &ledger);
        let head = http::Response::builder().header(CONTENT_LENGTH, 6);
        let mut answer = job.answer_of(head.body(()).unwrap());
        let (first, rest) = written.split_at(2);
        answer.write_all(first.as_bytes()).unwrap();
        let mut response = job.response().await;
        assert_eq!(response.body().size_hint().exact(), Some(6));
        assert_eq!(next(response.body_mut()).await.unwrap().unwrap(), first);
        answer.write_all(rest.as_bytes()).unwrap();
        if fits {
            let body = response.body_mut();
            let early = poll_fn(|cx| {
                let polled = Pin::new(&mut *body).poll_frame(cx);
                std::task::Poll::Ready(polled.is_ready())
            });
            assert!(!early.await, "the job has not ended");
        }
        job.end(Ok(answer.finish()));
        let (sent, error) = read(response.body_mut()).await;
        assert_eq!(error.is_none(), fits, "{written}");
        assert_eq!(sent == rest.as_bytes(), written != "Euryale", "{written}");
    }
}

#[tokio::test]
async fn job_that_ends_before_anybody_looks_is_still_complete_or_broken() {
    let ledger = Ledger::new();
    for fails in [false, true] {
        let mut job = Job::new(EarlyAnswers::new(), &ledger);
        let mut answer = job.answer();
        answer.write_all(b"all").unwrap();
        let end = answer.finish();
        job.end(if fails {
            Err(Error::new(APPLICATION))
        } else {
            Ok(end)
        });
        let mut response = job.response().await;
        let (sent, error) = read(response.body_mut()).await;
        assert_eq!((&sent[..], error.is_some()), (&b"all"[..], fails));
    }
    assert_eq!(ledger.early_answers.broken.get(), 1);
}

/// A file is closed in another thread.
async fn eventually(mut is_true: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while !is_true() {
        assert!(std::time::Instant::now() < until, "never");
        tokio::task::yield_now().await;
    }
}
