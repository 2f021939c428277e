//! The site as a service: synchronous pages behind the stack, and beside it what needs no worker.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_request};
use euryale::blob::FolderStore;
use euryale::deferred::DeferredLayer;
use euryale::promise::RepublishLayer;
use euryale::publisher::RespondLayer;
use euryale::spool::SpoolLayer;
use euryale::{Abort, Pool, Publisher, Request, Response, Stack, Transaction};
use euryale_sqlite::Sqlite;
use http::{HeaderValue, Method, StatusCode, header};
use tower_http::csrf::CsrfLayer;

use crate::documents::Item;
use crate::feed::Feeds;
use crate::page::{Pages, Problem};
use crate::query::{names, parameter};
use crate::settings::{self, Settings};
use crate::store::{Document, FileEntry};
use crate::{
    access_log, assets, compress, counter, cross_site, deferred, documents, edit, export, files, form,
    promises, remove, route, scale, search, slow,
};

/// The lane of uploads: writing many of them to the disk leaves connections for others, if there are others.
pub(crate) const UPLOADS: &str = "uploads";

/// Everything that is served at the public addresses.
pub(crate) fn app(pool: Pool<Sqlite>, blobs: FolderStore, settings: &Settings) -> Router {
    app_with(pool, blobs, settings, |site| site)
}

/// The same, published by what `around` makes of the site's publisher.
pub(crate) fn app_with<P: Publisher<Sqlite>>(
    pool: Pool<Sqlite>,
    blobs: FolderStore,
    settings: &Settings,
    around: impl FnOnce(Site) -> P,
) -> Router {
    let pages = Arc::new(Pages::new());
    let respond = RespondLayer::new().page({
        let pages = Arc::clone(&pages);
        move |failure| pages.failure(failure)
    });
    // What is spooled beside the blobs is linked to them.
    let spool = SpoolLayer::new()
        .directory(blobs.folder())
        .forms(form::limits())
        .limit(form::LARGEST_FORM)
        .limit_for(|parts| form::is_upload(&parts.headers), settings.max_upload);
    let uploads = pool.lane(UPLOADS);
    let deferred = DeferredLayer::new().writers(settings::EXPORTS);
    let stack = Stack::new(pool).blocking_threads(&settings.threads());
    let stack = stack.spool(spool).deferred(deferred).respond(respond);
    // What is shared are feeds, of up to some MiB.
    let stack = stack.republish(RepublishLayer::new().shared_values(64));
    let stack = match uploads {
        Some(lane) => stack.lane(lane, |request| form::is_upload(request.headers())),
        None => stack,
    };
    let (scales, feeds) = (scale::Fresh::default(), Feeds::new(settings));
    let stack = stack.publish(around(Site { pages: Arc::clone(&pages), blobs, scales, feeds }));
    assets::routes()
        .fallback_service(stack)
        .layer(map_request(async |request| route::name(request)))
        .layer(CsrfLayer::new())
        .layer(from_fn_with_state(pages, cross_site::explain))
        .layer(compress::layer())
        .layer(from_fn_with_state(settings.log, access_log::log))
}

/// The publisher: synchronous, called in a worker, in a transaction.
pub(crate) struct Site {
    pages: Arc<Pages>,
    blobs: FolderStore,
    scales: scale::Fresh,
    feeds: Feeds,
}

impl Publisher<Sqlite> for Site {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> Result<Response, Abort> {
        // What is no document has a name with @@, as views have in Zope: no document can be in its way.
        if let Some(target) = scale::target(request.uri().path()) {
            self.allow(request, &[Method::GET])?;
            return scale::answer(&self.pages, &self.blobs, &self.scales, target, request, transaction);
        }
        match request.uri().path() {
            "/@@slow" => {
                self.allow(request, &[Method::GET])?;
                slow::answer(&self.pages, request)
            }
            "/@@deferred" => {
                self.allow(request, &[Method::GET])?;
                deferred::answer(&self.pages, request)
            }
            "/@@export" => {
                self.allow(request, &[Method::GET])?;
                export::answer(&self.pages, &self.blobs, request, transaction)
            }
            "/@@promises" => {
                self.allow(request, &[Method::GET])?;
                promises::answer(&self.pages, request)
            }
            "/@@feed" => {
                self.allow(request, &[Method::GET])?;
                self.feeds.answer(&self.pages, request, transaction)
            }
            "/@@counter" => {
                self.allow(request, &[Method::GET, Method::POST])?;
                counter::answer(&self.pages, request, transaction)
            }
            _ if request.method() == Method::POST && !names(request.uri(), "delete") => {
                edit::save(&self.pages, &self.blobs, request, transaction)
            }
            _ => match documents::find(&self.pages, request, transaction)? {
                Item::Document(document) => self.document(request, document, transaction),
                Item::File(file) => self.file(request, file, transaction),
            },
        }
    }
}

impl Site {
    /// What is done with a document that is there.
    fn document(
        &self,
        request: &Request,
        document: Document,
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> Result<Response, Abort> {
        self.allow(request, &[Method::DELETE, Method::GET, Method::POST])?;
        if names(request.uri(), "delete") || request.method() == Method::DELETE {
            return self.remove(request, &Item::Document(document), transaction);
        }
        if names(request.uri(), "edit") {
            return edit::edit(&self.pages, document, transaction);
        }
        if names(request.uri(), "new") {
            return edit::new(&self.pages, &document, transaction);
        }
        match self.words(request)? {
            Some(words) => search::answer(&self.pages, &document, &words, transaction),
            None => {
                let news = match document.path.as_str() {
                    "/" => self.feeds.news(&self.pages, request)?,
                    _ => String::new(),
                };
                documents::show(&self.pages, &document, &news, transaction)
            }
        }
    }

    /// What is done with a file that is there.
    fn file(
        &self,
        request: &Request,
        file: FileEntry,
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> Result<Response, Abort> {
        self.allow(request, &[Method::DELETE, Method::GET, Method::POST])?;
        if names(request.uri(), "delete") || request.method() == Method::DELETE {
            return self.remove(request, &Item::File(file), transaction);
        }
        files::show(&self.blobs, &file, transaction)
    }

    fn remove(
        &self,
        request: &Request,
        item: &Item,
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> Result<Response, Abort> {
        if request.method().is_safe() {
            return remove::ask(&self.pages, item, transaction);
        }
        remove::remove(&self.pages, &self.blobs, request, item, transaction)
    }

    /// What is searched for, if something is. Any words are good.
    fn words(&self, request: &Request) -> Result<Option<String>, Abort> {
        parameter(request.uri(), "q", "words").map_err(|detail| {
            let problem = Problem::new(StatusCode::BAD_REQUEST, &detail);
            Abort::response(self.pages.problem(&problem, request.headers()))
        })
    }

    /// Refuses methods that a path does not know (RFC 9110 §15.5.6). `HEAD` is published as `GET`.
    fn allow(&self, request: &Request, methods: &[Method]) -> Result<(), Abort> {
        if methods.contains(request.method()) {
            return Ok(());
        }
        let mut names = vec!["HEAD"];
        names.extend(methods.iter().map(Method::as_str));
        names.sort_unstable();
        let detail = format!("This address knows the methods {}.", names.join(", "));
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, &detail);
        let mut response = self.pages.problem(&problem, request.headers());
        let allow = names.join(", ").parse().unwrap_or(HeaderValue::from_static("GET"));
        response.headers_mut().insert(header::ALLOW, allow);
        Err(Abort::response(response))
    }
}
