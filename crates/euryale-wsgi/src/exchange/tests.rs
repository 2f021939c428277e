use std::cell::Cell;
use std::fmt;
use std::io::Write;
use std::rc::Rc;

use euryale_core::{Blob, Response};
use http::Method;
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::{Exchange, Failure, Iterable, Limits};
use crate::Refused;

/// What the application raised.
#[derive(Debug, PartialEq)]
struct Raised;

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("raised")
    }
}

impl std::error::Error for Raised {}

/// An iterable of these blocks that counts what is done with it.
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

fn started(headers: &[(&str, &str)]) -> Exchange {
    let exchange = Exchange::new(&Method::GET, Limits::default());
    let headers = headers.iter().copied();
    exchange.start_response("200 OK", headers, false).unwrap();
    exchange
}

fn response(exchange: &Exchange) -> Response {
    exchange.finish::<Raised>().unwrap()
}

/// The body's bytes, and whether it came to its end.
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

/// Whether the body is sent from a file.
fn is_file(response: &mut Response) -> bool {
    euryale_core::Body::publish_handle(response, &euryale_core::Ledger::new());
    response
        .extensions()
        .get::<euryale_core::BlobHandle>()
        .is_some()
}

fn file_of(bytes: &[u8]) -> Blob {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Blob::new(file).unwrap()
}

#[test]
fn what_is_written_goes_before_the_iterable() {
    let exchange = started(&[]);
    exchange.write::<Raised>(b"one ").unwrap();
    exchange.run(Fake::new(&[b"two"])).unwrap();
    assert_eq!(read(response(&exchange)), (b"one two".to_vec(), true));
}

#[test]
fn a_body_that_is_too_long_is_cut_and_not_asked_further() {
    let exchange = started(&[("Content-Length", "3")]);
    let fake = Fake::new(&[b"ab", b"cd", b"ef"]);
    let asked = Rc::clone(&fake.asked);
    exchange.run(fake).unwrap();
    assert_eq!(asked.get(), 2);
    assert_eq!(read(response(&exchange)), (b"abc".to_vec(), true));
}

#[test]
fn a_body_that_is_too_short_breaks_off() {
    let exchange = started(&[("Content-Length", "10")]);
    exchange.run(Fake::new(&[b"abc"])).unwrap();
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
    let exchange = Exchange::new(&Method::GET, Limits::default());
    exchange.run(Late(&exchange, 0)).unwrap();
    let response = response(&exchange);
    assert_eq!(response.status(), 201);
    assert_eq!(read(response), (b"late".to_vec(), true));
}

#[test]
fn an_iterable_without_a_head_is_no_answer() {
    let exchange = Exchange::new(&Method::GET, Limits::default());
    let fake = Fake::new(&[b"x"]);
    let closed = Rc::clone(&fake.closed);
    let failure = exchange.run(fake).unwrap_err();
    assert!(matches!(failure, Failure::Refused(Refused::NotStarted)));
    assert_eq!(closed.get(), 1);
    let exchange = Exchange::new(&Method::GET, Limits::default());
    exchange.run(Fake::new(&[])).unwrap();
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
        let failure = exchange.run(fake).unwrap_err();
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
    assert_eq!(exchange.run(fake).unwrap(), Some(Raised));
    assert_eq!(closed.get(), 1);
    assert_eq!(read(response(&exchange)), (b"x".to_vec(), true));
}

#[test]
fn a_long_answer_goes_to_a_file_and_keeps_its_bytes() {
    let limits = Limits {
        memory: 8,
        total: 1 << 20,
    };
    let exchange = Exchange::new(&Method::GET, limits);
    exchange.start_response("200 OK", [], false).unwrap();
    let block: &[u8] = &[b'x'; 1000];
    exchange.run(Fake::new(&[block; 100])).unwrap();
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
        let exchange = Exchange::new(&Method::GET, limits);
        exchange.start_response("200 OK", [], false).unwrap();
        let block = vec![b'x'; size];
        exchange.run(Fake::new(&[&block])).unwrap();
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
    let exchange = Exchange::new(&Method::GET, limits);
    exchange.start_response("200 OK", [], false).unwrap();
    let block: &[u8] = &[b'x'; 1000];
    let fake = Fake::new(&[block; 100]);
    let closed = Rc::clone(&fake.closed);
    let failure = exchange.run(fake).unwrap_err();
    assert!(matches!(failure, Failure::TooLong(2500)));
    assert_eq!(closed.get(), 1);
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
    exchange.run(fake).unwrap();
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
    exchange.run(fake).unwrap();
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
    exchange.run(fake).unwrap();
    assert_eq!(read(response(&exchange)), (b"first second".to_vec(), true));
}

#[test]
fn the_answer_to_head_keeps_its_length_and_no_bytes() {
    for (headers, blocks, length) in [
        (&[("Content-Length", "12345")][..], &[][..], Some(12_345)),
        (&[], &[&b"12345"[..]], Some(5)),
        (&[], &[], None),
    ] {
        let exchange = Exchange::new(&Method::HEAD, Limits::default());
        let headers = headers.iter().copied();
        exchange.start_response("200 OK", headers, false).unwrap();
        exchange.run(Fake::new(blocks)).unwrap();
        let body = response(&exchange).into_body().head_only();
        assert_eq!(http_body::Body::size_hint(&body).exact(), length);
    }
}

proptest! {
    /// For any blocks, announced length, end and memory: one close, and the body is the blocks, cut
    /// at the length.
    #[test]
    fn a_body_is_its_blocks_up_to_its_length(
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8),
        written in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..3),
        announced in prop::option::of(0_u64..200),
        raises_at_end: bool,
        memory in 0_usize..100,
    ) {
        let limits = Limits { memory, total: 1 << 20 };
        let exchange = Exchange::new(&Method::GET, limits);
        let length = announced.map(|length| length.to_string());
        let headers = length.iter().map(|length| ("Content-Length", &length[..]));
        exchange.start_response("200 OK", headers, false).unwrap();
        for block in &written {
            exchange.write::<Raised>(block).unwrap();
        }
        let fake = Fake { blocks: blocks.clone().into_iter(), raises_at_end, ..Fake::default() };
        let closed = Rc::clone(&fake.closed);
        let ended = exchange.run(fake);
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
