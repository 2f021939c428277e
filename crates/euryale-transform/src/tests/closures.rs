use http::StatusCode;
use http::header::ETAG;

use super::*;
use crate::{head_fn, order, page_fn, rewrite_fn};

fn tagged() -> Response {
    with(
        "<p>hello</p>",
        &[("content-type", "text/html"), ("etag", "\"a\"")],
    )
}

#[tokio::test]
async fn closures_are_transforms_of_three_kinds() {
    let ledger = Ledger::new();
    let doubled = page_fn("doubled", order::CONTENT, |page| Ok(page.repeat(2)));
    let marked = rewrite_fn("marked", order::PAGE, selector("p"), |p| {
        p.append("!", ContentType::Text);
        Ok(())
    });
    let signed = head_fn("signed", order::HEADERS, |page, head| {
        let path = HeaderValue::from_str(page.request().uri.path())?;
        head.headers.insert("signed", path);
        Ok(())
    });
    let chain = TransformChainLayer::new()
        .edit_head(signed)
        .rewrite(marked.version("1"))
        .transform_page(doubled.version("1"))
        .ledger(ledger.clone());
    let response = get(chain, tagged).await;
    assert_eq!(response.headers()["signed"], "/");
    assert!(response.headers().contains_key(ETAG));
    assert_eq!(text(response).await, "<p>hello!</p><p>hello!</p>");
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_closure_without_a_version_costs_the_page_its_tag() {
    let same = || page_fn("same", order::CONTENT, Ok);
    for (transform, has_tag) in [(same(), false), (same().version("1"), true)] {
        let chain = TransformChainLayer::new().transform_page(transform);
        let response = get(chain, tagged).await;
        assert_eq!(response.headers().contains_key(ETAG), has_tag);
    }
}

#[tokio::test]
async fn a_closure_of_pages_runs_on_a_thread_that_may_compute() {
    let asking = std::thread::current().id();
    let elsewhere = page_fn("elsewhere", order::CONTENT, move |_| {
        Ok((std::thread::current().id() != asking).to_string())
    });
    let chain = TransformChainLayer::new().transform_page(elsewhere);
    assert_eq!(text(get(chain, tagged).await).await, "true");
}

#[tokio::test]
async fn a_closure_that_fails_is_skipped_unless_it_is_critical() {
    let fails = || page_fn("fails", order::CONTENT, |_| Err("as scripted".into()));
    let chain = TransformChainLayer::new().transform_page(fails());
    assert_eq!(text(get(chain, tagged).await).await, "<p>hello</p>");
    let chain = TransformChainLayer::new().transform_page(fails().critical());
    let response = get(chain, tagged).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_closure_is_called_only_for_selected_responses() {
    let only_errors = rewrite_fn("only-errors", order::PAGE, selector("p"), |p| {
        p.remove();
        Ok(())
    });
    let only_errors = only_errors.when(|_, head| head.status.is_client_error());
    let chain = TransformChainLayer::new().rewrite(only_errors);
    assert_eq!(text(get(chain.clone(), tagged).await).await, "<p>hello</p>");
    let missing = || {
        let mut response = tagged();
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    };
    assert_eq!(text(get(chain, missing).await).await, "");
}
