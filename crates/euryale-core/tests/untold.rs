//! Errors that became responses.

use std::convert::Infallible;

use euryale_core::error::{APPLICATION, CONFLICT, LANE_FULL, UNAVAILABLE};
use euryale_core::{Error, Response};
use euryale_test::Log;

#[test]
fn an_error_that_no_layer_takes_is_logged_when_its_response_has_gone() {
    let log = Log::of_process();
    let response = Response::from(Error::with_source(APPLICATION, "no such table"));
    assert_eq!(log.lines(), [""; 0]);
    drop(response);
    let told = ["ERROR request failed: the publisher failed: no such table"];
    assert_eq!(log.lines(), told);

    // The code that takes the error logs it, and an overload is counted elsewhere.
    let conflict = Response::from(Error::new(CONFLICT));
    let taken = Error::raise(Ok::<_, Infallible>(conflict)).unwrap_err();
    assert_eq!(taken.code(), CONFLICT);
    drop(Response::from(Error::new(LANE_FULL)));
    assert_eq!(log.lines(), told);

    // Other code has replaced the answer: that answer stays, and the error is logged.
    let mut calm = Response::from(Error::new(UNAVAILABLE));
    *calm.status_mut() = http::StatusCode::OK;
    assert!(Error::raise(Ok::<_, Infallible>(calm)).is_ok());
    assert_eq!(
        log.lines()[1..],
        ["ERROR request failed: the database is unavailable"]
    );
}
