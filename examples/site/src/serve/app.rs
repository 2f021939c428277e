//! The site as a service: synchronous pages behind the stack, and routes beside it that need no
//! worker.

use std::num::NonZeroU32;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use euryale::blob::{OffloadLayer, accept_identity, vary_by_coding};
use euryale::forwarded::Client;
use euryale::respond::RespondLayer;
use euryale::store::FolderStore;
use euryale::transaction::Access;
use euryale::{Abort, Pool, Publisher, Request, Response, Stack, Transaction};
use euryale_agent_check::Resume;
use http::Method;
use http::request::Parts;
use tower::ServiceBuilder;
use tower_http::csrf::CsrfLayer;

use crate::cli::settings::Settings;
use crate::demo::COUNTER;
use crate::demo::feed::Feeds;
use crate::demo::{counter, deferred, promises, slow, visitor};
use crate::pages::documents::Item;
use crate::pages::methods::allow;
use crate::pages::page::Pages;
use crate::pages::query::{names, parameter};
use crate::pages::refusal::{Refusal, forbidden};
use crate::pages::scale::Scales;
use crate::pages::theme::Theme;
use crate::pages::{
    conditions, documents, edit, export, files, form, remove, requested, scale, search, text, tiles,
};
use crate::serve::lanes::Lanes;
use crate::serve::permits::{Permits, Refused};
use crate::serve::storage::Storage;
use crate::serve::watch::watch;
use crate::serve::{compress, cross_site, health, options, public, route};
use crate::store::{Document, Engine, FileEntry};

/// The lane of uploads: while many of them are written to the disk, it leaves connections for other
/// requests, if there are more.
pub(crate) const UPLOADS: &str = "uploads";

/// The number of connections that uploads may have at the same time.
pub(crate) fn uploads(settings: &Settings) -> usize {
    (settings.connections / 2).max(1)
}

/// The lane of searches. A search costs more than a page, so they leave a connection for pages.
pub(crate) const SEARCHES: &str = "searches";

/// The number of connections that searches may have at the same time.
pub(crate) fn searches(settings: &Settings) -> usize {
    (settings.connections - 1).max(1)
}

/// Everything that is served at the public addresses.
pub(crate) fn app(
    pool: Pool<Engine>,
    storage: Storage,
    lanes: Lanes,
    theme: &Theme,
    settings: &Settings,
    resume: Resume,
) -> Router {
    app_with(pool, storage, lanes, theme, settings, resume, |site| site)
}

/// The same, with the site's publisher wrapped by `around`.
pub(crate) fn app_with<P: Publisher<Engine>>(
    pool: Pool<Engine>,
    storage: Storage,
    lanes: Lanes,
    theme: &Theme,
    settings: &Settings,
    resume: Resume,
    around: impl FnOnce(Site) -> P,
) -> Router {
    let Storage {
        blobs,
        bodies,
        descriptors,
    } = storage;
    let Lanes {
        mut layers,
        offload,
        chain,
        theme: theme_files,
        pictures,
    } = lanes;
    let pages = Arc::new(Pages::new());
    let respond = RespondLayer::new().page({
        let pages = Arc::clone(&pages);
        move |failure| pages.failure(failure)
    });
    // Files that are spooled beside the blobs can be linked there.
    layers.spool = layers
        .spool
        .budget(bodies)
        .directory(blobs.folder())
        .stall(settings.edge.body_timeout)
        .forms(form::limits())
        .limit(form::LARGEST_FORM)
        .limit_for(
            |parts| form::is_upload(&parts.method, &parts.headers),
            settings.max_upload,
        );
    let uploads = pool.lane(UPLOADS);
    let searches = pool.lane(SEARCHES);
    // Shared promises are feeds, of up to some MiB, and pictures while they are made. A feed whose
    // server is down is requested once a second, not for each page.
    layers.republish = layers
        .republish
        .shared_values(64)
        .error_ttl(Duration::from_secs(1));
    if let Some(prefix) = &settings.offload {
        layers.offload = Some(by_proxy(offload, blobs.folder(), prefix));
    }
    let deadline = settings.publish_deadline;
    let stack = Stack::with_layers(pool, layers)
        .respond(respond)
        .access(access)
        .deadline(deadline)
        .deadline_for(move |request| takes_long(request).then_some(deadline * 10));
    let stack = match uploads {
        Some(lane) => stack.lane(lane, is_upload),
        None => stack,
    };
    let stack = match searches {
        Some(lane) => stack.lane(lane, |request| names(request.uri(), "q")),
        None => stack,
    };
    let scales = Scales::new(pictures, &descriptors);
    let feeds = Feeds::new(settings, &descriptors);
    let stack = stack.publisher(around(Site {
        pages: Arc::clone(&pages),
        blobs,
        scales,
        feeds,
    }));
    // The chain is outside everything that answers with pages, so it needs its own entrance.
    let internal = stack.internal().clone();
    let routes = theme
        .routes(&theme_files)
        .route("/@@visitor", get(visitor::answer))
        .fallback_service(stack);
    // One service without a box, because every waiting request holds the memory of all futures
    // below.
    let site = ServiceBuilder::new()
        .layer(public::RememberLayer)
        .map_request(|request: axum::extract::Request| accept_identity(request))
        .map_response(vary_by_coding)
        .map_response(IntoResponse::into_response)
        .layer(compress::brotli())
        .layer(compress::layer())
        .layer(Extension(internal))
        .layer(theme.chain(&chain))
        .layer(watch(move |request| cross_site::explain(&pages, request)))
        .layer(CsrfLayer::new())
        .layer(watch(options::answer))
        .map_request(|request: axum::extract::Request| route::name(request))
        .layer(watch(move |request| health::record(&resume, request)))
        .service(routes);
    Router::new().fallback_service(site)
}

/// A form that is shown again instead of being accepted.
fn is_preview(request: &Request) -> bool {
    request.method() == Method::POST && names(request.uri(), "preview")
}

/// Only requests that may write wait for other writers.
fn access(request: &Request) -> Access {
    if is_preview(request) {
        Access::Read
    } else {
        Access::of(request.method())
    }
}

fn is_upload(request: &Request) -> bool {
    form::is_upload(request.method(), request.headers())
}

/// Uploads and exports may be as large as the disk.
fn takes_long(request: &Request) -> bool {
    is_upload(request) || request.uri().path() == "/@@export"
}

/// A proxy that is trusted to report the client is also trusted to report which files it can send.
fn by_proxy(layer: OffloadLayer, blobs: &Path, prefix: &str) -> OffloadLayer {
    let is_proxied =
        |request: &Parts| Client::of(&request.extensions).is_some_and(|client| client.is_proxied());
    layer.map(blobs, prefix).trusted(is_proxied)
}

/// The publisher: synchronous, called in a worker, in a transaction.
pub(crate) struct Site {
    pages: Arc<Pages>,
    blobs: FolderStore,
    scales: Scales,
    feeds: Feeds,
}

impl Publisher<Engine> for Site {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, Engine>,
    ) -> Result<Response, Abort> {
        let pages = &self
            .pages
            .at(public::elsewhere(request.extensions()))
            .permitting(Permits::of(request.extensions()));
        if let Some(refused) = Refused::of(request.extensions()) {
            return forbidden(pages, refused.detail(), request, transaction);
        }
        conditions::require_whole(pages, request)?;
        // Views that are not documents have names with @@, as in Zope, so that no document can be
        // in their way.
        if let Some(target) = scale::target(request.uri().path()) {
            allow(pages, request, &[Method::GET])?;
            return self
                .scales
                .answer(pages, &self.blobs, target, request, transaction);
        }
        if let Some(name) = tiles::name(request.uri().path()) {
            return tiles::answer(pages, &self.feeds, name, request, transaction);
        }
        match request.uri().path() {
            "/@@slow" => {
                allow(pages, request, &[Method::GET])?;
                slow::answer(pages, request)
            }
            "/@@deferred" => {
                allow(pages, request, &[Method::GET])?;
                deferred::answer(pages, request)
            }
            "/@@export" => {
                allow(pages, request, &[Method::GET])?;
                export::answer(pages, &self.blobs, request, transaction)
            }
            "/@@promises" => {
                allow(pages, request, &[Method::GET])?;
                promises::answer(pages, request)
            }
            "/@@feed" => {
                allow(pages, request, &[Method::GET])?;
                self.feeds.answer(pages, request, transaction)
            }
            COUNTER => {
                allow(pages, request, &[Method::GET, Method::POST])?;
                counter::answer(pages, request, transaction)
            }
            _ if is_preview(request) => edit::preview(pages, request, transaction),
            _ if request.method() == Method::POST && !names(request.uri(), "delete") => {
                edit::save(pages, &self.blobs, request, transaction)
            }
            _ => match documents::find(pages, request, transaction)? {
                Item::Document(document) => self.document(pages, request, document, transaction),
                Item::File(file) => self.file(pages, request, file, transaction),
            },
        }
    }
}

impl Site {
    /// Requests for an existing document.
    fn document(
        &self,
        pages: &Pages,
        request: &Request,
        document: Document,
        transaction: &mut Transaction<'_, Engine>,
    ) -> Result<Response, Abort> {
        if names(request.uri(), "text") {
            allow(pages, request, &[Method::GET, Method::PUT])?;
            return match *request.method() {
                Method::PUT => text::put(pages, &document, request, transaction),
                _ => text::show(pages, document, request),
            };
        }
        allow(pages, request, &[Method::DELETE, Method::GET, Method::POST])?;
        if names(request.uri(), "delete") || request.method() == Method::DELETE {
            return self.remove(pages, request, &Item::Document(document), transaction);
        }
        if names(request.uri(), "edit") {
            return edit::edit(pages, document, transaction);
        }
        if names(request.uri(), "new") {
            return edit::new(pages, &document, request.uri(), transaction);
        }
        if let Some(number) = asked::<NonZeroU32>(pages, request, "list", "a number from 1")? {
            let number = usize::try_from(number.get()).unwrap_or(usize::MAX);
            return documents::list(pages, &document, number, request, transaction);
        }
        if requested::is_robots(&document, request) {
            return Ok(requested::robots(document));
        }
        match asked::<String>(pages, request, "q", "words")? {
            Some(words) => search::answer(pages, &document, &words, transaction),
            None => {
                let is_home = document.path == "/";
                let tiles = if is_home {
                    tiles::of_home(&self.feeds)
                } else {
                    Vec::new()
                };
                documents::show(pages, &document, &tiles, request, transaction)
            }
        }
    }

    /// Requests for an existing file.
    fn file(
        &self,
        pages: &Pages,
        request: &Request,
        file: FileEntry,
        transaction: &mut Transaction<'_, Engine>,
    ) -> Result<Response, Abort> {
        allow(pages, request, &[Method::DELETE, Method::GET, Method::POST])?;
        if names(request.uri(), "delete") || request.method() == Method::DELETE {
            return self.remove(pages, request, &Item::File(file), transaction);
        }
        files::show(&self.blobs, &file, transaction)
    }

    fn remove(
        &self,
        pages: &Pages,
        request: &Request,
        item: &Item,
        transaction: &mut Transaction<'_, Engine>,
    ) -> Result<Response, Abort> {
        if request.method().is_safe() {
            return remove::ask(pages, item, transaction);
        }
        remove::remove(pages, &self.blobs, request, item, transaction)
    }
}

/// The value of a parameter of the query, if there is one.
fn asked<T: FromStr>(
    pages: &Pages,
    request: &Request,
    name: &str,
    wanted: &str,
) -> Result<Option<T>, Abort> {
    parameter(request.uri(), name, wanted)
        .map_err(|detail| Refusal::bad(detail).abort(pages, request))
}
