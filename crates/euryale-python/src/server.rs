//! The class that the Python code uses.

mod bind;
mod start;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use euryale::body::Descriptors;
use euryale::{Ledger, Pool};
use euryale_admin::Console;
use euryale_server::{Readiness, Shutdown, Tls};
use euryale_wsgi::Settings;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use tokio::runtime::{Handle, Runtime};

use self::start::Unstarted;
use crate::again::OwnDatabase;
use crate::at_work::RunningCall;
use crate::certificates;
use crate::environ::Address;
use crate::front::End;
use crate::lane::Lanes;
use crate::log;
use crate::main_thread::{MainThread, Order};
use crate::operators::Loaded;
use crate::overrun::Overrun;
use crate::pulse::Pulse;
use crate::stacks::Stacks;
use crate::workers::Threads;

/// The time for the runtime's threads to finish at the end.
pub(crate) const LAST_GRACE: Duration = Duration::from_millis(250);

/// A server. Its sockets are bound when it is created, and it is ready when it is started.
#[pyclass(frozen, module = "euryale._euryale")]
pub(crate) struct Server {
    settings: Settings,
    /// Whether its parent has bound its sockets.
    #[pyo3(get)]
    is_child: bool,
    /// Whether the application is imported.
    is_started: Arc<AtomicBool>,
    /// The main thread's end of the socket, for `socket.socket(fileno=…)`.
    #[pyo3(get)]
    fd: i32,
    /// The addresses that the server serves, as text.
    #[pyo3(get)]
    addresses: Vec<String>,
    access: bool,
    address: Address,
    unstarted: Mutex<Option<Unstarted>>,
    runtime: Mutex<Option<Runtime>>,
    ledger: Ledger,
    descriptors: Descriptors,
    shutdown: Shutdown,
    main: MainThread,
    threads: Threads,
    lanes: Lanes,
    pulse: Pulse,
    overrun: Overrun,
    stacks: Stacks,
    loaded: Loaded,
    console: Mutex<Option<Console>>,
    readiness: Readiness,
    tls: Option<Tls>,
    end: Arc<End>,
    stop_log: Mutex<Option<Sender<()>>>,
    log_stopped: Receiver<()>,
}

#[pymethods]
impl Server {
    /// Reads the settings, binds the sockets, and answers operators. With `inherits`, sockets from
    /// systemd replace the addresses of the settings.
    #[new]
    #[pyo3(signature = (
        settings, *, log_level = 20, access = false, inherits = false, is_hurried = false
    ))]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 makes it of a dict")]
    fn new(
        py: Python<'_>,
        settings: HashMap<String, String>,
        log_level: u8,
        access: bool,
        inherits: bool,
        is_hurried: bool,
    ) -> PyResult<Self> {
        // Names are resolved and files are read, which may take long.
        py.detach(|| Self::bind(&settings, log_level, access, inherits, is_hurried))
    }

    /// Returns the descriptor for `signal.set_wakeup_fd`.
    #[getter]
    fn wakeup_fd(&self) -> i32 {
        self.main.wakeup_fd()
    }

    /// The folder for profiles of calls.
    #[getter]
    fn profile(&self) -> Option<PathBuf> {
        self.settings.profile.clone()
    }

    /// Whether it has certificates.
    #[getter]
    fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Requests the worker threads and begins to serve. With `owns_process` it takes over SIGTERM,
    /// SIGINT and SIGHUP, and ends the process if the interpreter cannot end it.
    #[pyo3(signature = (app, *, owns_process = true))]
    fn start(&self, py: Python<'_>, app: Py<PyAny>, owns_process: bool) -> PyResult<()> {
        self.start_front(py, app, owns_process)
    }

    /// Runs requests on this thread, until the server ends or wants fewer threads.
    fn work(&self, py: Python<'_>, number: usize) {
        py.detach(|| self.threads.work(number));
    }

    /// Runs calls outside the workers on this thread, until it has been idle for a while or the
    /// server ends.
    fn work_in_lane(&self, py: Python<'_>, number: usize) {
        py.detach(|| self.lanes.calls.work(number));
    }

    /// The same for streams.
    fn work_in_stream_lane(&self, py: Python<'_>, number: usize) {
        py.detach(|| self.lanes.streams.work(number));
    }

    /// Changes the number of threads and the bounds of the queue, and reads the certificates again.
    /// All other settings need a restart; returns `False` if one of them has changed.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 makes it of a dict")]
    fn reload(&self, py: Python<'_>, settings: HashMap<String, String>) -> PyResult<bool> {
        let new = read(&settings)?;
        let certificates = py.detach(|| certificates::read(&new));
        let certificates = certificates.map_err(PyValueError::new_err)?;
        if let (Some(tls), Some(certificates)) = (&self.tls, certificates) {
            tls.replace(certificates);
        }
        log::restore_filter();
        self.change(py, |pool| {
            pool.resize(new.threads);
            pool.restrict(new.max_queue, new.max_wait);
        })?;
        let mut rest = new;
        rest.threads = self.settings.threads;
        rest.max_queue = self.settings.max_queue;
        rest.max_wait = self.settings.max_wait;
        rest.max_sockets = self.settings.max_sockets;
        if self.tls.is_some() && rest.tls_cert.is_some() {
            rest.tls_cert.clone_from(&self.settings.tls_cert);
            rest.tls_key.clone_from(&self.settings.tls_key);
        }
        Ok(rest == self.settings)
    }

    /// Stops accepting requests and finishes those that have begun, like SIGINT. The caller is
    /// waiting, so there is no lame duck.
    fn drain(&self) {
        self.shutdown.drain_at_once();
    }

    /// Returns what the main thread is to do next.
    fn next_order(&self) -> Option<Order> {
        self.main.next_order()
    }

    /// Records that the main thread has carried out this order once.
    fn carried_out(&self, order: Order) {
        self.main.carried_out(order);
    }

    /// The main thread runs Python code.
    fn answer(&self) {
        self.pulse.answer();
    }

    /// Returns the calls that have run for too long, each once: the name of its thread, a line
    /// about it, and its thread in the kernel.
    fn overdue(&self) -> Vec<(String, String, String)> {
        self.threads
            .at_work()
            .take_noticed()
            .iter()
            .map(described)
            .collect()
    }

    /// Returns all running calls, like `overdue`.
    fn calls(&self) -> Vec<(String, String, String)> {
        self.threads
            .at_work()
            .list()
            .iter()
            .map(described)
            .collect()
    }

    /// Returns the stacks of all running calls to the dump that asked for them.
    fn dump(&self, stacks: String) {
        self.stacks.answer(stacks);
    }

    /// Lets all threads end after their current jobs.
    fn dismiss(&self) {
        self.threads.dismiss();
        self.lanes.calls.end();
        self.lanes.streams.end();
    }

    /// Records that a requested thread for calls outside the workers could not be started.
    fn lose_lane_thread(&self) {
        self.lanes.calls.lose_thread();
    }

    /// The same for streams.
    fn lose_stream_thread(&self) {
        self.lanes.streams.lose_thread();
    }

    /// Records that a requested thread could not be started, so that the pool has no more workers
    /// than threads. If there is no thread at all, the server ends with status 3.
    fn lose_thread(&self, py: Python<'_>) -> PyResult<()> {
        match self.threads.lose_thread() {
            None => {}
            Some(0) => {
                tracing::error!("draining: there is no thread for any worker");
                self.end.cut();
                self.shutdown.drain_at_once();
                py.detach(|| self.threads.refuse());
            }
            Some(left) => self.change(py, |pool| pool.resize(left))?,
        }
        Ok(())
    }

    /// Waits for the next line of the log, and returns its level, its logger, and its text. Returns
    /// `None` if the log was stopped and no line is left.
    fn next_line(&self, py: Python<'_>) -> Option<log::Line> {
        py.detach(|| log::next(&self.log_stopped))
    }

    /// Makes `next_line` return the lines that are left, and then `None`.
    fn stop_log(&self) {
        drop(take(&self.stop_log));
    }

    /// Called when the threads are joined: from here on the interpreter ends the process. Returns
    /// the exit status: 0, or 3 if requests were cut.
    fn join(&self, py: Python<'_>) -> i32 {
        self.end.join();
        drop(take(&self.console));
        // A server that was never started closes its sockets here.
        drop(take(&self.unstarted));
        let runtime = take(&self.runtime);
        py.detach(|| {
            if let Some(runtime) = runtime {
                runtime.shutdown_timeout(LAST_GRACE);
            }
        });
        self.end.status()
    }

    /// Ends the process with status 3 unless the interpreter has ended before. Returns the number
    /// of seconds that it has: the rest of the drain's time, but at least 2 s.
    fn exit_soon(&self) -> PyResult<f64> {
        Ok(self.end.exit_soon()?.as_secs_f64())
    }
}

impl Server {
    /// Changes the pool, if there is one.
    fn change(
        &self,
        py: Python<'_>,
        change: impl FnOnce(&Pool<OwnDatabase>) + Send,
    ) -> PyResult<()> {
        let runtime = self.handle()?;
        if let Some(pool) = self.loaded.pool() {
            py.detach(|| {
                // The pool requests its workers on the runtime.
                let _entered = runtime.enter();
                change(pool);
            });
        }
        Ok(())
    }

    fn handle(&self) -> PyResult<Handle> {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = || PyRuntimeError::new_err("the server has ended");
        runtime
            .as_ref()
            .map(|runtime| runtime.handle().clone())
            .ok_or_else(ended)
    }
}

/// A call for Python: the name of its thread, a line about it, and its thread in the kernel.
fn described(call: &RunningCall) -> (String, String, String) {
    let native = call.native().unwrap_or_default();
    (call.thread.to_string(), call.to_string(), native)
}

pub(crate) fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Reads settings from text.
///
/// # Errors
/// A `ValueError` whose message is one line that names the setting.
pub(crate) fn read(settings: &HashMap<String, String>) -> PyResult<Settings> {
    // The pairs are sorted, so that the same one of two mistakes is reported each time.
    let mut pairs: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    pairs.sort_unstable();
    Settings::read(pairs).map_err(|error| PyValueError::new_err(error.to_string()))
}
