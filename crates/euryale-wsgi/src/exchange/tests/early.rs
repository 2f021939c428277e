//! Answers that leave with the first block of their iterable.

use euryale_core::body::{Early, EarlyAnswer, EarlyAnswers, EarlyFuture, EarlyRecord};

use http_body::Body as _;

use super::*;

/// An iterable that notes before each block whether the answer has left.
struct Watched {
    fake: Fake,
    record: EarlyRecord,
    seen: Rc<std::cell::RefCell<Vec<bool>>>,
    is_list: bool,
}

impl Iterable for Watched {
    type Block = Vec<u8>;
    type Error = Raised;

    fn file(&mut self, length: Option<u64>) -> Option<Blob> {
        self.fake.file(length)
    }

    fn is_list(&self) -> bool {
        self.is_list
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, Raised> {
        self.seen.borrow_mut().push(self.record.has_left());
        self.fake.next()
    }

    fn close(&mut self) -> Result<(), Raised> {
        self.fake.close()
    }
}

struct Call {
    exchange: Exchange,
    record: EarlyRecord,
    future: EarlyFuture,
}

impl Call {
    fn new(method: &Method, limits: Limits) -> Self {
        let (hand_over, future) = EarlyFuture::channel();
        let record = hand_over.record().clone();
        let settings = EarlyAnswers::new();
        let is_head = *method == Method::HEAD;
        let early = Early::new(settings, &Ledger::new(), hand_over, is_head, Ok);
        Self {
            exchange: begun(method, limits).with_early(Some(early)),
            record,
            future,
        }
    }

    fn watch(&self, fake: Fake) -> Watched {
        Watched {
            fake,
            record: self.record.clone(),
            seen: Rc::default(),
            is_list: false,
        }
    }

    fn start(&self, headers: &[(&str, &str)]) {
        let started = self
            .exchange
            .start_response("200 Fine", headers.iter().copied(), false);
        started.unwrap();
    }

    /// The answer that has left, whose job ends now.
    async fn left(self) -> Response {
        assert!(self.record.has_left());
        let end = self.exchange.finish::<Raised>().unwrap();
        assert!(EarlyAnswer::has_left(&end));
        self.future
            .of(Box::pin(std::future::ready(Ok(Ok(end)))))
            .await
            .unwrap()
    }
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn answer_leaves_with_the_first_block_that_is_not_empty() {
    let call = Call::new(&Method::GET, Limits::default());
    call.start(&[("Content-Type", "text/plain")]);
    let watched = call.watch(Fake::new(&[b"", b"Stheno, ", b"Euryale"]));
    let seen = watched.seen.clone();
    let closed = watched.fake.closed.clone();
    call.exchange.run(watched, || false).unwrap();
    assert_eq!(*seen.borrow(), [false, false, true, true]);
    assert_eq!(closed.get(), 1);
    let response = call.left().await;
    assert_eq!(response.headers()["content-type"], "text/plain");
    assert_eq!(text(response).await, "Stheno, Euryale");
}

#[tokio::test]
async fn limits_do_not_count_once_an_answer_may_leave() {
    let limits = Limits {
        memory: 4,
        total: 8,
    };
    let call = Call::new(&Method::GET, limits);
    call.start(&[("Content-Length", "23")]);
    let blocks: [&[u8]; 3] = [b"Stheno, ", b"Euryale, ", b"Medusa, and others"];
    call.exchange
        .run(call.watch(Fake::new(&blocks)), || false)
        .unwrap();
    assert_eq!(call.exchange.wrong_length(), Some(WrongLength::Long));
    assert_eq!(text(call.left().await).await, "Stheno, Euryale, Medusa");
}

#[test]
fn lists_whole_answers_and_answers_to_head_do_not_leave_early() {
    for (method, is_list, length) in [
        (Method::GET, true, None),
        (Method::GET, false, Some("6")),
        (Method::HEAD, false, None),
    ] {
        let call = Call::new(&method, Limits::default());
        call.start(&Vec::from_iter(
            length.map(|length| ("Content-Length", length)),
        ));
        let mut watched = call.watch(Fake::new(&[b"Medusa"]));
        watched.is_list = is_list;
        call.exchange.run(watched, || false).unwrap();
        assert!(!call.record.has_left(), "{method}");
        let response = call.exchange.finish::<Raised>().unwrap();
        assert!(!EarlyAnswer::has_left(&response), "{method}");
    }
}

#[test]
fn iterable_of_an_early_answer_is_closed_once_at_any_end() {
    for client_leaves in [true, false] {
        let call = Call::new(&Method::GET, Limits::default());
        call.start(&[]);
        let mut fake = Fake::new(&[b"a", b"b"]);
        fake.raises_at_end = true;
        let closed = fake.closed.clone();
        let ended = call.exchange.run(call.watch(fake), || client_leaves);
        assert!(ended.is_err() && call.record.has_left());
        assert_eq!(closed.get(), 1);
    }
}

#[test]
fn write_makes_an_answer_leave_too() {
    let call = Call::new(&Method::GET, Limits::default());
    call.start(&[]);
    call.exchange.write::<Raised>(b"").unwrap();
    assert!(!call.record.has_left());
    call.exchange.write::<Raised>(b"a").unwrap();
    assert!(call.record.has_left());
}

#[test]
fn right_to_leave_early_can_be_given_later_unless_the_answer_is_wanted_whole() {
    for is_whole in [false, true] {
        let call = Call::new(&Method::GET, Limits::default());
        call.exchange.allow_early(None);
        if is_whole {
            call.exchange.keep_whole();
        }
        assert!(call.exchange.is_untouched());
        call.start(&[]);
        let (hand_over, _future) = EarlyFuture::channel();
        let record = hand_over.record().clone();
        let early = Early::new(EarlyAnswers::new(), &Ledger::new(), hand_over, false, Ok);
        call.exchange.allow_early(Some(early));
        call.exchange
            .run(Fake::new(&[b"a", b"b"]), || false)
            .unwrap();
        assert_eq!(record.has_left(), !is_whole);
        assert!(!call.record.has_left(), "the first right is gone");
        assert!(!call.exchange.is_untouched());
    }
}

#[tokio::test]
async fn iterable_for_head_is_asked_only_until_the_answer_has_started() {
    for (is_started, asked) in [(true, 0), (false, 2)] {
        let call = Call::new(&Method::HEAD, Limits::default());
        if is_started {
            call.start(&[("Content-Length", "9")]);
        }
        let fake = Fake::new(&[b"", b"Medusa", b"and others"]);
        let counts = (fake.asked.clone(), fake.closed.clone());
        call.exchange.run_for_head(fake).unwrap();
        assert_eq!((counts.0.get(), counts.1.get()), (asked, 1));
        match call.exchange.finish::<Raised>() {
            Ok(response) => {
                assert!(is_started);
                assert_eq!(response.body().size_hint().exact(), Some(9));
            }
            Err(failure) => {
                assert!(!is_started);
                assert!(matches!(failure, Failure::Refused(Refused::NotStarted)));
            }
        }
    }
}

#[test]
fn iterable_for_head_is_closed_after_an_exception() {
    let call = Call::new(&Method::HEAD, Limits::default());
    let mut fake = Fake::new(&[]);
    fake.raises_at_end = true;
    let closed = fake.closed.clone();
    let ended = call.exchange.run_for_head(fake);
    assert!(matches!(ended, Err(Failure::Application(Raised))));
    assert_eq!(closed.get(), 1);
}
