//! What a request allocates on its way through each layer alone, and through the whole stack, and
//! what a page does that is rewritten; dhat counts, in all threads.
//! `cargo bench -p euryale --bench allocations` prints the table.

#[path = "onion/counted.rs"]
mod counted;
mod onion;

use std::hint::black_box;

use tower::ServiceExt;

use self::counted::counted;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let profile = std::env::args().any(|argument| argument == "--profile");
    let _profiler = if profile {
        dhat::Profiler::new_heap()
    } else {
        dhat::Profiler::builder().testing().build()
    };
    println!("{:21} {:>12} {:>8}", "", "allocations", "bytes");
    let print =
        |name: &str, (blocks, bytes): (f64, f64)| println!("{name:21} {blocks:12.1} {bytes:8.0}");
    runtime.block_on(async {
        let (blocks, bytes) = alone(onion::bare()).await;
        print("bare", (blocks, bytes));
        let mut sum = (0.0, 0.0);
        for (name, layer) in onion::LAYERS {
            let with = alone(layer()).await;
            let cost = (with.0 - blocks, with.1 - bytes);
            sum = (sum.0 + cost.0, sum.1 + cost.1);
            print(name, cost);
        }
        print("their sum", sum);
        let pool = onion::pool();
        print(
            "pool",
            counted(|| async { drop(pool.run(|_connection| black_box(7)).await) }).await,
        );
        for (name, stack) in onion::STACKS {
            let stack = stack();
            let published =
                || async { drop(stack.clone().oneshot(black_box(onion::request())).await) };
            print(name, counted(published).await);
        }
        let claimed = onion::claimed(onion::pool());
        let whole = onion::whole(onion::pool());
        let (blocks, bytes) =
            counted(|| async { drop(claimed.clone().oneshot(onion::request()).await) }).await;
        print("claim and publisher", (blocks, bytes));
        let with = counted(|| async { drop(whole.clone().oneshot(onion::request()).await) }).await;
        print("the whole onion", with);
        print("its layers together", (with.0 - blocks, with.1 - bytes));
        print("a rewrite of 16 KiB", alone(onion::rewritten()).await);
    });
}

async fn alone(service: onion::Onion) -> (f64, f64) {
    counted(|| async { drop(service.clone().oneshot(black_box(onion::request())).await) }).await
}
