use std::future::{Future, pending, poll_fn, ready};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::block_on;
use crate::error::ELAPSED;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_future_is_awaited_only_until_its_limit() {
    assert_eq!(block_on(LONG, ready(7)).unwrap(), 7);
    assert_eq!(
        block_on(Duration::ZERO, ready(7)).unwrap(),
        7,
        "it was ready"
    );
    let began = Instant::now();
    assert_eq!(
        block_on(SHORT, pending::<()>()).unwrap_err().code(),
        ELAPSED
    );
    assert!((SHORT..LONG).contains(&began.elapsed()));
    // A future that always wakes its task, and is never ready.
    let busy = poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    });
    assert_eq!(block_on(SHORT, busy).unwrap_err().code(), ELAPSED);
}

#[test]
fn a_nested_wait_does_not_lose_the_wake_up_of_the_outer_one() {
    let (send, receive) = tokio::sync::oneshot::channel();
    let mut send = Some(send);
    let mut receive = Box::pin(receive);
    let both = poll_fn(|cx| {
        let outer = receive.as_mut().poll(cx);
        if let Some(send) = send.take() {
            // The outer wait is woken while the inner one waits, which consumes the thread's unpark
            // token.
            let _ = send.send(7);
            assert!(block_on(SHORT, pending::<()>()).is_err());
        }
        outer
    });
    assert_eq!(block_on(LONG, both).unwrap().unwrap(), 7);
}

#[tokio::test]
async fn the_runtime_drives_what_a_worker_waits_for() {
    #[expect(clippy::disallowed_methods, reason = "it stands for a worker")]
    let waited = tokio::task::spawn_blocking(|| {
        let text = String::from("borrowed");
        block_on(LONG, async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            tokio::spawn(async {}).await.unwrap();
            text.len()
        })
    });
    assert_eq!(waited.await.unwrap().unwrap(), 8);
}
