//! The asynchronous side: the stack, the sockets, the drain.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use euryale::body::Descriptors;
use euryale::forwarded::{Field, ForwardedLayer, TrustedProxies, TrustedProxy};
use euryale::publisher::ConflictPolicy;
use euryale::spool::{SpoolBudget, SpoolLayer};
use euryale::transaction::ReleasePoint;
use euryale::transform::TransformChainLayer;
use euryale::{Ledger, Pool, Stack, StackLayers};
use euryale_server::{Listener, Readiness, Server, Shutdown, systemd};
use euryale_wsgi::Settings;
use http::HeaderValue;
use http::header::SERVER;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tower::layer::layer_fn;
use tower::util::option_layer;
use tower::{Layer, ServiceBuilder};

use crate::access::AccessLog;
use crate::again::OwnDatabase;
use crate::application::Application;
use crate::at_work::AtWork;
use crate::compress::Compress;
use crate::main_thread::{MainThread, Order};
use crate::overrun::Overrun;
use crate::pulse::Pulse;
use crate::statics::Statics;
use crate::user_field::UserField;
use crate::{exit, log, offload};

/// The exit status if requests had to be cut at the end of the drain.
pub(crate) const CUT: i32 = 3;

/// The maximum time for the main thread to join its threads after everything else has ended.
const JOIN: Duration = Duration::from_secs(2);

/// The disk space of all request bodies together, in bytes, unless a single body may be larger.
const BODIES: u64 = 8 << 30;

/// The end of a server.
#[derive(Debug, Default)]
pub(crate) struct End {
    was_cut: AtomicBool,
    joined: Notify,
    /// The drain's deadline, once the drain has begun.
    deadline: OnceLock<Instant>,
}

impl End {
    pub(crate) fn status(&self) -> i32 {
        if self.was_cut.load(Ordering::Acquire) {
            CUT
        } else {
            0
        }
    }

    /// Records that requests were cut, so that the exit status is [`CUT`].
    pub(crate) fn cut(&self) {
        self.was_cut.store(true, Ordering::Release);
    }

    /// Records that the main thread has taken over, so that the interpreter ends by itself.
    pub(crate) fn join(&self) {
        self.joined.notify_one();
    }

    /// Returns the time that the interpreter has to end: the rest of the drain's time, but at least
    /// [`JOIN`].
    fn left(&self) -> Duration {
        let deadline = self.deadline.get().filter(|_| self.status() != CUT);
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.unwrap_or_default().max(JOIN)
    }

    /// Ends the process with [`CUT`] unless the interpreter has ended before. Returns the time that
    /// the interpreter has.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn exit_soon(&self) -> std::io::Result<Duration> {
        let left = self.left();
        let watch = move || {
            let never = crossbeam_channel::never::<()>();
            let _ = never.recv_timeout(left);
            let seconds = left.as_secs_f64();
            tracing::error!("the interpreter has not ended within {seconds:.1} s");
            log::spill();
            exit::now(CUT);
        };
        let thread = std::thread::Builder::new().name("euryale-exit".into());
        thread.spawn(watch)?;
        Ok(left)
    }
}

/// Returns the layer for the proxies of the setting `trusted_proxy`, with the accepted fields.
///
/// # Errors
/// A message of one line that names the setting.
pub(crate) fn forwarded(settings: &Settings) -> Result<ForwardedLayer, String> {
    let Some(proxies) = settings.trusted_proxy.as_deref() else {
        // Without trusted proxies, the layer still removes the fields.
        return Ok(ForwardedLayer::new(TrustedProxies::none()));
    };
    let is_any = proxies == "*";
    let all = "0.0.0.0/0, ::/0, unix";
    let proxies = if is_any { all } else { proxies };
    let proxies: Vec<TrustedProxy> = proxies
        .split(|character: char| character == ',' || character.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| {
            word.parse()
                .map_err(|error| format!("trusted_proxy: {error}"))
        })
        .collect::<Result<_, String>>()?;
    // Proxies pass on the other fields as clients have written them, unless they are configured to
    // set or remove them.
    let mut layer = ForwardedLayer::new(proxies.into_iter().collect::<TrustedProxies>())
        .fields([Field::XForwardedFor, Field::XForwardedProto]);
    // If every address is trusted, only the number of proxies distinguishes them from the client.
    if let Some(count) = settings.trusted_proxy_count.or(is_any.then_some(1)) {
        layer = layer.max_hops(count);
    }
    if settings.trusted_proxy_headers.is_empty() {
        return Ok(layer);
    }
    let fields = settings.trusted_proxy_headers.iter().map(|name| {
        let named = name.to_ascii_lowercase();
        named
            .parse()
            .map_err(|error| format!("trusted_proxy_headers: {error}"))
    });
    let fields = fields.collect::<Result<Vec<_>, String>>()?;
    Ok(layer.fields(fields))
}

/// Returns the layers of the stack, whose threads are declared in `ledger`.
///
/// # Errors
/// A message of one line that names the setting.
pub(crate) fn layers(
    settings: &Settings,
    descriptors: &Descriptors,
    ledger: &Ledger,
) -> Result<StackLayers, String> {
    let mut layers = StackLayers::new(ledger);
    layers.spool = spool(layers.spool, settings, descriptors);
    layers.deferred = layers.deferred.deadline(settings.lane_timeout);
    layers.offload = offload::layer(settings, ledger)?;
    Ok(layers)
}

/// Returns the server without its listeners. If it `is_hurried`, its idle sockets are closed as
/// soon as it drains.
pub(crate) fn server(settings: &Settings, is_hurried: bool, ledger: &Ledger) -> Server {
    let server = Server::new()
        .ledger(ledger.clone())
        .max_sockets(settings.max_sockets)
        .max_header_size(settings.max_request_header_size)
        .idle_timeout(settings.channel_timeout)
        .drain_deadline(settings.drain);
    match is_hurried || settings.reload {
        // The next page of a browser that keeps its socket has to be made by the new code.
        true => server.lame_duck(Duration::ZERO),
        false => server,
    }
}

/// The parts that are needed to serve.
pub(crate) struct Front {
    pub(crate) settings: Settings,
    pub(crate) layers: StackLayers,
    pub(crate) server: Server,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) forwarded: ForwardedLayer,
    pub(crate) statics: Statics,
    /// Transforms of pages, when their workers are free.
    pub(crate) transforms: Option<TransformChainLayer>,
    pub(crate) user_field: UserField,
    pub(crate) pool: Pool<OwnDatabase>,
    pub(crate) application: Application,
    pub(crate) access: bool,
    pub(crate) shutdown: Shutdown,
    pub(crate) readiness: Readiness,
    pub(crate) main: MainThread,
    pub(crate) pulse: Pulse,
    pub(crate) at_work: AtWork,
    pub(crate) overrun: Overrun,
    pub(crate) end: Arc<End>,
    /// Whether the server handles signals and may end the process.
    pub(crate) owns_process: bool,
}

impl Front {
    /// Begins to serve, and takes over the signals if the server owns the process.
    ///
    /// # Errors
    /// The signal handlers could not be installed.
    pub(crate) fn start(self, runtime: &Handle) -> std::io::Result<()> {
        let _entered = runtime.enter();
        if self.owns_process {
            self.take_signals(runtime)?;
            let readiness = self.readiness.clone();
            let shutdown = self.shutdown.clone();
            let drain = self.settings.drain;
            let pulse = self.pulse.clone();
            let is_alive = move || pulse.is_there();
            runtime.spawn(systemd::notify_while(readiness, shutdown, drain, is_alive));
        }
        runtime.spawn(self.pulse.clone().keep_asking());
        runtime.spawn(self.overrun.clone().keep_looking(self.main.clone()));
        runtime.spawn(self.serve());
        Ok(())
    }

    fn take_signals(&self, runtime: &Handle) -> std::io::Result<()> {
        self.shutdown.obey_signals()?;
        let mut hangups = signal(SignalKind::hangup())?;
        let main = self.main.clone();
        runtime.spawn(async move {
            while hangups.recv().await.is_some() {
                main.tell(Order::Reload, 1);
            }
        });
        Ok(())
    }

    async fn serve(self) {
        let Self {
            settings,
            layers,
            server,
            listeners,
            forwarded,
            statics,
            transforms,
            user_field,
            pool,
            application,
            access,
            shutdown,
            readiness: _,
            main,
            pulse: _,
            at_work,
            overrun: _,
            end,
            owns_process,
        } = self;
        let release_point = if settings.early_answers {
            ReleasePoint::BodyEnd
        } else {
            ReleasePoint::TransactionEnd
        };
        let early_answers = application.early_answers().clone();
        let retries = ConflictPolicy::new()
            .retries(settings.conflict_retries)
            .exclusive(true);
        let mut stack = Stack::with_layers(pool.clone(), layers)
            .retry(retries)
            .release_point(move |_| release_point)
            .early_answers(early_answers);
        if let Some(transforms) = transforms {
            stack = stack.transforms(transforms);
        }
        let compress = settings.compress.then(|| layer_fn(Compress::new));
        let stack = option_layer(compress).layer(stack.publisher(application));
        let ident = settings
            .ident
            .as_deref()
            .and_then(|name| HeaderValue::from_str(name).ok());
        let site = ServiceBuilder::new()
            .layer(forwarded)
            .map_request(move |request| user_field.check(request))
            .map_response(move |mut response: euryale::Response| {
                if let Some(ident) = &ident {
                    let headers = response.headers_mut();
                    headers.entry(SERVER).or_insert_with(|| ident.clone());
                }
                response
            })
            .option_layer(access.then(|| layer_fn(AccessLog::new)))
            .service(statics.around(stack));
        let server = listeners.into_iter().fold(server, Server::listen);
        let began = async {
            shutdown.draining().await;
            let began = Instant::now();
            end.deadline.get_or_init(|| began + settings.drain);
            began
        };
        let (drained, began) = tokio::join!(server.serve(site, shutdown.clone()), began);
        let left = settings.drain.saturating_sub(began.elapsed());
        let closed = tokio::select! {
            biased;
            closed = pool.close(left) => closed,
            () = shutdown.cutting() => pool.close(Duration::ZERO).await,
        };
        if closed.is_err() || !drained.is_complete() {
            end.cut();
        }
        for call in at_work.list() {
            let thread = call.thread;
            let seconds = call.age.as_secs_f64();
            let asked = call.asked;
            tracing::error!("{thread} has not returned from {asked} after {seconds:.1} s");
        }
        main.tell(Order::Ended, 1);
        if !owns_process {
            return;
        }
        // The process does not wait for a main thread that cannot get the GIL or joins a thread
        // that never ends.
        if tokio::time::timeout(JOIN, end.joined.notified())
            .await
            .is_err()
        {
            log::spill();
            exit::now(CUT);
        }
    }
}

/// Returns a layer for request bodies up to the size in the settings. A body of this size always
/// fits into an empty budget.
fn spool(layer: SpoolLayer, settings: &Settings, descriptors: &Descriptors) -> SpoolLayer {
    let limit = settings.max_request_body_size;
    let budget = SpoolBudget::new()
        .files(settings.max_sockets)
        .file_bytes(limit.max(BODIES))
        .descriptors(descriptors);
    layer.limit(limit).budget(budget)
}
