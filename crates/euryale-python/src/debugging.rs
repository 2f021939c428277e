//! Tracebacks in the browser and profiles, for development on one's own machine.

use euryale::Response;
use euryale_server::Listener;
use euryale_wsgi::Settings;
use http::StatusCode;
use pyo3::prelude::*;

use crate::answers::plain;
use crate::statics::existing;

/// Refuses a setting `profile` that names no folder, and the setting `debug` where others than this
/// machine may connect.
///
/// # Errors
/// A message of one line that names the setting.
pub(crate) fn check(settings: &Settings, listeners: &[Listener]) -> Result<(), String> {
    if let Some(folder) = &settings.profile {
        existing(folder).map_err(|what| format!("profile: {what}"))?;
    }
    if !settings.debug {
        return Ok(());
    }
    let is_local = |listener: &Listener| {
        let address = listener.local_addr();
        address.is_ok_and(|address| address.ip().is_loopback())
    };
    if !listeners.iter().all(is_local) {
        let elsewhere = "debug shows tracebacks, and needs listeners at 127.0.0.1 or ::1 only";
        return Err(elsewhere.into());
    }
    if settings.trusted_proxy.is_some() || settings.proxy_protocol.is_some() {
        let proxied = "debug shows tracebacks, and does not work with trusted_proxy or \
            proxy_protocol";
        return Err(proxied.into());
    }
    Ok(())
}

/// Returns the error page with the traceback of an exception, as text.
pub(crate) fn page(py: Python<'_>, error: &PyErr) -> PyResult<Response> {
    let exception = error.clone_ref(py).into_value(py);
    let lines = py.import("traceback")?;
    let lines: Vec<String> = lines
        .call_method1("format_exception", (exception,))?
        .extract()?;
    Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, lines.concat()))
}
