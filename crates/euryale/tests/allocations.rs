//! A request costs a bounded number of allocations in all layers together. In a program of its own:
//! the allocator is the process's.

#[path = "../benches/onion/counted.rs"]
mod counted;
#[path = "../benches/onion/mod.rs"]
#[expect(dead_code, reason = "the benchmark of each layer uses the rest")]
mod onion;

use tower::ServiceExt;

use self::counted::counted;

/// Of `forwarded`, `virtual host`, transforms and the stack, around a claim and a publisher.
const MOST: f64 = 20.0;

/// A worker that starts or ends is not the layers', so the least of several rounds counts.
const ROUNDS: usize = 3;

#[tokio::test]
async fn all_layers_together_allocate_no_more_than_they_did() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let claimed = onion::claimed();
    let whole = onion::whole();
    let within = || async { drop(claimed.clone().oneshot(onion::request()).await) };
    let around = || async { drop(whole.clone().oneshot(onion::request()).await) };
    let mut inner = f64::INFINITY;
    let mut all = f64::INFINITY;
    for _ in 0..ROUNDS {
        inner = inner.min(counted(within).await.0);
        all = all.min(counted(around).await.0);
    }
    let layers = all - inner;
    println!("{layers:.2} allocations in the layers, {all:.2} with claim and publisher");
    // The layers are there, and something is counted.
    assert!(inner > 1.0 && layers > 1.0, "{all} - {inner}");
    assert!(
        layers.round() <= MOST,
        "{layers:.2} allocations in the layers"
    );
}
