//! Servers that the harness must report as failed. Its own test runs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use http::StatusCode;

use super::{Case, Workload};

const ANSWER: &str = "hello";

pub(crate) const BROKEN: Workload = Workload {
    name: "broken",
    about: "Servers that must be reported as failed, beside one that must not.",
    answer: ANSWER,
    cases: &[
        Case { name: "sound", about: "answers as it should", by_default: true, router: sound },
        Case { name: "wrong-body", about: "answers fast, but wrong", by_default: true, router: wrong_body },
        Case { name: "error", about: "answers 500", by_default: true, router: error },
        Case {
            name: "error-under-load",
            about: "answers the first request, and 500 from then on",
            by_default: true,
            router: error_under_load,
        },
        Case { name: "silent", about: "hangs up without an answer", by_default: true, router: silent },
    ],
    bars: &[],
};

fn sound(_cap: usize) -> Router {
    Router::new().fallback(|| async { ANSWER })
}

fn wrong_body(_cap: usize) -> Router {
    Router::new().fallback(|| async { "hullo" })
}

fn error(_cap: usize) -> Router {
    Router::new().fallback(|| async { (StatusCode::INTERNAL_SERVER_ERROR, ANSWER) })
}

fn error_under_load(_cap: usize) -> Router {
    let requests = Arc::new(AtomicU64::new(0));
    Router::new().fallback(move || {
        let is_first = requests.fetch_add(1, Ordering::Relaxed) == 0;
        let status = if is_first { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
        async move { (status, ANSWER) }
    })
}

fn silent(_cap: usize) -> Router {
    // A panic of a handler ends its connection.
    Router::new().fallback(|| async {
        std::panic::resume_unwind(Box::new(()));
        #[expect(unreachable_code, reason = "the type of the answer")]
        ANSWER
    })
}
