mod keeping;
mod wrapped;

use std::time::Duration;

use bytes::Bytes;
use euryale_core::error::{APPLICATION, BODY_STALLED, CLOSED, Class, Code};
use euryale_core::{Error, Ledger, Request};
use euryale_test::{assert_quiet, eventually};
use http_body_util::{Channel, Full};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::{BODY_TOO_LARGE, MALFORMED, SPOOL_UNAVAILABLE, SpoolBook, SpoolLayer};

/// A service that answers with the body it received.
fn echo<B>(
    layer: SpoolLayer,
) -> impl Service<http::Request<B>, Response = Bytes, Error = Error, Future: Send>
where
    B: http_body::Body<Error: Into<euryale_core::BoxError>, Data: Send> + Send + 'static,
{
    ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(async |request: Request| {
            request
                .body()
                .to_bytes()
                .map_err(|error| Error::with_source(APPLICATION, error))
        }))
}

#[tokio::test]
async fn a_body_in_many_frames_arrives_whole() {
    let ledger = Ledger::new();
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let answer = tokio::spawn(
        echo(SpoolLayer::new().ledger(ledger.clone())).oneshot(http::Request::new(body)),
    );
    for part in ["one ", "two ", "three"] {
        sender.send_data(Bytes::from(part)).await.unwrap();
    }
    drop(sender);
    assert_eq!(answer.await.unwrap().unwrap(), "one two three");
    assert!(
        ledger.of::<SpoolBook>().bytes.peak() == 13,
        "the body was counted while it was kept"
    );
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn an_announced_length_over_the_limit_is_refused_before_reading() {
    let body = Full::new(Bytes::from("eleven byte"));
    let error = echo(SpoolLayer::new().limit(10))
        .oneshot(http::Request::new(body))
        .await
        .unwrap_err();
    assert_eq!(error.code(), BODY_TOO_LARGE);
    assert_eq!(
        error.told(),
        Some("What is sent to this address may have at most 10 bytes.")
    );
}

#[tokio::test]
async fn a_body_that_grows_over_the_limit_is_refused() {
    let (mut sender, body) = Channel::<Bytes>::new(4);
    for _ in 0..2 {
        sender.send_data(Bytes::from("123456")).await.unwrap();
    }
    let error = echo(SpoolLayer::new().limit(10))
        .oneshot(http::Request::new(body))
        .await
        .unwrap_err();
    assert_eq!(error.code(), BODY_TOO_LARGE);
    assert_eq!(
        error.told(),
        Some("What is sent to this address may have at most 10 bytes.")
    );
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_accepted() {
    let body = Full::new(Bytes::from("ten bytes!"));
    assert!(
        echo(SpoolLayer::new().limit(10))
            .oneshot(http::Request::new(body))
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_is_refused() {
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let layer = SpoolLayer::new().stall(Duration::from_secs(5));
    let answer = tokio::spawn(echo(layer).oneshot(http::Request::new(body)));
    let began = tokio::time::Instant::now();
    sender.send_data(Bytes::from("a")).await.unwrap();
    let error = answer.await.unwrap().unwrap_err();
    assert_eq!(error.code(), BODY_STALLED);
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let (sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    sender.abort(std::io::ErrorKind::ConnectionReset.into());
    let error = echo(SpoolLayer::new())
        .oneshot(http::Request::new(body))
        .await
        .unwrap_err();
    assert_eq!(error.code(), MALFORMED);
}

/// The error of an inner service whose queue is full.
const QUEUE_FULL: Code = Code::new(Class::Busy, "test.queue_full", "the queue is full");

#[tokio::test]
async fn the_body_of_a_refused_request_is_not_read() {
    let layer = SpoolLayer::new().admit(|_: &http::request::Parts| Err(Error::new(QUEUE_FULL)));
    // Nothing is ever sent: reading it would wait.
    let (_sender, body) = Channel::<Bytes>::new(1);
    let error = echo(layer)
        .oneshot(http::Request::new(body))
        .await
        .unwrap_err();
    assert_eq!(error.code(), QUEUE_FULL);
}

#[tokio::test]
async fn a_large_body_goes_into_a_file_that_nobody_can_change() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let layer = SpoolLayer::new()
        .memory(1000)
        .directory(folder.path())
        .ledger(ledger.clone());
    let service = ServiceBuilder::new().layer(layer).service(service_fn({
        let ledger = ledger.clone();
        move |request: Request| {
            assert!(request.body().as_file().is_some() && request.body().as_bytes().is_none());
            #[cfg(target_os = "linux")]
            assert!(request.body().as_blob().unwrap().is_stable());
            assert_eq!(
                (
                    ledger.of::<SpoolBook>().files.get(),
                    ledger.of::<SpoolBook>().bytes.get()
                ),
                (1, 3_000_000)
            );
            let read = || request.body().to_bytes().unwrap();
            std::future::ready(Ok::<_, Error>((read(), read())))
        }
    }));
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let answer = tokio::spawn(service.oneshot(http::Request::new(body)));
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 253) as u8).collect();
    for part in content.chunks(70_001) {
        sender
            .send_data(Bytes::copy_from_slice(part))
            .await
            .unwrap();
    }
    drop(sender);
    let (first, second) = answer.await.unwrap().unwrap();
    assert!(
        first == content && second == content,
        "byte for byte, twice"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn bytes_are_counted_while_they_arrive() {
    let ledger = Ledger::new();
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let answer = tokio::spawn(
        echo(SpoolLayer::new().ledger(ledger.clone())).oneshot(http::Request::new(body)),
    );
    sender.send_data(Bytes::from("half")).await.unwrap();
    eventually("they are counted", || {
        ledger.of::<SpoolBook>().bytes.get() == 4
    })
    .await;
    answer.abort();
    assert!(answer.await.is_err());
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_missing_folder_is_an_error_and_nothing_leaks() {
    let folder = tempfile::tempdir().unwrap();
    let layer = SpoolLayer::new()
        .memory(10)
        .directory(folder.path().join("not yet"));
    let ask =
        || echo(layer.clone()).oneshot(http::Request::new(Full::new(Bytes::from("twelve bytes"))));
    assert_eq!(ask().await.unwrap_err().code(), SPOOL_UNAVAILABLE);
    std::fs::create_dir(folder.path().join("not yet")).unwrap();
    assert_eq!(ask().await.unwrap(), "twelve bytes", "without a restart");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_refused() {
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let layer = SpoolLayer::new().rate(100, Duration::from_secs(60));
    let answer = tokio::spawn(echo(layer).oneshot(http::Request::new(body)));
    let began = tokio::time::Instant::now();
    while !answer.is_finished() {
        // One byte every 2 s never stalls, but is too slow.
        tokio::time::advance(Duration::from_secs(2)).await;
        if sender.send_data(Bytes::from("a")).await.is_err() {
            break;
        }
        assert!(began.elapsed().as_secs() < 100);
    }
    assert_eq!(answer.await.unwrap().unwrap_err().code(), BODY_STALLED);
    assert!(began.elapsed().as_secs() >= 60);
}

/// The slowest client that is served: a little less than 1 KiB a second, for some minutes.
#[tokio::test(start_paused = true)]
async fn a_kibibyte_a_second_is_fast_enough() {
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let answer = tokio::spawn(echo(SpoolLayer::new()).oneshot(http::Request::new(body)));
    for _ in 0..300 {
        tokio::time::advance(Duration::from_millis(1020)).await;
        sender
            .send_data(Bytes::from_static(&[b'x'; 1024]))
            .await
            .unwrap();
    }
    drop(sender);
    assert_eq!(answer.await.unwrap().unwrap().len(), 300 * 1024);
}

#[tokio::test]
async fn a_limit_may_differ_by_request() {
    let layer = SpoolLayer::new()
        .limit(3)
        .limit_for(|parts| parts.uri.path() == "/upload", 10);
    let ask = |path: &str| {
        let body = Full::new(Bytes::from("five!"));
        echo(layer.clone()).oneshot(http::Request::post(path).body(body).unwrap())
    };
    assert_eq!(ask("/upload").await.unwrap(), "five!");
    assert_eq!(ask("/").await.unwrap_err().code(), BODY_TOO_LARGE);
}

/// A service whose readiness is a resource.
#[derive(Clone)]
struct Scarce(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Service<Request> for Scarce {
    type Response = ();
    type Error = Error;
    type Future = std::future::Ready<Result<(), Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        std::future::ready(Ok(()))
    }
}

#[tokio::test]
async fn readiness_of_the_inner_service_is_not_held_while_a_body_arrives() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let service = ServiceBuilder::new()
        .layer(SpoolLayer::new())
        .service(Scarce(asked.clone()));
    let answer = tokio::spawn(service.oneshot(http::Request::new(body)));
    sender.send_data(Bytes::from("half")).await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 0);
    drop(sender);
    answer.await.unwrap().unwrap();
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
}

/// A service that is not ready until its gate opens, with success or an error.
#[derive(Clone)]
struct Late(
    tokio::sync::watch::Receiver<Option<bool>>,
    std::sync::Arc<tokio::sync::Notify>,
);

impl Service<Request> for Late {
    type Response = ();
    type Error = Error;
    type Future = std::future::Ready<Result<(), Error>>;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Error>> {
        self.1.notify_one();
        match *self.0.borrow() {
            Some(true) => std::task::Poll::Ready(Ok(())),
            Some(false) => std::task::Poll::Ready(Err(Error::new(CLOSED))),
            None => {
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            }
        }
    }

    fn call(&mut self, _: Request) -> Self::Future {
        std::future::ready(Ok(()))
    }
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_waited_for() {
    for ready in [true, false] {
        // The gate opens after the body is complete, or before.
        for early in [false, true] {
            let (gate, said) = tokio::sync::watch::channel(early.then_some(ready));
            let asked = std::sync::Arc::new(tokio::sync::Notify::new());
            let service = ServiceBuilder::new()
                .layer(SpoolLayer::new())
                .service(Late(said, asked.clone()));
            let answer = tokio::spawn(service.oneshot(http::Request::new(Full::new(Bytes::new()))));
            asked.notified().await;
            gate.send_replace(Some(ready));
            assert_eq!(answer.await.unwrap().is_ok(), ready);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_disk_is_not_charged_to_the_client() {
    let (mut sender, body) = Channel::<Bytes>::new(4);
    // Two writers share one turn: the second body waits for the first one's, which is longer than
    // the time-out.
    let layer = SpoolLayer::new()
        .memory(1)
        .writers(1)
        .stall(Duration::from_secs(5));
    let turn = layer.settings.lane.try_enter().unwrap();
    let answer = tokio::spawn(echo(layer).oneshot(http::Request::new(body)));
    sender.send_data(Bytes::from("first")).await.unwrap();
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(6)).await;
    drop(turn);
    sender.send_data(Bytes::from(" second")).await.unwrap();
    drop(sender);
    assert_eq!(answer.await.unwrap().unwrap(), "first second");
}

#[tokio::test]
async fn many_small_parts_are_one_body() {
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let answer = tokio::spawn(echo(SpoolLayer::new()).oneshot(http::Request::new(body)));
    for part in ["a", "", "b", "c", ""] {
        sender.send_data(Bytes::from(part)).await.unwrap();
    }
    drop(sender);
    assert_eq!(answer.await.unwrap().unwrap(), "abc");
}

#[tokio::test]
async fn a_large_upload_that_breaks_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let layer = SpoolLayer::new()
        .memory(10)
        .directory(folder.path())
        .ledger(ledger.clone());
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let answer = tokio::spawn(echo(layer).oneshot(http::Request::new(body)));
    for _ in 0..8 {
        sender
            .send_data(Bytes::from(vec![1; 200_000]))
            .await
            .unwrap();
    }
    answer.abort();
    assert!(answer.await.is_err());
    let open = || {
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets =
            descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
        targets
            .filter(|target| target.starts_with(folder.path()))
            .count()
    };
    eventually("its file is closed", || open() == 0).await;
    assert_quiet(&ledger).await;
}
