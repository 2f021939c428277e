mod early;
mod named;

use std::cell::Cell;
use std::fmt;
use std::io::Write;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use euryale_core::body::Descriptors;
use euryale_core::{Blob, Ledger, Response};
use http::Method;
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::{Exchange, Failure, Limits};
use crate::{AnswerBudget, Incomplete, Iterable, Refused, Unlock, WrongLength};

/// The exception that the application raised.
#[derive(Debug, PartialEq)]
struct Raised;

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("raised")
    }
}

impl std::error::Error for Raised {}

/// An iterable of these blocks, which counts calls.
#[derive(Default)]
struct Fake {
    blocks: std::vec::IntoIter<Vec<u8>>,
    raises_at_end: bool,
    raises_in_close: bool,
    file: Option<Blob>,
    asked: Rc<Cell<usize>>,
    closed: Rc<Cell<usize>>,
}

impl Fake {
    fn new(blocks: &[&[u8]]) -> Self {
        let blocks: Vec<Vec<u8>> = blocks.iter().map(|block| block.to_vec()).collect();
        Self {
            blocks: blocks.into_iter(),
            ..Self::default()
        }
    }
}

impl Iterable for Fake {
    type Block = Vec<u8>;
    type Error = Raised;

    fn file(&mut self, length: Option<u64>) -> Option<Blob> {
        let blob = self.file.take()?;
        let len = length.unwrap_or(u64::MAX).min(blob.len());
        Some(blob.slice(0, len))
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, Raised> {
        assert_eq!(self.closed.get(), 0, "a closed iterable is asked");
        self.asked.set(self.asked.get() + 1);
        match self.blocks.next() {
            None if self.raises_at_end => Err(Raised),
            block => Ok(block),
        }
    }

    fn close(&mut self) -> Result<(), Raised> {
        self.closed.set(self.closed.get() + 1);
        if self.raises_in_close {
            return Err(Raised);
        }
        Ok(())
    }
}

/// Begins a call with these limits and its own budget.
fn begun(method: &Method, limits: Limits) -> Exchange {
    Exchange::new(method, limits, &AnswerBudget::new())
}

/// The client stays connected.
fn stays() -> bool {
    false
}

fn started(headers: &[(&str, &str)]) -> Exchange {
    let exchange = begun(&Method::GET, Limits::default());
    let headers = headers.iter().copied();
    exchange.start_response("200 OK", headers, false).unwrap();
    exchange
}

fn response(exchange: &Exchange) -> Response {
    exchange.finish::<Raised>().unwrap()
}

/// Returns the body's bytes, and whether its end was reached.
fn read(response: Response) -> (Vec<u8>, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut body = response.into_body();
        let mut all = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => all.extend_from_slice(frame.data_ref().unwrap()),
                Err(_) => return (all, false),
            }
        }
        (all, true)
    })
}

/// Returns whether the body is sent from a file.
fn is_file(response: &mut Response) -> bool {
    euryale_core::Body::publish_handle(response, &euryale_core::Ledger::new());
    response
        .extensions()
        .get::<euryale_core::body::BlobHandle>()
        .is_some()
}

fn file_of(bytes: &[u8]) -> Blob {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Blob::new(file).unwrap()
}

#[test]
fn written_blocks_are_sent_before_the_iterable() {
    let exchange = started(&[]);
    exchange.write::<Raised>(b"one ").unwrap();
    exchange.run(Fake::new(&[b"two"]), stays).unwrap();
    assert_eq!(read(response(&exchange)), (b"one two".to_vec(), true));
}

#[test]
fn a_body_that_is_too_long_is_cut_and_not_asked_further() {
    let exchange = started(&[("Content-Length", "3")]);
    let fake = Fake::new(&[b"ab", b"cd", b"ef"]);
    let asked = Rc::clone(&fake.asked);
    exchange.run(fake, stays).unwrap();
    assert_eq!(asked.get(), 2);
    assert_eq!(exchange.wrong_length(), Some(WrongLength::Long));
    assert_eq!(read(response(&exchange)), (b"abc".to_vec(), true));
}

#[test]
fn a_body_that_is_too_short_breaks_off() {
    let exchange = started(&[("Content-Length", "10")]);
    exchange.run(Fake::new(&[b"abc"]), stays).unwrap();
    assert_eq!(exchange.wrong_length(), Some(WrongLength::Short(7)));
    let response = response(&exchange);
    let announced = http_body::Body::size_hint(response.body()).exact();
    assert_eq!(announced, Some(10));
    assert_eq!(read(response), (b"abc".to_vec(), false));
}

#[test]
fn a_head_may_come_with_the_first_step_of_the_iteration() {
    struct Late<'e>(&'e Exchange, u8);
    impl Iterable for Late<'_> {
        type Block = &'static [u8];
        type Error = Raised;
        fn file(&mut self, _: Option<u64>) -> Option<Blob> {
            None
        }
        fn next(&mut self) -> Result<Option<&'static [u8]>, Raised> {
            self.1 += 1;
            match self.1 {
                1 => Ok(Some(b"")),
                2 => {
                    self.0.start_response("201 Created", [], false).unwrap();
                    Ok(Some(b"late"))
                }
                _ => Ok(None),
            }
        }
        fn close(&mut self) -> Result<(), Raised> {
            Ok(())
        }
    }
    let exchange = begun(&Method::GET, Limits::default());
    exchange.run(Late(&exchange, 0), stays).unwrap();
    let response = response(&exchange);
    assert_eq!(response.status(), 201);
    assert_eq!(read(response), (b"late".to_vec(), true));
}

#[test]
fn an_iterable_without_a_head_is_no_answer() {
    let exchange = begun(&Method::GET, Limits::default());
    let fake = Fake::new(&[b"x"]);
    let closed = Rc::clone(&fake.closed);
    let failure = exchange.run(fake, stays).unwrap_err();
    assert!(matches!(failure, Failure::Refused(Refused::NotStarted)));
    assert_eq!(closed.get(), 1);
    let exchange = begun(&Method::GET, Limits::default());
    exchange.run(Fake::new(&[]), stays).unwrap();
    let failure = exchange.finish::<Raised>().unwrap_err();
    assert!(matches!(failure, Failure::Refused(Refused::NotStarted)));
}

#[test]
fn an_iterable_that_raises_is_closed_once() {
    for raises_in_close in [false, true] {
        let exchange = started(&[]);
        let fake = Fake {
            raises_at_end: true,
            raises_in_close,
            ..Fake::new(&[b"x"])
        };
        let closed = Rc::clone(&fake.closed);
        let failure = exchange.run(fake, stays).unwrap_err();
        assert!(matches!(failure, Failure::Application(Raised)));
        assert_eq!(closed.get(), 1);
    }
}

#[test]
fn an_answer_is_complete_although_close_raises() {
    let exchange = started(&[]);
    let fake = Fake {
        raises_in_close: true,
        ..Fake::new(&[b"x"])
    };
    let closed = Rc::clone(&fake.closed);
    assert_eq!(exchange.run(fake, stays).unwrap(), Some(Raised));
    assert_eq!(closed.get(), 1);
    assert_eq!(read(response(&exchange)), (b"x".to_vec(), true));
}

#[test]
fn a_long_answer_goes_to_a_file_and_keeps_its_bytes() {
    let limits = Limits {
        memory: 8,
        total: 1 << 20,
    };
    let exchange = begun(&Method::GET, limits);
    exchange.start_response("200 OK", [], false).unwrap();
    let block: &[u8] = &[b'x'; 1000];
    exchange.run(Fake::new(&[block; 100]), stays).unwrap();
    let mut response = response(&exchange);
    assert!(is_file(&mut response));
    assert_eq!(read(response), (vec![b'x'; 100_000], true));
}

#[test]
fn only_a_first_block_within_the_limit_stays_in_memory() {
    for (size, is_in_file) in [(8, false), (9, true), (1000, true)] {
        let limits = Limits {
            memory: 8,
            total: 1 << 20,
        };
        let exchange = begun(&Method::GET, limits);
        exchange.start_response("200 OK", [], false).unwrap();
        let block = vec![b'x'; size];
        exchange.run(Fake::new(&[&block]), stays).unwrap();
        let mut response = response(&exchange);
        assert_eq!(is_file(&mut response), is_in_file, "{size} bytes");
        assert_eq!(read(response), (block, true));
    }
}

#[test]
fn an_answer_without_end_fails_at_the_limit() {
    let limits = Limits {
        memory: 8,
        total: 2500,
    };
    let exchange = begun(&Method::GET, limits);
    exchange.start_response("200 OK", [], false).unwrap();
    let block: &[u8] = &[b'x'; 1000];
    let fake = Fake::new(&[block; 100]);
    let closed = Rc::clone(&fake.closed);
    let failure = exchange.run(fake, stays).unwrap_err();
    assert!(matches!(
        failure,
        Failure::Incomplete(Incomplete::TooLong(2500))
    ));
    assert_eq!(closed.get(), 1);
}

#[test]
fn an_announced_length_above_the_limit_fails_at_the_first_block() {
    let limits = Limits {
        memory: 8,
        total: 2500,
    };
    for method in [Method::GET, Method::HEAD] {
        let exchange = begun(&method, limits);
        let headers = [("Content-Length", "2501")];
        exchange.start_response("200 OK", headers, false).unwrap();
        let fake = Fake::new(&[&b"x"[..]; 100]);
        let asked = Rc::clone(&fake.asked);
        exchange.run(fake, stays).unwrap_err();
        assert_eq!(asked.get(), 1);
    }
}

#[test]
fn an_answer_that_was_given_up_stays_so() {
    let limits = Limits {
        memory: 8,
        total: 10,
    };
    let exchange = begun(&Method::GET, limits);
    exchange.start_response("200 OK", [], false).unwrap();
    exchange.write::<Raised>(&[b'x'; 9]).unwrap();
    exchange.write::<Raised>(b"too long").unwrap_err();
    // The application has swallowed the exception and continues.
    exchange.write::<Raised>(b"x").unwrap_err();
    let failure = exchange.run(Fake::new(&[b"x"]), stays).unwrap_err();
    let is_too_long =
        |failure: &Failure<Raised>| matches!(failure, Failure::Incomplete(Incomplete::TooLong(10)));
    assert!(is_too_long(&failure));
    assert!(exchange.incomplete().is_some());
    let failure = exchange.finish::<Raised>().unwrap_err();
    assert!(is_too_long(&failure));
}

#[test]
fn an_iterable_without_end_is_closed_when_its_client_leaves() {
    let ledger = Ledger::new();
    let budget = AnswerBudget::new().ledger(&ledger);
    let exchange = Exchange::new(&Method::GET, Limits::default(), &budget);
    exchange.start_response("200 OK", [], false).unwrap();
    let fake = Fake::new(&[&b"event"[..]; 100]);
    let asked = Rc::clone(&fake.asked);
    let closed = Rc::clone(&fake.closed);
    let counted = Rc::clone(&asked);
    let failure = exchange.run(fake, move || counted.get() == 3).unwrap_err();
    assert!(matches!(
        failure,
        Failure::Incomplete(Incomplete::ClientGone)
    ));
    assert_eq!((asked.get(), closed.get()), (3, 1));
    assert_eq!(budget.book().abandoned.get(), 1);
    assert_eq!(ledger.unsettled(), [""; 0]);
}

#[test]
fn answer_whose_last_block_has_come_is_complete_although_its_client_left() {
    for blocks in [&[&b"one"[..]][..], &[]] {
        let exchange = started(&[]);
        exchange.run(Fake::new(blocks), || true).unwrap();
        assert_eq!(read(response(&exchange)), (blocks.concat(), true));
    }
}

#[test]
fn answers_without_end_share_one_budget_and_give_it_back() {
    let ledger = Ledger::new();
    let folder = tempfile::tempdir().unwrap();
    let budget = AnswerBudget::new()
        .memory(16 << 10)
        .file_bytes(200_000)
        .directory(folder.path())
        .ledger(&ledger);
    let limits = Limits {
        memory: 10_000,
        total: 150_000,
    };
    let block: &[u8] = &[b'x'; 1000];
    let answer = |blocks: usize| {
        let exchange = Exchange::new(&Method::GET, limits, &budget);
        exchange.start_response("200 OK", [], false).unwrap();
        let ended = exchange.run(Fake::new(&vec![block; blocks]), stays);
        ended.and_then(|_| exchange.finish::<Raised>())
    };
    let unread = answer(150).unwrap();
    assert_eq!(budget.book().file_bytes.get(), 150_000);
    let failure = answer(100).unwrap_err();
    let Failure::Incomplete(incomplete) = failure else {
        panic!("{failure:?}");
    };
    assert!(matches!(incomplete, Incomplete::NoRoom));
    assert!(incomplete.is_temporary());
    // An answer that was given up returns its charge at once, so small answers still have memory.
    assert_eq!(budget.book().file_bytes.get(), 150_000);
    let small = answer(10).unwrap();
    assert_eq!(budget.book().files.get(), 1);
    // No memory is left for the answer, so it is written to a file.
    let spilled = answer(9).unwrap();
    assert_eq!(budget.book().spilled.get(), 1);
    assert_eq!(read(spilled).0.len(), 9000);
    let (body, is_whole) = read(unread);
    assert_eq!((body.len(), is_whole), (150_000, true));
    assert_eq!(read(answer(100).unwrap()).0.len(), 100_000);
    drop(small);
    assert_eq!(ledger.unsettled(), [""; 0]);
}

#[test]
fn a_file_of_the_application_takes_a_descriptor_until_it_is_sent() {
    let ledger = Ledger::new();
    let descriptors = Descriptors::new(1, &ledger);
    let budget = AnswerBudget::new().descriptors(&descriptors);
    let answer = || {
        let exchange = Exchange::new(&Method::GET, Limits::default(), &budget);
        exchange.start_response("200 OK", [], false).unwrap();
        let fake = Fake {
            file: Some(file_of(b"abcdef")),
            ..Fake::default()
        };
        let ended = exchange.run(fake, stays);
        ended.and_then(|_| exchange.finish::<Raised>())
    };
    let unread = answer().unwrap();
    assert!(matches!(
        answer(),
        Err(Failure::Incomplete(Incomplete::NoDescriptor))
    ));
    assert_eq!(read(unread).0, b"abcdef");
    assert!(answer().is_ok());
    assert_eq!(ledger.unsettled(), [""; 0]);
}

#[test]
fn a_folder_that_is_not_there_fails_and_is_not_temporary() {
    let budget = AnswerBudget::new().directory("/nonexistent/folder");
    let limits = Limits {
        memory: 8,
        total: 100,
    };
    let exchange = Exchange::new(&Method::GET, limits, &budget);
    exchange.start_response("200 OK", [], false).unwrap();
    let failure = exchange.write::<Raised>(b"more than eight").unwrap_err();
    let Failure::Incomplete(incomplete) = failure else {
        panic!("{failure:?}");
    };
    assert!(matches!(incomplete, Incomplete::Io(_)));
    assert!(!incomplete.is_temporary());
}

/// The lock of an interpreter, which counts how often it is released.
struct Lock<'a> {
    released: &'a AtomicUsize,
    during: &'a (dyn Fn() + Sync),
}

impl Unlock for Lock<'_> {
    fn unlocked<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.released.fetch_add(1, Ordering::Relaxed);
        let done = work();
        // Another thread now has the interpreter's lock, and may call `start_response`.
        (self.during)();
        done
    }
}

#[test]
fn the_interpreter_is_unlocked_exactly_when_the_disk_is_used() {
    let released = AtomicUsize::new(0);
    let limits = Limits {
        memory: 1000,
        total: 1 << 30,
    };
    let exchange = begun(&Method::GET, limits).with_unlock(Lock {
        released: &released,
        during: &|| {},
    });
    let released = || released.load(Ordering::Relaxed);
    exchange.start_response("200 OK", [], false).unwrap();
    let write = |count: usize| exchange.write::<Raised>(&vec![b'x'; count]).unwrap();
    write(1000);
    assert_eq!(released(), 0, "in memory");
    write(1);
    assert_eq!(released(), 1, "the file is created");
    write(64_000);
    assert_eq!(released(), 1, "in the buffer");
    write(1000);
    assert_eq!(released(), 2, "the buffer is written");
    write(1 << 20);
    assert_eq!(released(), 3, "a large block is written");
    let response = exchange.finish::<Raised>().unwrap();
    assert_eq!(released(), 4, "the rest is written");
    assert_eq!(read(response).0.len(), 66_001 + (1 << 20));
}

#[test]
fn a_file_of_an_answer_without_end_is_closed_with_the_interpreter_unlocked() {
    let released = AtomicUsize::new(0);
    let limits = Limits {
        memory: 10,
        total: 100,
    };
    let exchange = begun(&Method::GET, limits).with_unlock(Lock {
        released: &released,
        during: &|| {},
    });
    exchange.start_response("200 OK", [], false).unwrap();
    exchange.write::<Raised>(&[b'x'; 50]).unwrap();
    exchange.write::<Raised>(&[b'x'; 51]).unwrap_err();
    assert_eq!(released.load(Ordering::Relaxed), 2);
}

#[test]
fn start_response_of_another_thread_does_not_wait_for_the_interpreters_lock() {
    let exchange: OnceLock<Exchange<Lock<'_>>> = OnceLock::new();
    let released = AtomicUsize::new(0);
    let refused = AtomicUsize::new(0);
    let during = || {
        let again = exchange.get().map(|exchange| {
            let headers: [(&str, &str); 0] = [];
            exchange.start_response("200 OK", headers, false)
        });
        if again == Some(Err(Refused::Again)) {
            refused.fetch_add(1, Ordering::Relaxed);
        }
    };
    let limits = Limits {
        memory: 8,
        total: 1 << 20,
    };
    let lock = Lock {
        released: &released,
        during: &during,
    };
    let exchange = exchange.get_or_init(|| begun(&Method::GET, limits).with_unlock(lock));
    exchange.start_response("200 OK", [], false).unwrap();
    exchange.write::<Raised>(b"more than eight").unwrap();
    assert_eq!(refused.load(Ordering::Relaxed), 1);
}

#[test]
fn a_file_is_not_iterated_and_is_closed() {
    let exchange = started(&[("Content-Length", "4")]);
    let fake = Fake {
        file: Some(file_of(b"abcdef")),
        ..Fake::new(&[b"never"])
    };
    let asked = Rc::clone(&fake.asked);
    let closed = Rc::clone(&fake.closed);
    exchange.run(fake, stays).unwrap();
    assert_eq!((asked.get(), closed.get()), (0, 1));
    assert_eq!(read(response(&exchange)), (b"abcd".to_vec(), true));
}

#[test]
fn a_file_that_is_shorter_than_announced_breaks_off() {
    let exchange = started(&[("Content-Length", "9")]);
    let fake = Fake {
        file: Some(file_of(b"abcdef")),
        ..Fake::default()
    };
    exchange.run(fake, stays).unwrap();
    assert_eq!(read(response(&exchange)), (b"abcdef".to_vec(), false));
}

#[test]
fn a_file_behind_written_bytes_is_iterated() {
    let exchange = started(&[]);
    exchange.write::<Raised>(b"first ").unwrap();
    let fake = Fake {
        file: Some(file_of(b"other")),
        ..Fake::new(&[b"second"])
    };
    exchange.run(fake, stays).unwrap();
    assert_eq!(read(response(&exchange)), (b"first second".to_vec(), true));
}

#[test]
fn the_answer_to_head_keeps_its_length_and_no_bytes() {
    for (headers, blocks, length) in [
        (&[("Content-Length", "12345")][..], &[][..], Some(12_345)),
        (&[], &[&b"12345"[..]], Some(5)),
        (&[], &[], None),
    ] {
        let exchange = begun(&Method::HEAD, Limits::default());
        let headers = headers.iter().copied();
        exchange.start_response("200 OK", headers, false).unwrap();
        exchange.run(Fake::new(blocks), stays).unwrap();
        assert_eq!(exchange.wrong_length(), None);
        let body = response(&exchange).into_body().head_only();
        assert_eq!(http_body::Body::size_hint(&body).exact(), length);
    }
}

proptest! {
    /// For any blocks, announced length, end and memory, there is exactly one close, and the body
    /// consists of the blocks, cut at the length.
    #[test]
    fn a_body_is_its_blocks_up_to_its_length(
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8),
        written in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..3),
        announced in prop::option::of(0_u64..200),
        raises_at_end: bool,
        memory in 0_usize..100,
    ) {
        let limits = Limits { memory, total: 1 << 20 };
        let exchange = begun(&Method::GET, limits);
        let length = announced.map(|length| length.to_string());
        let headers = length.iter().map(|length| ("Content-Length", &length[..]));
        exchange.start_response("200 OK", headers, false).unwrap();
        for block in &written {
            exchange.write::<Raised>(block).unwrap();
        }
        let fake = Fake { blocks: blocks.clone().into_iter(), raises_at_end, ..Fake::default() };
        let closed = Rc::clone(&fake.closed);
        let ended = exchange.run(fake, stays);
        prop_assert_eq!(closed.get(), 1);
        let all: Vec<u8> = written.into_iter().chain(blocks).flatten().collect();
        let most = usize::try_from(announced.unwrap_or(u64::MAX)).unwrap();
        match ended {
            Ok(closed) => {
                prop_assert_eq!(closed, None);
                let (body, complete) = read(response(&exchange));
                prop_assert_eq!(&body[..], &all[..all.len().min(most)]);
                prop_assert_eq!(complete, announced.is_none_or(|_| most <= all.len()));
            }
            Err(failure) => {
                prop_assert!(raises_at_end);
                prop_assert!(matches!(failure, Failure::Application(Raised)));
            }
        }
    }
}
