use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use euryale_test::{Gate, eventually};
use http_body::Body as _;
use http_body_util::BodyExt;

use super::BodyWriter;
use crate::body::{Body, WriterHandle};
use crate::error::BoxError;
use crate::ledger::Ledger;
use crate::request::Response;

async fn next(body: &mut Body) -> Option<Result<Bytes, BoxError>> {
    let frame = body.frame().await?;
    Some(frame.map(|frame| frame.into_data().unwrap()))
}

fn handle(body: Body) -> (WriterHandle, Body) {
    let mut response = Response::new(body);
    Body::publish_handle(&mut response, &Ledger::new());
    let handle = response.extensions().get::<WriterHandle>().unwrap().clone();
    (handle, response.into_body())
}

#[tokio::test]
async fn each_piece_is_there_before_the_next_is_written() {
    let gate = Gate::new();
    let at = gate.clone();
    let mut body = Body::writer(move |writer| {
        (0..10).try_for_each(|number| {
            at.wait();
            write!(writer, "{number}")
        })
    });
    for number in 0..10 {
        gate.let_through(1);
        assert_eq!(next(&mut body).await.unwrap().unwrap(), number.to_string());
        assert_eq!(gate.passed(), number + 1);
    }
    assert!(next(&mut body).await.is_none(), "a clean end");
}

#[tokio::test]
async fn a_slow_client_holds_the_writer_at_its_window() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = written.clone();
    let (handle, mut body) = handle(Body::writer(move |writer| {
        for _ in 0..1000 {
            writer.write_all(&[b'x'; 100])?;
            count.fetch_add(100, Ordering::SeqCst);
        }
        Ok(())
    }));
    handle.window(1050);
    // The first poll starts the writer.
    let mut received = next(&mut body).await.unwrap().unwrap().len();
    assert!(handle.is_started());
    for _ in 0..5 {
        // The writer fills the window, and the part of a write that did not fit waits.
        let most = || (received + 1050) / 100 * 100;
        eventually("the window is full", || {
            written.load(Ordering::SeqCst) == most()
        })
        .await;
        let piece = next(&mut body).await.unwrap().unwrap().len();
        assert!(piece <= 1050);
        received += piece;
    }
    received += body.collect().await.unwrap().to_bytes().len();
    assert_eq!(received, 100_000);
}

#[tokio::test]
async fn writes_fail_once_the_client_is_gone_even_waiting_ones() {
    for waits in [true, false] {
        let gate = Gate::new();
        let at = gate.clone();
        let (said, says) = mpsc::channel();
        let (handle, mut body) = handle(Body::writer(move |writer| {
            writer.write_all(b"first")?;
            at.wait();
            let kind = |result: io::Result<()>| result.map_err(|error| error.kind());
            let full = kind(writer.write_all(&[0; 1000]));
            said.send([full, kind(writer.send("more")), kind(writer.flush())])
                .unwrap();
            Ok(())
        }));
        handle.window(100);
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "first");
        if waits {
            gate.open();
            let piece = next(&mut body).await.unwrap().unwrap();
            assert!(piece.len() <= 100);
        }
        drop(body);
        gate.open();
        let broken = Err(io::ErrorKind::BrokenPipe);
        #[expect(
            clippy::disallowed_methods,
            reason = "what the writer says is waited for"
        )]
        let said = tokio::task::spawn_blocking(move || says.recv().unwrap())
            .await
            .unwrap();
        assert_eq!(said, [broken, broken, broken]);
    }
}

#[tokio::test]
async fn an_error_or_a_panic_breaks_the_body_off() {
    let failing: [fn(&mut BodyWriter) -> io::Result<()>; 2] = [
        |_| Err(io::Error::other("as scripted")),
        |_| std::panic::resume_unwind(Box::new("as scripted")),
    ];
    for fail in failing {
        let mut body = Body::writer(move |writer| {
            writer.write_all(b"first")?;
            fail(writer)
        });
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "first");
        assert!(next(&mut body).await.unwrap().is_err(), "no clean end");
        assert!(next(&mut body).await.is_none(), "once is enough");
    }
}

#[tokio::test]
async fn a_length_that_was_announced_is_kept_or_the_body_breaks_off() {
    for (length, pieces, ends) in [
        (6, vec!["abc", "def"], "whole"),
        (6, vec!["abcdef"], "whole"),
        (
            7,
            vec!["abc", "def"],
            "shorter than was announced, by 1 bytes",
        ),
        (5, vec!["abc", "def"], "longer than was announced"),
        (6, vec!["abc", "def", "g"], "longer than was announced"),
        (6, vec!["abc", "def", "!"], "as scripted"),
        (1, vec![], "shorter than was announced, by 1 bytes"),
    ] {
        let sent = pieces.clone();
        let mut body = Body::writer_of_length(length, move |writer| {
            sent.iter().try_for_each(|piece| match *piece {
                "!" => Err(io::Error::other("as scripted")),
                piece => writer.send(piece),
            })
        });
        let mut received = 0;
        let end = loop {
            assert_eq!(
                body.size_hint().exact(),
                Some(length - received),
                "{pieces:?}"
            );
            match next(&mut body).await {
                Some(Ok(piece)) => received += piece.len() as u64,
                Some(Err(error)) => break error.to_string(),
                None => break "whole".to_owned(),
            }
        };
        assert!(end.contains(ends), "{length} {pieces:?}: {end}");
        assert_eq!(
            received == length,
            end == "whole",
            "{length} {pieces:?}: nobody may take {received} for all"
        );
        assert!(body.is_end_stream() && next(&mut body).await.is_none());
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_whatever_the_writer_returns() {
    let (given_up, is_given_up) = tokio::sync::oneshot::channel();
    let (handle, mut body) = handle(Body::writer(move |writer| {
        writer.write_all(&[0; 10])?;
        let error = writer
            .write_all(b"more than there is room for")
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let _ = given_up.send(());
        Ok(())
    }));
    handle.window(10);
    handle.stall(Duration::from_millis(250));
    // The first poll starts the writer.
    assert_eq!(next(&mut body).await.unwrap().unwrap().len(), 10);
    is_given_up.await.unwrap();
    assert_eq!(
        next(&mut body).await.unwrap().unwrap().len(),
        10,
        "what there was room for"
    );
    assert!(
        next(&mut body)
            .await
            .unwrap()
            .unwrap_err()
            .to_string()
            .contains("took nothing")
    );
    assert!(next(&mut body).await.is_none());
}

/// The abandoned writer was waiting for room, so it has written no more by then.
#[tokio::test]
async fn a_writer_is_never_ahead_of_its_window() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = written.clone();
    let (given_up, is_given_up) = tokio::sync::oneshot::channel();
    let (handle, mut body) = handle(Body::writer(move |writer| {
        let error = loop {
            match writer.write(&[b'x'; 100]) {
                Ok(len) => count.fetch_add(len, Ordering::SeqCst),
                Err(error) => break error,
            };
        };
        let _ = given_up.send(());
        Err(error)
    }));
    handle.window(1050);
    handle.stall(Duration::from_millis(250));
    let received = next(&mut body).await.unwrap().unwrap().len();
    is_given_up.await.unwrap();
    assert_eq!(written.load(Ordering::SeqCst), received + 1050);
}

#[tokio::test]
async fn an_iterator_is_read_a_window_ahead_and_not_further() {
    let yielded = Arc::new(AtomicUsize::new(0));
    let count = yielded.clone();
    let (handle, mut body) = handle(Body::iter((0..100_u8).map(move |number| {
        count.fetch_add(1, Ordering::SeqCst);
        if number == 50 {
            Err("in the middle")
        } else {
            Ok(vec![number; 10])
        }
    })));
    handle.window(30);
    assert_eq!(next(&mut body).await.unwrap().unwrap(), [0; 10].as_slice());
    // The bytes in the window, and the byte that waits for room.
    eventually("the window is full", || yielded.load(Ordering::SeqCst) == 5).await;
    for number in 1..50 {
        assert_eq!(
            next(&mut body).await.unwrap().unwrap(),
            [number; 10].as_slice()
        );
    }
    assert!(
        next(&mut body)
            .await
            .unwrap()
            .unwrap_err()
            .to_string()
            .contains("in the middle")
    );
    let texts = Body::iter([String::from("many "), String::new(), String::from("kinds")]);
    assert_eq!(texts.collect().await.unwrap().to_bytes(), "many kinds");
}

#[tokio::test]
async fn pieces_keep_their_order() {
    let body = Body::writer(|writer| {
        for number in 0..200 {
            write!(writer, "{number},")?;
            writer.send(format!("[{number}]"))?;
        }
        Ok(())
    });
    let expected: String = (0..200)
        .map(|number| format!("{number},[{number}]"))
        .collect();
    assert_eq!(body.collect().await.unwrap().to_bytes(), expected);
}

#[test]
fn outside_a_runtime_it_fails_and_does_not_block() {
    let mut body = std::pin::pin!(Body::writer(|_| panic!("started")));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = http_body::Body::poll_frame(body.as_mut(), &mut cx);
    assert!(matches!(polled, std::task::Poll::Ready(Some(Err(_)))));
}
