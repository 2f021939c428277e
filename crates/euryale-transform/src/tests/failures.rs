//! Tests of each kind of transform with each fault (error, panic, hang), critical or not.

use std::time::Duration;

use euryale_test::{Gate, eventually};
use http::StatusCode;

use super::*;
use crate::{TRANSFORM_FAILED, TransformBook};

const SOURCE: &str = "<p>hello</p><p>again</p>";

#[derive(Clone, Copy, Debug)]
enum Fault {
    Error,
    Panic,
}

impl Fault {
    fn happen(self) -> Result<(), BoxError> {
        match self {
            Self::Error => Err("as scripted".into()),
            Self::Panic => std::panic::resume_unwind(Box::new("as scripted")),
        }
    }
}

/// Returns layers that fail with this fault at each point of a transform.
fn failing(fault: Fault, critical: bool) -> Vec<(&'static str, TransformChainLayer)> {
    fn mark<F>(named: Named<F>, critical: bool) -> Named<F> {
        if critical { named.critical() } else { named }
    }
    let head = named("fails", 5, move |head: &mut response::Parts| {
        head.headers
            .insert("half", HeaderValue::from_static("done"));
        fault.happen()
    });
    let begin = named("fails", 5, move |_: &Page, handlers: &mut Handlers| {
        handlers.element(&selector("p"), |p| {
            p.remove();
            Ok(())
        });
        fault.happen()
    });
    let element = named("fails", 5, move |_: &Page, handlers: &mut Handlers| {
        handlers.element(&selector("p"), move |_| fault.happen());
        Ok(())
    });
    let words = named("fails", 5, move |_: &Page, handlers: &mut Handlers| {
        handlers.text(&selector("p"), move |_| fault.happen());
        Ok(())
    });
    let end_tag = named("fails", 5, move |_: &Page, handlers: &mut Handlers| {
        handlers.element(&selector("p"), move |p| {
            p.on_end_tag(move |_| fault.happen());
            Ok(())
        });
        Ok(())
    });
    let end = named("fails", 5, move |_: &Page, handlers: &mut Handlers| {
        handlers.end(move |_| fault.happen());
        Ok(())
    });
    let whole = named("fails", 5, move |_, page| {
        Box::pin(async move {
            tokio::task::yield_now().await;
            fault.happen().map(|()| page)
        }) as Made
    });
    let cpu = named("fails", 5, move |cpu: BlockingLane, page| {
        Box::pin(async move {
            cpu.run(move || fault.happen()).await??;
            Ok(page)
        }) as Made
    });
    let layer = TransformChainLayer::new;
    vec![
        ("head", layer().edit_head(mark(head, critical))),
        ("begin", layer().rewrite(mark(begin, critical))),
        ("element", layer().rewrite(mark(element, critical))),
        ("text", layer().rewrite(mark(words, critical))),
        ("end tag", layer().rewrite(mark(end_tag, critical))),
        ("end", layer().rewrite(mark(end, critical))),
        ("whole", layer().transform_page(mark(whole, critical))),
        ("cpu", layer().transform_page(mark(cpu, critical))),
    ]
}

#[tokio::test]
async fn a_page_is_sent_without_a_failed_transform() {
    for fault in [Fault::Error, Fault::Panic] {
        for (place, layer) in failing(fault, false) {
            for budget in [Duration::ZERO, Duration::from_secs(1)] {
                let ledger = Ledger::new();
                let layer = layer
                    .clone()
                    .budget(budget)
                    .rewrite(appends("before", 1, "!"))
                    .rewrite(appends("after", 6, "?"))
                    .transform_page(ends_with("last", 7, "<hr>"))
                    .ledger(ledger.clone());
                let response = get(layer, || page(SOURCE)).await;
                assert_eq!(response.status(), StatusCode::OK, "{place} {fault:?}");
                assert!(!response.headers().contains_key("half"));
                assert_eq!(
                    text(response).await,
                    "<p>hello!?</p><p>again!?</p><hr>",
                    "{place} {fault:?}"
                );
                let failures = |name| ledger.of::<TransformBook>().by_name.of(name).failures.get();
                assert_eq!(
                    (failures("fails"), failures("before"), failures("after")),
                    (1, 0, 0),
                    "{place}"
                );
                assert_quiet(&ledger).await;
            }
        }
    }
}

#[tokio::test]
async fn a_page_is_not_sent_without_a_critical_transform() {
    for fault in [Fault::Error, Fault::Panic] {
        for (place, layer) in failing(fault, true) {
            let ledger = Ledger::new();
            let layer = layer
                .rewrite(appends("before", 1, "!"))
                .ledger(ledger.clone());
            let response = get(layer.clone(), || page(SOURCE)).await;
            assert_eq!(
                response.status(),
                StatusCode::INTERNAL_SERVER_ERROR,
                "{place} {fault:?}"
            );
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert_eq!(response.extensions().get(), Some(&TRANSFORM_FAILED));
            assert!(!text(response).await.contains("hello"));
            let own = layer.failed(|page| with(page.request().uri.to_string(), &[]));
            assert_eq!(text(get(own, || page(SOURCE)).await).await, "/");
            assert_eq!(
                ledger
                    .of::<TransformBook>()
                    .by_name
                    .of("fails")
                    .failures
                    .get(),
                2
            );
            assert_quiet(&ledger).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_transform_ends_at_the_deadline() {
    for critical in [false, true] {
        let never = named("never", 1, |_, _| Box::pin(std::future::pending()) as Made);
        let never = if critical { never.critical() } else { never };
        let ledger = Ledger::new();
        let layer = TransformChainLayer::new()
            .transform_page(never)
            .ledger(ledger.clone());
        let response = get(layer, || page(SOURCE)).await;
        assert_eq!(response.status().is_success(), !critical);
        assert_eq!(text(response).await == SOURCE, !critical);
        assert_eq!(
            ledger
                .of::<TransformBook>()
                .by_name
                .of("never")
                .failures
                .get(),
            1
        );
        assert_quiet(&ledger).await;
    }
}

#[tokio::test]
async fn a_handler_that_never_returns_costs_a_thread_and_not_the_page() {
    let gate = Gate::new();
    let ledger = Ledger::new();
    let theirs = gate.clone();
    let stuck = named("stuck", 1, move |_: &Page, handlers: &mut Handlers| {
        let gate = theirs.clone();
        handlers.element(&selector("p"), move |_| {
            gate.wait();
            Ok(())
        });
        Ok(())
    });
    // The first page of a chain is parsed on a CPU thread, whatever the budget is.
    let layer = TransformChainLayer::new()
        .rewrite(stuck)
        .deadline(Duration::from_millis(20))
        .threads(1)
        .max_queue(0)
        .ledger(ledger.clone());
    let service = around(layer, |_| page(SOURCE));
    let ask = || async {
        text(
            service
                .clone()
                .oneshot(http::Request::new(()))
                .await
                .unwrap(),
        )
        .await
    };
    assert_eq!(ask().await, SOURCE);
    assert_eq!(
        ledger
            .of::<TransformBook>()
            .by_name
            .of("stuck")
            .failures
            .get(),
        1
    );
    assert_eq!(ask().await, SOURCE, "and none is free for the next one");
    assert_eq!(
        ledger
            .of::<TransformBook>()
            .by_name
            .of("stuck")
            .failures
            .get(),
        2
    );
    assert_eq!(ledger.lanes.of("transforms").running.get(), 1);
    gate.open();
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_panic_while_asking_whether_it_applies_is_a_failure() {
    struct Asked(bool);
    impl Transform for Asked {
        fn name(&self) -> &str {
            "asked"
        }

        fn order(&self) -> i32 {
            1
        }

        fn is_critical(&self) -> bool {
            self.0
        }

        fn applies(&self, _page: &Page, _response: &response::Parts) -> bool {
            std::panic::resume_unwind(Box::new("as scripted"))
        }
    }
    impl EditHead for Asked {
        fn edit_head(&self, _page: &Page, _response: &mut response::Parts) -> Result<(), BoxError> {
            Ok(())
        }
    }
    for critical in [false, true] {
        let response = get(
            TransformChainLayer::new().edit_head(Asked(critical)),
            || page(SOURCE),
        )
        .await;
        assert_eq!(response.status().is_server_error(), critical);
    }
}

#[tokio::test]
async fn a_page_beyond_the_limit_is_sent_unchanged() {
    for (critical, status) in [
        (false, StatusCode::OK),
        (true, StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let whole = ends_with("whole", 1, "!");
        let whole = if critical { whole.critical() } else { whole };
        let layer = TransformChainLayer::new()
            .transform_page(whole)
            .body_limit(SOURCE.len() - 1);
        let streamed = || page(Body::iter([Ok::<_, std::io::Error>(SOURCE), Ok("<p>")]));
        for (answer, expected) in [
            (
                Box::new(|| page(SOURCE)) as Box<dyn Fn() -> Response + Send + Sync>,
                SOURCE.to_owned(),
            ),
            (Box::new(streamed), format!("{SOURCE}<p>")),
        ] {
            let answer = Arc::new(answer);
            let response = get(layer.clone(), move || answer()).await;
            assert_eq!(response.status(), status);
            assert!(critical || text(response).await == expected);
        }
    }
}

#[tokio::test]
async fn a_page_whose_source_breaks_off_breaks_off() {
    let broken = || {
        let chunks = [Ok(SOURCE), Err(std::io::Error::other("as scripted"))];
        page(Body::iter(chunks))
    };
    let nothing = || {
        named("rewrite", 1, |_: &Page, handlers: &mut Handlers| {
            handlers.element(&selector("i"), |_| Ok(()));
            Ok(())
        })
    };
    let whole = || ends_with("whole", 1, "!");
    let layer = TransformChainLayer::new;
    for (layer, critical) in [
        (layer().rewrite(nothing()), false),
        (layer().transform_page(whole()), false),
        (layer().rewrite(nothing().critical()), true),
        (layer().transform_page(whole().critical()), true),
    ] {
        let ledger = Ledger::new();
        let response = get(layer.ledger(ledger.clone()), broken).await;
        assert_eq!(
            response.status().is_server_error(),
            critical,
            "no part of it without a critical transform"
        );
        assert_eq!(response.into_body().collect().await.is_err(), !critical);
        assert_quiet(&ledger).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_leaves_nothing_behind() {
    let gate = Gate::new();
    let ledger = Ledger::new();
    let theirs = gate.clone();
    let slow = named("slow", 1, move |cpu: BlockingLane, page| {
        let gate = theirs.clone();
        Box::pin(async move {
            cpu.run(move || gate.wait()).await?;
            Ok(page)
        }) as Made
    });
    let layer = TransformChainLayer::new()
        .transform_page(slow)
        .threads(1)
        .ledger(ledger.clone());
    let service = around(layer, |_| page(SOURCE));
    let tasks: Vec<_> = (0..3)
        .map(|_| tokio::spawn(service.clone().oneshot(http::Request::new(()))))
        .collect();
    eventually("one runs", || gate.waiting() == 1).await;
    assert_eq!(ledger.of::<TransformBook>().running.get(), 3);
    for task in tasks {
        task.abort();
        assert!(task.await.is_err());
    }
    assert_eq!(
        ledger.of::<TransformBook>().running.get(),
        0,
        "what runs is no page any more"
    );
    gate.open();
    assert_quiet(&ledger).await;
    assert_eq!(gate.passed(), 1, "those that waited never ran");
}

#[tokio::test]
async fn hostile_pages_are_bounded() {
    let count = named("count", 1, |_: &Page, handlers: &mut Handlers| {
        handlers.element(&selector("b b b i"), |i| Ok(i.set_attribute("deep", "")?));
        Ok(())
    });
    let layer = TransformChainLayer::new()
        .rewrite(count)
        .rewrite(appends("p", 2, "!"));
    let nested = "<b>".repeat(1_000_000);
    let endless = format!("<p>a</p><a href=\"{}", "x".repeat(3 << 20));
    let attributes = format!("<p {}>a</p>", "a=b ".repeat(500_000));
    let entities = format!("<p>{}</p>", "&amp;&lol;&#x41;".repeat(100_000));
    let comment = format!("<p>a</p><!--{}", "-".repeat(2 << 20));
    for hostile in [nested, endless, attributes, entities, comment] {
        let ledger = Ledger::new();
        let layer = layer.clone().ledger(ledger.clone());
        let source = hostile.clone();
        let response = get(layer, move || page(source.clone())).await;
        let sent = text(response).await;
        assert_eq!(
            sent.replace('!', ""),
            hostile.replace('!', ""),
            "all of it arrives"
        );
        assert_quiet(&ledger).await;
    }
}
