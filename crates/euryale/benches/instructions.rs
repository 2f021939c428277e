//! Fixed inputs whose instructions `cargo xtask instructions` counts, each in a process of its own
//! under `valgrind --tool=callgrind`. Only what runs inside [`measured`] is counted, and only in
//! that thread.
//!
//! Seconds say how busy a machine is; the number of instructions of the same program on the same
//! input says how much work it does.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use euryale::body::SpooledBody;
use euryale::spool::SpoolLayer;
use euryale::transaction::{Access, Attempt, Claim, History, Lease, Publication};
use euryale::transform::{Handlers, Page, Rewrite, Selector, Transform, TransformChainLayer};
use euryale::{Body, BoxError, Error, Pool, Request, Response};
use euryale_core::transaction::TransactionOptions;
use euryale_core::{Transaction, publisher_fn};
use euryale_publisher::Publish;
use euryale_respond::RespondLayer;
use euryale_server::{Incoming, Server, Shutdown, Slowest};
use euryale_test::{Gate, Lender, eventually};
use http_body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Service, service_fn};
use tower_layer::Layer;

/// The instructions of this function and of what it calls are those that count.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

const INPUTS: [(&str, fn()); 11] = [
    ("transaction", transaction),
    ("publish", publish),
    ("respond", respond),
    ("spool-empty", || spool(0)),
    ("spool-1-KiB", || spool(1)),
    ("spool-64-KiB", || spool(64)),
    ("queue", queue),
    ("transform-declined", || transform("application/json")),
    ("transform-4-rewrites", || transform("text/html")),
    ("edge-http1", || edge(http1_requests())),
    ("edge-http2", || edge(http2_requests())),
];

fn main() {
    // `cargo bench` starts this, too, with flags of its own.
    let name = std::env::args()
        .nth(1)
        .filter(|argument| !argument.starts_with('-'));
    let Some(name) = name else {
        println!(
            "inputs of `cargo xtask instructions`: {}",
            INPUTS.map(|(name, _)| name).join(" ")
        );
        return;
    };
    let input = INPUTS.iter().find(|(known, _)| *known == name);
    let Some((_, run)) = input else {
        panic!("no input {name}")
    };
    run();
}

/// Does nothing to each heading.
struct Headings(Selector, &'static str);

impl Transform for Headings {
    fn name(&self) -> &str {
        self.1
    }

    fn order(&self) -> i32 {
        1
    }
}

impl Rewrite for Headings {
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        handlers.element(&self.0, |_| Ok(()));
        Ok(())
    }
}

/// A chain of four streaming rewrites, with a page of 16 KiB and with something else.
fn transform(content_type: &'static str) {
    let chain = ["a", "b", "c", "d"]
        .into_iter()
        .fold(TransformChainLayer::new(), |chain, name| {
            chain.rewrite(Headings("h2".parse().expect("a selector"), name))
        });
    let text =
        "<h2>heading</h2><p class=\"text\">text with a <a href=\"/\">link</a></p>\n".repeat(240);
    let page = Bytes::from(text);
    let inner = service_fn(move |_: http::Request<()>| {
        let mut response = Response::new(Body::from(page.clone()));
        response
            .headers_mut()
            .insert("content-type", http::HeaderValue::from_static(content_type));
        ready(Ok::<_, Infallible>(response))
    });
    let mut service = chain.budget(Duration::from_secs(100)).layer(inner);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let request = || {
        http::Request::builder()
            .header("accept", "text/html")
            .body(())
            .expect("a request")
    };
    // The first page is parsed on another thread.
    let _ = runtime.block_on(service.call(request()));
    let _entered = runtime.enter();
    let request = black_box(request());
    let mut request = Some(request);
    measured(&mut || {
        if let Some(request) = request.take() {
            let response = now(service.call(request));
            assert!(response.is_ok());
        }
    });
}

/// A future that waits for nothing.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// One transaction that uses its connection, after a first one that has paid for what is made once.
fn transaction() {
    let mut lender = Lender::new(());
    let mut run = || {
        let options = TransactionOptions::new(Attempt::new(History::default()), Access::Write);
        let outcome = Transaction::run(&mut lender.lease(), options, |transaction| {
            transaction.connection()?;
            Ok(7)
        });
        black_box(outcome.expect("a commit"));
    };
    run();
    measured(&mut run);
}

/// A claim that runs its job at once, in this thread.
struct Here(Lender<()>);

impl Claim for Here {
    type Database = ();

    fn run<T, F>(mut self, job: F) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: FnOnce(&mut Lease<'_, ()>) -> T + Send + 'static,
        T: Send + 'static,
    {
        let done: Ready<Result<T, Error>> = ready(Ok(job(&mut self.0.lease())));
        done
    }
}

/// `Publish`, with the transaction and the framing of the response.
fn publish() {
    let publisher = publisher_fn::<(), _>(|_request, transaction| {
        transaction.connection()?;
        let mut response = Response::new(Body::from("hello"));
        for name in [
            "content-type",
            "content-length",
            "connection",
            "x-accel-redirect",
            "cache-control",
        ] {
            let name = http::HeaderName::from_static(name);
            response
                .headers_mut()
                .insert(name, http::HeaderValue::from_static("5"));
        }
        Ok(response)
    });
    let mut service = Publish::new(publisher);
    let mut publications: Vec<_> = (0..2)
        .map(|_| Publication {
            request: request(),
            claim: Here(Lender::new(())),
        })
        .collect();
    // The end of a pool is not part of a publication.
    let _ledgers: Vec<_> = publications
        .iter()
        .map(|publication| publication.claim.0.ledger().clone())
        .collect();
    let mut run = || {
        let publication = publications.pop().expect("a publication");
        black_box(now(service.call(publication)).expect("a response"));
    };
    run();
    measured(&mut run);
}

fn request() -> Request {
    http::Request::builder()
        .uri("/a/b?c=d")
        .body(SpooledBody::empty())
        .expect("a request")
}

/// `Respond` on a response that it has nothing to do with.
fn respond() {
    let inner =
        service_fn(|_request: Request| ready(Ok::<_, Error>(Response::new(Body::from("hello")))));
    let mut service = RespondLayer::new().layer(inner);
    let mut requests = vec![request(), request()];
    let mut run = || {
        let request = requests.pop().expect("a request");
        black_box(now(service.call(request)).expect("a response"));
    };
    run();
    measured(&mut run);
}

/// A body of a number of frames of 1 KiB, all of them ready.
struct Frames(usize);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.0.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'a'; KIB])))))
    }

    fn is_end_stream(&self) -> bool {
        self.0 == 0
    }
}

const KIB: usize = 1 << 10;

/// `Spool` on a body of `kib` KiB, which stays in memory.
fn spool(kib: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let _entered = runtime.enter();
    let inner = service_fn(|request: Request| ready(Ok::<_, Error>(request.body().len())));
    let mut service = SpoolLayer::new().layer(inner);
    let mut requests = vec![
        http::Request::new(Frames(kib)),
        http::Request::new(Frames(kib)),
    ];
    let mut run = || {
        let request = requests.pop().expect("a request");
        assert_eq!(
            now(service.call(request)).expect("spooled"),
            (kib * KIB) as u64
        );
    };
    run();
    measured(&mut run);
}

/// A thousand jobs that come, wait behind a worker that is stuck, and go.
fn queue() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("a runtime");
    let _entered = runtime.enter();
    let pool = Pool::builder(())
        .connections(1)
        .max_queue(2_000)
        .max_wait(None::<Duration>)
        .build();
    let gate = Gate::new();
    let held = gate.clone();
    let stuck = runtime.spawn(pool.run(move |_connection| held.wait()));
    runtime.block_on(eventually("the worker is stuck", || gate.waiting() == 1));
    let mut run = || {
        let jobs: Vec<_> = (0..1_000)
            .map(|number| pool.run(move |_connection| number))
            .collect();
        drop(black_box(jobs));
    };
    run();
    measured(&mut run);
    gate.open();
    assert!(runtime.block_on(stuck).is_ok_and(|ended| ended.is_ok()));
}

/// The number of requests on the socket of `edge`.
const REQUESTS: usize = 200;

/// What a client of `edge` sends: something first, and then its requests, one after another.
struct Sent {
    first: Vec<u8>,
    requests: Vec<Vec<u8>>,
}

fn http1_requests() -> Sent {
    Sent {
        first: Vec::new(),
        requests: vec![b"GET /a/b?c=d HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(); REQUESTS],
    }
}

/// Requests without dynamic compression (RFC 7541 §6), each in one frame.
fn http2_requests() -> Sent {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const SETTINGS_ACK: [u8; 9] = [0, 0, 0, 4, 1, 0, 0, 0, 0];
    /// GET, http, `/`, and a literal `:authority`.
    const FIELDS: &[u8] = b"\x82\x86\x84\x01\x09localhost";
    /// END_STREAM and END_HEADERS.
    const FLAGS: u8 = 0x5;
    let request = |number: usize| {
        let length = u8::try_from(FIELDS.len()).expect("a short head");
        let stream = u32::try_from(2 * number + 1).expect("few requests");
        let head = [&[0, 0, length, 1, FLAGS], &stream.to_be_bytes()[..]].concat();
        [&head, FIELDS].concat()
    };
    Sent {
        first: [
            &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
            &SETTINGS,
            &SETTINGS_ACK,
        ]
        .concat(),
        requests: (0..REQUESTS).map(request).collect(),
    }
}

const ANSWER: &[u8] = b"hello from behind the edge";

/// Requests on one socket, through hyper and the server's edge. The client runs in the same thread.
fn edge(sent: Sent) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let answers = service_fn(|_request: http::Request<Incoming>| {
        ready(Ok::<_, Infallible>(Response::new(Body::from(
            Bytes::from_static(ANSWER),
        ))))
    });
    let shutdown = Shutdown::new();
    let (mut client, serving) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let server = Server::new()
            .listen(listener)
            .slowest(&Slowest::new())
            .log_drain(false);
        let serving = tokio::spawn(server.serve(answers, shutdown.clone()));
        let client = TcpStream::connect(address).await.expect("a socket");
        client.set_nodelay(true).expect("no delay");
        (client, serving)
    });
    let mut bytes = Vec::new();
    let mut requests = sent.requests.into_iter();
    let mut ask = |client: &mut TcpStream, request: &[u8]| {
        runtime.block_on(async {
            client.write_all(request).await.expect("a request");
            bytes.clear();
            while !bytes.ends_with(ANSWER) {
                let read = client.read_buf(&mut bytes).await.expect("an answer");
                assert!(read > 0, "the server has closed the socket");
            }
        });
    };
    let first = [sent.first, requests.next().expect("a request")].concat();
    ask(&mut client, &first);
    let requests: Vec<_> = requests.collect();
    measured(&mut || {
        for request in &requests {
            ask(&mut client, request);
        }
    });
    shutdown.drain_at_once();
    drop(client);
    assert!(runtime.block_on(serving).is_ok());
}
