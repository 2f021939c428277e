//! Binds the sockets of a server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use euryale::Ledger;
use euryale::body::Descriptors;
use euryale_server::{DescriptorLimit, DescriptorShares, Shutdown, supervise};
use euryale_wsgi::Settings;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::start::Unstarted;
use super::{Server, read};
use crate::debugging;
use crate::environ::Address;
use crate::exit;
use crate::front;
use crate::lane::Lanes;
use crate::listeners::Listeners;
use crate::log;
use crate::main_thread::MainThread;
use crate::operators::{Commanded, Loaded, Operators};
use crate::overrun::Overrun;
use crate::pulse::Pulse;
use crate::sendfile::Sendfile;
use crate::stacks::Stacks;
use crate::statics::Statics;
use crate::transforms::Transforms;
use crate::turns::Sharing;
use crate::user_field::UserField;
use crate::workers::Threads;

impl Server {
    /// Binds the sockets, and answers operators.
    pub(super) fn bind(
        settings: &HashMap<String, String>,
        log_level: u8,
        access: bool,
        inherits: bool,
        is_hurried: bool,
    ) -> PyResult<Self> {
        exit::is_server();
        log::start(log_level);
        let is_child = inherits && supervise::is_child();
        let settings = read(settings)?;
        if settings.reload && !is_child {
            let alone = "reload needs the command `euryale`: here the application is already \
                imported; run this program under hupper instead";
            return Err(PyValueError::new_err(alone));
        }
        if settings.processes.is_some() && !is_child {
            let alone = "processes needs the command `euryale`: here the application is already \
                imported, and the parent of several processes never imports it";
            return Err(PyValueError::new_err(alone));
        }
        let limit = DescriptorLimit::raise()?;
        let (settings, files) = fit(settings, &limit);
        let forwarded = front::forwarded(&settings).map_err(PyValueError::new_err)?;
        let ledger = Ledger::new();
        let descriptors = Descriptors::new(files, &ledger);
        // The layers are created before the runtime, which gets as many threads as they declare.
        // Workers are Python's threads.
        let layers = front::layers(&settings, &descriptors, &ledger);
        let layers = layers.map_err(PyValueError::new_err)?;
        let transforms = Transforms::new(&settings, &ledger);
        let transforms = transforms.map_err(PyValueError::new_err)?;
        let statics = Statics::new(&settings, &layers, &descriptors);
        let statics = statics.map_err(PyValueError::new_err)?;
        let sendfile = Sendfile::new(&settings, &descriptors).map_err(PyValueError::new_err)?;
        let user_field = UserField::new(&settings).map_err(PyValueError::new_err)?;
        let server = front::server(&settings, is_hurried, &ledger);
        let runtime = runtime(&settings, &ledger)?;
        let entered = runtime.enter();
        let Listeners {
            public,
            admin,
            agent,
            tls,
            addresses,
            named,
            names: _,
        } = Listeners::bind(&settings, inherits)?;
        debugging::check(&settings, &public).map_err(PyValueError::new_err)?;
        let shutdown = Shutdown::new();
        let (main, fd) = MainThread::new()?;
        let sharing = Sharing::new(&settings);
        let threads = Threads::new(&main, sharing == Sharing::Turns);
        let at_work = threads.at_work();
        let lanes = Lanes::new(&main, &settings, at_work, &ledger);
        let pulse = Pulse::new(&main, at_work, settings.gil_timeout);
        let overrun = Overrun::new(at_work, settings.call_timeout);
        let stacks = Stacks::new(&main, at_work);
        let loaded = Loaded::new(&pulse, &overrun, &sharing);
        let readiness = loaded.readiness(&shutdown);
        let operators = Operators {
            admin,
            agent,
            reserve: limit.reserve(),
            capacity: settings.max_sockets,
            commanded: Commanded {
                path: match is_child {
                    true => supervise::console_path(),
                    false => settings.console.clone(),
                },
                main: main.clone(),
                stacks: stacks.clone(),
            },
        };
        let console = operators.start(&ledger, &shutdown, &loaded, &readiness)?;
        let is_started = Arc::default();
        if is_child {
            supervise::drain_without_parent(&shutdown)?;
            runtime.spawn(end_unstarted(shutdown.clone(), Arc::clone(&is_started)));
        }
        drop(entered);
        let (stop_log, log_stopped) = crossbeam_channel::bounded(0);
        Ok(Self {
            is_child,
            is_started,
            address: Address::new(&settings, &named, &user_field),
            settings,
            fd,
            addresses,
            access,
            unstarted: Mutex::new(Some(Unstarted {
                layers,
                server,
                listeners: public,
                forwarded,
                statics,
                sendfile,
                transforms,
                user_field,
            })),
            runtime: Mutex::new(Some(runtime)),
            ledger,
            descriptors,
            shutdown,
            main,
            threads,
            lanes,
            pulse,
            overrun,
            stacks,
            loaded,
            console: Mutex::new(console),
            readiness,
            tls,
            end: Arc::default(),
            stop_log: Mutex::new(Some(stop_log)),
            log_stopped,
        })
    }
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

/// Ends a child that has lost its parent before its application was imported. The import may take
/// long, or never end.
async fn end_unstarted(shutdown: Shutdown, is_started: Arc<AtomicBool>) {
    shutdown.draining().await;
    if !is_started.load(Ordering::Acquire) {
        log::spill();
        log::say_last("the parent has ended before the application was imported");
        exit::now(1);
    }
}

/// Builds the runtime of the front. By default half of the cores are left to the application's
/// threads, because on cores that they share, both would wait for each other.
fn runtime(settings: &Settings, ledger: &Ledger) -> io::Result<Runtime> {
    let half = || thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    let threads = settings.runtime_threads.unwrap_or_else(half);
    let mut builder = Builder::new_multi_thread();
    euryale::runtime_from(builder.enable_all().worker_threads(threads), ledger)
}
