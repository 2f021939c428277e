//! A stack that may want more threads than there are says so. In a program of its own: the
//! subscriber is the process's.

use euryale::transform::TransformChainLayer;
use euryale::{BlockingThreads, Body, Pool, Response, Stack};
use euryale_test::{CountingDatabase, Log};

#[test]
fn more_threads_than_there_are_is_said_when_a_stack_is_built() {
    let log = Log::of_process();
    let said_with = |connections: usize, threads: Option<BlockingThreads>, transforms: bool| {
        let before = log.lines().len();
        let stack = Stack::new(Pool::new(CountingDatabase::new(), connections));
        let stack = if transforms {
            stack.transforms(TransformChainLayer::new())
        } else {
            stack
        };
        let stack = match &threads {
            Some(threads) => stack.blocking_threads(threads),
            None => stack,
        };
        drop(stack.publish(|_, _| Ok(Response::new(Body::empty()))));
        log.lines()[before..]
            .join(" ")
            .contains("more blocking threads than its runtime has")
    };
    let said = |connections, threads| said_with(connections, threads, false);
    // And 32 that read files, 4 that write request bodies, 8 for promises, 128 for deferred
    // responses, 64 for writers.
    assert!(!said(164, None) && said(165, None));
    let threads = BlockingThreads::new().publishers(1000);
    assert!(!said(1000, Some(threads.cpu(0))) && said(1001, Some(threads.cpu(0))));
    // The threads that transform pages count by default.
    assert!(!said_with(1000, Some(threads), true) && said_with(1001, Some(threads), true));
}
