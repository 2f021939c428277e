use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use euryale_core::body::{Descriptors, SpooledBody};
use euryale_core::{Body, Error, Ledger, Request};
use euryale_test::{assert_quiet, eventually};
use http_body::Frame;
use http_body_util::channel::Sender;
use http_body_util::{BodyExt, Channel, Full};
use proptest::prelude::*;
use tokio::task::JoinHandle;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::{BODY_TOO_LARGE, SPOOL_BUSY, SpoolBook, SpoolBudget, SpoolLayer};

const KIB: usize = 1 << 10;

/// A service that answers with the request it received.
fn keeping<B>(
    layer: SpoolLayer,
) -> impl Service<http::Request<B>, Response = Request, Error = Error, Future: Send>
where
    B: http_body::Body<Error: Into<euryale_core::BoxError>, Data: Send> + Send + 'static,
{
    ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(async |request: Request| Ok::<_, Error>(request)))
}

/// Returns a layer with this budget, and its ledger.
fn with(budget: SpoolBudget) -> (SpoolLayer, Ledger) {
    let ledger = Ledger::new();
    let layer = SpoolLayer::new().budget(budget).ledger(ledger.clone());
    (layer, ledger)
}

/// Spools a body that arrives in one piece.
async fn sent(layer: &SpoolLayer, length: usize) -> Result<SpooledBody, Error> {
    let body = Full::new(Bytes::from(vec![b'a'; length]));
    let request = keeping(layer.clone()).oneshot(http::Request::new(body));
    request.await.map(Request::into_body)
}

type Answer = JoinHandle<Result<SpooledBody, Error>>;

/// Starts to spool a body of unknown length. The test sends its pieces one by one.
fn begun(layer: &SpoolLayer) -> (Sender<Bytes, std::io::Error>, Answer) {
    let (sender, body) = Channel::new(256);
    let request = keeping(layer.clone()).oneshot(http::Request::new(body));
    let answer = tokio::spawn(async { request.await.map(Request::into_body) });
    (sender, answer)
}

async fn send(sender: &mut Sender<Bytes, std::io::Error>, length: usize) {
    // A refusal drops the body.
    let _ = sender.send_data(Bytes::from(vec![b'a'; length])).await;
}

#[tokio::test]
async fn each_file_takes_a_descriptor_until_it_is_closed() {
    let shared = Ledger::new();
    let descriptors = Descriptors::new(1, &shared);
    let (layer, ledger) = with(SpoolBudget::new().descriptors(&descriptors));
    let layer = layer.memory(KIB);
    let first = sent(&layer, 2 * KIB).await.unwrap();
    assert!(is_in_file(&first));
    let sending = Body::from(first.clone());
    drop(first);
    assert_eq!(shared.descriptors.in_use.get(), 1);
    let refused = sent(&layer, 2 * KIB).await.unwrap_err();
    assert_eq!(refused.code(), SPOOL_BUSY);
    drop(sent(&layer, KIB).await.unwrap());
    drop(sending);

    // A file that is still being written also has a descriptor, and returns it when the client
    // leaves.
    let (mut sender, answer) = begun(&layer);
    send(&mut sender, 2 * KIB).await;
    eventually("it has one", || shared.descriptors.in_use.get() == 1).await;
    answer.abort();
    eventually("it is back", || shared.descriptors.in_use.get() == 0).await;
    drop(sent(&layer, 2 * KIB).await.unwrap());
    assert_quiet(&ledger).await;
    assert_quiet(&shared).await;
}

fn is_in_file(body: &SpooledBody) -> bool {
    body.as_file().is_some()
}

#[tokio::test]
async fn memory_is_charged_by_capacity_until_the_last_clone_is_dropped() {
    let (layer, ledger) = with(SpoolBudget::new());
    let (mut sender, answer) = begun(&layer);
    for _ in 0..5 {
        send(&mut sender, KIB).await;
    }
    let memory = || ledger.of::<SpoolBook>().memory.get();
    eventually("five pieces have come", || {
        ledger.of::<SpoolBook>().bytes.get() == 5120
    })
    .await;
    assert!(memory() >= 8192, "room for eight pieces: {}", memory());
    drop(sender);
    let body = answer.await.unwrap().unwrap();
    assert_eq!(memory(), 8192, "the buffer grows by doubling");
    let clone = body.clone();
    let bytes = body.to_bytes().unwrap();
    let passed_on = Body::from(body);
    drop(clone);
    let read = passed_on.collect().await.unwrap().to_bytes();
    drop(bytes);
    assert_eq!(memory(), 8192, "the same memory, wherever it went");
    drop(read);
    assert_quiet(&ledger).await;
}

/// A server's buffer, which records whether it is still alive.
struct Buffer {
    bytes: Vec<u8>,
    _alive: Arc<()>,
}

impl Buffer {
    fn full(len: usize, alive: &Arc<()>) -> Bytes {
        Bytes::from_owner(Self {
            bytes: vec![b'a'; len],
            _alive: Arc::clone(alive),
        })
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[tokio::test]
async fn a_small_body_does_not_keep_the_servers_buffer_alive() {
    let (layer, ledger) = with(SpoolBudget::new());
    let alive = Arc::new(());
    let body = Full::new(Buffer::full(64 * KIB, &alive).slice(..10));
    let request = keeping(layer).oneshot(http::Request::new(body));
    let body = request.await.unwrap().into_body();
    assert_eq!(Arc::strong_count(&alive), 1, "the buffer is gone");
    assert_eq!(
        (body.len(), ledger.of::<SpoolBook>().memory.get()),
        (10, 10)
    );
    drop(body);
    assert_quiet(&ledger).await;
}

/// A body of fifty pieces. Whenever it is polled, it records how many other pieces are alive.
struct Pieces {
    left: usize,
    alive: Arc<()>,
    most: Arc<AtomicUsize>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.most
            .fetch_max(Arc::strong_count(&self.alive) - 1, Ordering::Relaxed);
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.left = left;
        let piece = Buffer::full(8 * KIB, &self.alive);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

#[tokio::test]
async fn a_piece_without_memory_is_written_before_the_next_is_read() {
    let (layer, ledger) = with(SpoolBudget::new().memory(0));
    let most = Arc::new(AtomicUsize::new(0));
    let pieces = Pieces {
        left: 50,
        alive: Arc::new(()),
        most: Arc::clone(&most),
    };
    let request = keeping(layer).oneshot(http::Request::new(pieces));
    let body = request.await.unwrap().into_body();
    assert!(is_in_file(&body));
    assert_eq!(body.len(), 50 * 8 * KIB as u64);
    assert_eq!(most.load(Ordering::Relaxed), 0, "pieces at once");
    drop(body);
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn bodies_beyond_the_memory_go_to_files_and_those_beyond_the_files_are_refused() {
    let (layer, ledger) = with(SpoolBudget::new().memory(64 * KIB).files(2));
    let mut held = Vec::new();
    for in_file in [false, true, true] {
        let body = sent(&layer, 20 * KIB).await.unwrap();
        assert_eq!(is_in_file(&body), in_file);
        held.push(body);
    }
    let spool = &ledger.of::<SpoolBook>();
    assert_eq!((spool.memory.get(), spool.files.get()), (20_480, 2));
    assert_eq!((spool.file_bytes.get(), spool.spilled.get()), (40_960, 2));
    let refused = sent(&layer, 20 * KIB).await.unwrap_err();
    assert_eq!(refused.code(), SPOOL_BUSY);
    assert!(refused.class().retry_after().is_some());
    assert!(refused.told().unwrap().contains("send it again"));
    assert_eq!(spool.refused.get(), 1);
    held.pop();
    held.push(sent(&layer, 20 * KIB).await.unwrap());
    drop(held);
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn files_are_refused_when_all_together_are_too_long() {
    let budget = SpoolBudget::new().memory(0).file_bytes(50 * KIB as u64);
    let (layer, ledger) = with(budget);
    let first = sent(&layer, 40 * KIB).await.unwrap();
    // An announced length is checked before the body is read, an unannounced one as the body grows.
    let announced = sent(&layer.clone().memory(KIB), 20 * KIB).await;
    assert_eq!(announced.unwrap_err().code(), SPOOL_BUSY);
    let (mut sender, answer) = begun(&layer);
    for _ in 0..20 {
        send(&mut sender, KIB).await;
    }
    drop(sender);
    assert_eq!(answer.await.unwrap().unwrap_err().code(), SPOOL_BUSY);
    drop(first);
    assert!(is_in_file(&sent(&layer, 20 * KIB).await.unwrap()));
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_body_longer_than_the_whole_budget_is_too_large_and_not_busy() {
    let budget = SpoolBudget::new().memory(20 * KIB).file_bytes(30_000);
    let (layer, _) = with(budget);
    let error = sent(&layer, 30_001).await.unwrap_err();
    assert_eq!(error.code(), BODY_TOO_LARGE);
    assert!(error.told().unwrap().contains("30000"));
}

#[tokio::test]
async fn large_bodies_leave_memory_for_small_ones() {
    let (layer, ledger) = with(SpoolBudget::new().memory(256 * KIB));
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(sent(&layer, 30 * KIB).await.unwrap());
    }
    assert!(is_in_file(held.last().unwrap()), "their half is taken");
    let small = sent(&layer, KIB).await.unwrap();
    assert!(!is_in_file(&small));
    drop((held, small));
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn layers_with_one_budget_share_it() {
    let budget = SpoolBudget::new().memory(0).files(1);
    let (one, ledger) = with(budget.clone());
    let (other, other_ledger) = with(budget);
    let held = sent(&one, KIB).await.unwrap();
    let refused = sent(&other, KIB).await.unwrap_err();
    assert_eq!(refused.code(), SPOOL_BUSY);
    assert_eq!(
        (
            ledger.of::<SpoolBook>().files.get(),
            other_ledger.of::<SpoolBook>().refused.get()
        ),
        (1, 1),
        "each layer counts in its own ledger"
    );
    drop(held);
    drop(sent(&other, KIB).await.unwrap());
    assert_quiet(&ledger).await;
}

/// The ways in which a request ends without an answer.
#[derive(Clone, Copy, Debug)]
enum End {
    Aborted,
    BrokenOff,
    Panicked,
}

#[tokio::test]
async fn hang_ups_errors_and_panics_return_all_charges() {
    // The body is in one piece, in one buffer, and in a file.
    for (pieces, memory) in [(1, 64), (3, 64), (3, 0)] {
        for end in [End::Aborted, End::BrokenOff, End::Panicked] {
            let (layer, ledger) = with(SpoolBudget::new().memory(memory * KIB));
            let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(4);
            let service = ServiceBuilder::new().layer(layer).service(service_fn(
                async |_: Request| -> Result<(), Error> { panic!("as application code may") },
            ));
            let answer = tokio::spawn(service.oneshot(http::Request::new(body)));
            for _ in 0..pieces {
                send(&mut sender, KIB).await;
            }
            let came = pieces * 1024;
            eventually("they have come", || {
                ledger.of::<SpoolBook>().bytes.get() == came
            })
            .await;
            match end {
                End::Aborted => answer.abort(),
                End::BrokenOff => sender.abort(std::io::ErrorKind::ConnectionReset.into()),
                End::Panicked => drop(sender),
            }
            let ended = answer.await;
            assert!(!matches!(ended, Ok(Ok(()))), "{end:?}");
            assert_quiet(&ledger).await;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A piece of this length for one of the bodies.
    Piece(usize),
    End,
    Abort,
    /// The spooled body is dropped.
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        6 => (1..40 * KIB).prop_map(Step::Piece),
        2 => Just(Step::End),
        1 => Just(Step::Abort),
        1 => Just(Step::Forget),
    ];
    prop::collection::vec((0..BODIES, step), 1..120)
}

const BODIES: usize = 12;

/// Runs the steps with a small budget, and checks after each that it is not exceeded.
async fn interleaved(steps: Vec<(usize, Step)>) {
    let memory = 96 * KIB;
    let budget = SpoolBudget::new().memory(memory).files(4);
    let (layer, ledger) = with(budget.file_bytes(200 << 10));
    let layer = layer.memory(48 * KIB).writers(1);
    let mut bodies: Vec<_> = (0..BODIES).map(|_| Some(begun(&layer))).collect();
    let mut ended: Vec<Option<Answer>> = (0..BODIES).map(|_| None).collect();
    for (at, step) in steps {
        match step {
            Step::Piece(length) => {
                if let Some((sender, _)) = &mut bodies[at] {
                    send(sender, length).await;
                }
            }
            Step::End => ended[at] = bodies[at].take().map(|(_, answer)| answer),
            Step::Abort => drop(bodies[at].take().map(|(_, answer)| answer.abort())),
            Step::Forget => drop(ended[at].take()),
        }
        tokio::task::yield_now().await;
        let spool = &ledger.of::<SpoolBook>();
        assert!(usize::try_from(spool.memory.peak()).unwrap() <= memory);
        assert!(spool.files.peak() <= 4 && spool.file_bytes.peak() <= 200 << 10);
    }
    let open = bodies.into_iter().flatten().map(|(_, answer)| answer);
    // All bodies end, whatever each of them holds.
    for answer in open.chain(ended.into_iter().flatten()) {
        match answer.await.unwrap() {
            Ok(body) => assert!(body.to_bytes().unwrap().iter().all(|byte| *byte == b'a')),
            Err(error) => assert!(
                // A single body may have outgrown the whole budget.
                matches!(error.code(), SPOOL_BUSY | BODY_TOO_LARGE),
                "{error:?}"
            ),
        }
    }
    assert_quiet(&ledger).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn bodies_never_exceed_the_budget_nor_wait_for_each_other(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let all = async {
            tokio::time::timeout(Duration::from_secs(60), interleaved(steps)).await
        };
        runtime.block_on(all).expect("nothing waits forever");
    }
}
