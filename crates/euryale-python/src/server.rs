//! The class that the Python code uses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use euryale::body::Descriptors;
use euryale::forwarded::ForwardedLayer;
use euryale::{Ledger, Pool, StackLayers};
use euryale_server::{DescriptorLimit, DescriptorShares, Listener, Readiness, Shutdown, Tls};
use euryale_wsgi::{AnswerBudget, Limits, Settings};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use tokio::runtime::{Handle, Runtime};

use crate::again::OwnDatabase;
use crate::application::Application;
use crate::certificates;
use crate::environ::Address;
use crate::exit;
use crate::front::{self, End, Front};
use crate::lane::Lane;
use crate::listeners::Listeners;
use crate::log;
use crate::main_thread::MainThread;
use crate::operators::{Loaded, Operators};
use crate::overrun::Overrun;
use crate::pulse::Pulse;
use crate::turns::Sharing;
use crate::workers::Threads;

/// The time for the runtime's threads to finish at the end.
const LAST_GRACE: Duration = Duration::from_millis(250);

/// A server. Its sockets are bound when it is created, and it is ready when it is started.
#[pyclass(frozen, module = "euryale._euryale")]
pub(crate) struct Server {
    settings: Settings,
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
    lane: Lane,
    pulse: Pulse,
    overrun: Overrun,
    loaded: Loaded,
    readiness: Readiness,
    tls: Option<Tls>,
    end: Arc<End>,
    stop_log: Mutex<Option<Sender<()>>>,
    log_stopped: Receiver<()>,
}

/// The parts that `start` takes.
struct Unstarted {
    layers: StackLayers,
    server: euryale_server::Server,
    listeners: Vec<Listener>,
    forwarded: ForwardedLayer,
}

#[pymethods]
impl Server {
    /// Reads the settings, binds the sockets, and answers operators. With `inherits`, sockets from
    /// systemd replace the addresses of the settings.
    #[new]
    #[pyo3(signature = (settings, *, log_level = 20, access = false, inherits = false))]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 makes it of a dict")]
    fn new(
        py: Python<'_>,
        settings: HashMap<String, String>,
        log_level: u8,
        access: bool,
        inherits: bool,
    ) -> PyResult<Self> {
        // Names are resolved and files are read, which may take long.
        py.detach(|| Self::bind(&settings, log_level, access, inherits))
    }

    /// Returns the descriptor for `signal.set_wakeup_fd`.
    #[getter]
    fn wakeup_fd(&self) -> i32 {
        self.main.wakeup_fd()
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
        let again = || PyRuntimeError::new_err("the server was started before");
        let Unstarted {
            layers,
            server,
            listeners,
            forwarded,
        } = take(&self.unstarted).ok_or_else(again)?;
        let at_work = self.threads.at_work();
        let limits = Limits {
            total: self.settings.longest_response_body(),
            ..Limits::default()
        };
        let budget = AnswerBudget::new()
            .memory(self.settings.response_memory)
            .file_bytes(self.settings.response_disk)
            .descriptors(&self.descriptors)
            .ledger(&self.ledger);
        let address = self.address.clone();
        let lane = &self.lane;
        let application =
            Application::new(py, app, address, limits, budget, at_work.clone(), lane)?;
        let pool = Pool::builder(OwnDatabase)
            .connections(self.settings.threads)
            .max_queue(self.settings.max_queue)
            .max_wait(self.settings.max_wait)
            .ledger(self.ledger.clone())
            .threads(self.threads.clone())
            .build();
        self.loaded.set(&pool);
        let front = Front {
            settings: self.settings.clone(),
            layers,
            server,
            listeners,
            forwarded,
            pool,
            application,
            access: self.access,
            shutdown: self.shutdown.clone(),
            readiness: self.readiness.clone(),
            main: self.main.clone(),
            pulse: self.pulse.clone(),
            at_work: at_work.clone(),
            overrun: self.overrun.clone(),
            end: Arc::clone(&self.end),
            owns_process,
        };
        let runtime = self.handle()?;
        Ok(py.detach(|| front.start(&runtime))?)
    }

    /// Runs requests on this thread, until the server ends or wants fewer threads.
    fn work(&self, py: Python<'_>, number: usize) {
        py.detach(|| self.threads.work(number));
    }

    /// Runs promises on this thread until the lane has been idle for a while, or the server ends.
    fn work_in_lane(&self, py: Python<'_>) {
        py.detach(|| self.lane.work());
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

    /// The main thread runs Python code.
    fn answer(&self) {
        self.pulse.answer();
    }

    /// Returns the calls that have run for too long, each once: the number of its thread, a line
    /// about it, and its thread in the kernel.
    fn overdue(&self) -> Vec<(usize, String, String)> {
        let calls = self.threads.at_work().take_noticed().into_iter();
        calls
            .map(|call| {
                (
                    call.number,
                    call.to_string(),
                    call.native().unwrap_or_default(),
                )
            })
            .collect()
    }

    /// Lets all threads end after their current jobs.
    fn dismiss(&self) {
        self.threads.dismiss();
        self.lane.end();
    }

    /// Records that a requested thread of the lane could not be started.
    fn lose_lane_thread(&self) {
        self.lane.lose_thread();
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
    /// Binds the sockets, and answers operators.
    fn bind(
        settings: &HashMap<String, String>,
        log_level: u8,
        access: bool,
        inherits: bool,
    ) -> PyResult<Self> {
        exit::is_server();
        log::start(log_level);
        let limit = DescriptorLimit::raise()?;
        let (settings, files) = fit(read(settings)?, &limit);
        let forwarded = front::forwarded(&settings).map_err(PyValueError::new_err)?;
        let ledger = Ledger::new();
        let descriptors = Descriptors::new(files, &ledger);
        // The layers are created before the runtime, which gets as many threads as they declare.
        // Workers are Python's threads.
        let layers = front::layers(&settings, &descriptors, &ledger);
        let server = front::server(&settings, &ledger);
        let runtime = euryale::runtime(&ledger)?;
        let entered = runtime.enter();
        let Listeners {
            public,
            admin,
            agent,
            tls,
            addresses,
            named,
        } = Listeners::bind(&settings, inherits)?;
        let shutdown = Shutdown::new();
        let (main, fd) = MainThread::new()?;
        let sharing = Sharing::new(&settings);
        let threads = Threads::new(&main, sharing == Sharing::Turns);
        let lane = Lane::new(&main, settings.lane_threads, &ledger);
        let at_work = threads.at_work();
        let pulse = Pulse::new(&main, at_work, settings.gil_timeout);
        let overrun = Overrun::new(at_work, settings.call_timeout);
        let loaded = Loaded::new(&pulse, &overrun, &sharing);
        let readiness = loaded.readiness(&shutdown);
        let operators = Operators {
            admin,
            agent,
            reserve: limit.reserve(),
            capacity: settings.max_sockets,
        };
        operators.start(&ledger, &shutdown, &loaded, &readiness);
        drop(entered);
        let (stop_log, log_stopped) = crossbeam_channel::bounded(0);
        Ok(Self {
            address: Address::new(&settings, &named),
            settings,
            fd,
            addresses,
            access,
            unstarted: Mutex::new(Some(Unstarted {
                layers,
                server,
                listeners: public,
                forwarded,
            })),
            runtime: Mutex::new(Some(runtime)),
            ledger,
            descriptors,
            shutdown,
            main,
            threads,
            lane,
            pulse,
            overrun,
            loaded,
            readiness,
            tls,
            end: Arc::default(),
            stop_log: Mutex::new(Some(stop_log)),
            log_stopped,
        })
    }

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

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn read(settings: &HashMap<String, String>) -> PyResult<Settings> {
    // The pairs are sorted, so that the same one of two mistakes is reported each time.
    let mut pairs: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    pairs.sort_unstable();
    Settings::read(pairs).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Limits sockets and files to the available descriptors. Returns the number of files.
///
/// Each socket may need a file for a body that it receives or sends. If there are too few
/// descriptors for that, there is one file for eight sockets.
fn fit(mut settings: Settings, limit: &DescriptorLimit) -> (Settings, usize) {
    let wanted = |files| {
        DescriptorShares::new(settings.max_sockets)
            .files(files)
            .connections(settings.threads)
    };
    let all = wanted(settings.max_sockets);
    let some = wanted(settings.max_sockets.div_ceil(8));
    let fits = |wanted| limit.fit(wanted) == wanted;
    let wanted = if fits(all) { all } else { some };
    let fitted = limit.fit(wanted);
    if fitted != wanted {
        tracing::warn!("{}", limit.shortage(wanted, fitted));
    }
    settings.max_sockets = fitted.sockets;
    (settings, fitted.files)
}
