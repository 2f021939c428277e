use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::subscribe_thread;

struct Count(Arc<AtomicUsize>);

impl tracing::Subscriber for Count {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, SeqCst);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

fn log() {
    tracing::info!("a log statement");
}

#[test]
fn a_thread_without_a_subscriber_takes_no_event_from_another() {
    let events = Arc::<AtomicUsize>::default();
    let guard = subscribe_thread(Count(Arc::clone(&events)));
    std::thread::spawn(log).join().unwrap();
    log();
    assert_eq!(events.load(SeqCst), 1);
    drop(guard);
    log();
    assert_eq!(events.load(SeqCst), 1);
}
