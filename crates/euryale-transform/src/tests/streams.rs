//! Tests of the streaming of rewritten pages.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use http_body::Frame;
use tokio::sync::mpsc;

use super::*;
use crate::TransformBook;

/// A body with the chunks of a channel.
struct Fed(mpsc::Receiver<Bytes>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

fn fed() -> (mpsc::Sender<Bytes>, Arc<Mutex<Option<Body>>>) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Arc::new(Mutex::new(Some(Body::new(Fed(receiver))))))
}

fn four() -> TransformChainLayer {
    TransformChainLayer::new()
        .rewrite(appends("a", 1, "a"))
        .rewrite(appends("b", 2, "b"))
        .rewrite(appends("c", 3, "c"))
        .rewrite(appends("d", 4, "d"))
}

#[tokio::test]
async fn the_first_byte_does_not_wait_for_the_last() {
    for budget in [Duration::ZERO, Duration::from_secs(1)] {
        let ledger = Ledger::new();
        let (source, body) = fed();
        let answer = move || page(body.lock().unwrap().take().unwrap());
        let mut body = get(four().budget(budget).ledger(ledger.clone()), answer)
            .await
            .into_body();
        for _ in 0..3 {
            source
                .send(Bytes::from_static(b"<p>hello</p>"))
                .await
                .unwrap();
            let mut got = String::new();
            while !got.ends_with("</p>") {
                let frame = body.frame().await.unwrap().unwrap();
                got += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
            }
            assert_eq!(got, "<p>helloabcd</p>", "while the source goes on");
        }
        drop(source);
        assert!(body.frame().await.is_none());
        assert_eq!(ledger.of::<TransformBook>().parsed.get(), 1);
        drop(body);
        assert_quiet(&ledger).await;
    }
}

/// A body of 50 chunks that are made on demand.
struct Made50 {
    left: usize,
    made: Arc<AtomicUsize>,
}

const CHUNK: usize = 64 << 10;

impl http_body::Body for Made50 {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.made.fetch_add(CHUNK, Relaxed);
        let chunk = format!("<p>{}</p>\n", "0123456789abcdef".repeat(255)).repeat(CHUNK / 4088 + 1);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(chunk).slice(..CHUNK)))))
    }
}

#[tokio::test]
async fn a_page_of_50_mb_is_never_held() {
    for budget in [
        Duration::ZERO,
        Duration::from_millis(1),
        Duration::from_secs(100),
    ] {
        let ledger = Ledger::new();
        let made = Arc::new(AtomicUsize::new(0));
        let theirs = Arc::clone(&made);
        let answer = move || {
            page(Body::new(Made50 {
                left: 800,
                made: Arc::clone(&theirs),
            }))
        };
        let mut body = get(four().budget(budget).ledger(ledger.clone()), answer)
            .await
            .into_body();
        let mut sent = 0;
        let mut most = 0;
        while let Some(frame) = body.frame().await {
            sent += frame.unwrap().into_data().unwrap().len();
            most = most.max(made.load(Relaxed).saturating_sub(sent));
        }
        assert!(sent > 800 * CHUNK, "{sent}");
        assert!(most <= 1 << 20, "{most} bytes were read and not sent");
        assert_eq!(ledger.of::<TransformBook>().parsed.get(), 1);
        drop(body);
        assert_quiet(&ledger).await;
    }
}

#[tokio::test]
async fn work_over_the_budget_runs_on_cpu_threads() {
    let here = thread::current().id();
    let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
    let notes = {
        let seen = Arc::clone(&seen);
        named("notes", 1, move |_: &Page, handlers: &mut Handlers| {
            let seen = Arc::clone(&seen);
            handlers.element(&selector("p"), move |_| {
                seen.lock().unwrap().push(thread::current().id() == here);
                Ok(())
            });
            Ok(())
        })
    };
    let service = around(
        TransformChainLayer::new()
            .rewrite(notes)
            .budget(Duration::from_secs(10)),
        |_| page("<p>"),
    );
    for _ in 0..3 {
        text(
            service
                .clone()
                .oneshot(http::Request::new(()))
                .await
                .unwrap(),
        )
        .await;
    }
    assert_eq!(
        *seen.lock().unwrap(),
        [false, true, true],
        "the first page is not trusted"
    );
}

#[tokio::test]
async fn slow_handlers_never_block_the_runtime() {
    let slow = named("slow", 1, |_: &Page, handlers: &mut Handlers| {
        handlers.element(&selector("p"), |_| {
            let until = std::time::Instant::now() + Duration::from_millis(5);
            while std::time::Instant::now() < until {
                std::hint::spin_loop();
            }
            Ok(())
        });
        Ok(())
    });
    let service = around(TransformChainLayer::new().rewrite(slow), |_| {
        page("<p></p>".repeat(8))
    });
    let ledger = Arc::new(AtomicUsize::new(0));
    let turns = Arc::clone(&ledger);
    let others = tokio::spawn(async move {
        loop {
            turns.fetch_add(1, Relaxed);
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..3 {
        let before = ledger.load(Relaxed);
        text(
            service
                .clone()
                .oneshot(http::Request::new(()))
                .await
                .unwrap(),
        )
        .await;
        assert!(
            ledger.load(Relaxed) > before + 10,
            "other tasks go on while a page takes 40 ms"
        );
    }
    others.abort();
}

#[tokio::test]
async fn a_critical_failure_after_the_head_breaks_the_page_off() {
    let late = named("late", 1, |_: &Page, handlers: &mut Handlers| {
        handlers.element(&selector("i"), |_| Err("as scripted".into()));
        Ok(())
    });
    let answer = || page("<p>0123456789</p>".repeat(10_000) + "<i>" + &"<p>".repeat(10));
    let ledger = Ledger::new();
    let layer = TransformChainLayer::new()
        .rewrite(late.critical())
        .budget(Duration::from_secs(10));
    let service = around(layer.ledger(ledger.clone()), move |request| {
        match request.uri().path() {
            "/late" => answer(),
            _ => page("<p>"),
        }
    });
    // The first page of a chain is parsed in larger pieces.
    text(
        service
            .clone()
            .oneshot(http::Request::new(()))
            .await
            .unwrap(),
    )
    .await;
    let response = service
        .oneshot(http::Request::get("/late").body(()).unwrap())
        .await
        .unwrap();
    assert!(response.status().is_success(), "64 KiB were fine");
    assert!(response.into_body().collect().await.is_err());
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_small_page_has_a_length_and_an_incomplete_one_has_none() {
    use http_body::Body as _;
    let response = get(four(), || page("<p></p>")).await;
    assert_eq!(response.body().size_hint().exact(), Some(11));
    let (source, body) = fed();
    let response = get(four(), move || page(body.lock().unwrap().take().unwrap())).await;
    assert_eq!(response.body().size_hint().exact(), None);
    drop(source);
    assert_eq!(text(response).await, "");
}
