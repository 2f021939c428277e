//! One address for the operators of several processes.

#[cfg(feature = "supervise")]
mod children;
mod exposition;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use euryale_core::Body;
use euryale_server::Shutdown;
#[cfg(feature = "supervise")]
use euryale_server::supervise::Children;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST,
    HeaderName, LOCATION, REFERRER_POLICY, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower_service::Service;

use crate::admin::{EXPOSITION, JSON};
use crate::response::{PLAIN, methods, page, to_status};

/// How long a process may take to answer. None of these answers waits for anything.
const PATIENCE: Duration = Duration::from_secs(1);

/// One of the processes behind a [`Relay`].
#[derive(Clone, Debug)]
pub struct RelayedProcess {
    /// Its number, which is the value of the label `process`.
    pub process: usize,
    /// The id of the process.
    pub pid: u32,
    /// Whether it serves; one that is only starting is listed and not asked.
    pub is_ready: bool,
    /// The Unix socket where its [`Admin`](crate::Admin) answers.
    pub socket: PathBuf,
}

/// Answers operators for several processes, each of which has an [`Admin`](crate::Admin) on a Unix
/// socket of its own. It is for their parent (`euryale_server::supervise`).
///
/// * `/livez`: 200 while the parent runs.
/// * `/readyz`: 200 while at least one process is ready.
/// * `/metrics`: those of all processes, with the label `process`. No value is added up: sum over
///   this label, and compute rates per series before summing.
/// * `/status` lists the processes. The page of one of them is `/process/N/status`.
///   `/status.json` has the status of all.
///
/// All processes are asked at the same time. One that does not answer within a second is missing
/// from the answer.
#[derive(Clone)]
pub struct Relay {
    processes: Arc<dyn Fn() -> Vec<RelayedProcess> + Send + Sync>,
    shutdown: Shutdown,
    title: Arc<str>,
    /// The processes, if a supervisor runs them.
    #[cfg(feature = "supervise")]
    children: Option<Children>,
}

impl Relay {
    /// Asks `processes` for the list whenever somebody asks. It is called on a runtime thread and
    /// must not wait. Not ready once `shutdown` drains.
    #[must_use]
    pub fn new(
        processes: impl Fn() -> Vec<RelayedProcess> + Send + Sync + 'static,
        shutdown: &Shutdown,
    ) -> Self {
        Self {
            processes: Arc::new(processes),
            shutdown: shutdown.clone(),
            title: "Processes".into(),
            #[cfg(feature = "supervise")]
            children: None,
        }
    }

    /// The first line of the status page, for example the totals of all processes.
    #[must_use]
    pub fn title(mut self, title: impl Into<Arc<str>>) -> Self {
        self.title = title.into();
        self
    }

    async fn answer(self, method: Method, uri: Uri, headers: HeaderMap) -> Response<Body> {
        let path = uri.path();
        let of_process = path
            .strip_prefix("/process/")
            .and_then(|rest| rest.split_once('/'));
        let is_known = matches!(
            path,
            "/" | "/livez" | "/readyz" | "/metrics" | "/status" | "/status.json"
        );
        if !is_known && of_process.is_none() {
            return page(StatusCode::NOT_FOUND, PLAIN, "not found\n");
        }
        if !matches!(method, Method::GET | Method::HEAD) {
            return methods(&method);
        }
        if let Some((number, path)) = of_process {
            return self.of_process(number, path, method, headers).await;
        }
        match path {
            "/" => to_status(),
            "/livez" => page(StatusCode::OK, PLAIN, "live\n"),
            "/readyz" if self.is_ready().await => page(StatusCode::OK, PLAIN, "ready\n"),
            "/readyz" => page(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "not ready\n"),
            "/metrics" => page(StatusCode::OK, EXPOSITION, self.metrics().await),
            "/status.json" => page(StatusCode::OK, JSON, self.json().await),
            _ => page(StatusCode::OK, HTML, self.html()),
        }
    }

    /// Asks all processes that serve for `path`, and returns the answers that are 200, in the order
    /// of the processes: for a value that the parent adds up.
    pub async fn ask(&self, path: &str) -> Vec<(RelayedProcess, String)> {
        let read = async |answer: Response<Incoming>| {
            if answer.status() != StatusCode::OK {
                return None;
            }
            let body = answer.into_body().collect().await.ok()?.to_bytes();
            Some(String::from_utf8_lossy(&body).into_owned())
        };
        let asked = self.ask_all(path, read).join_all().await;
        let mut answers: Vec<_> = asked.into_iter().flatten().collect();
        answers.sort_by_key(|(it, _)| it.process);
        answers
    }

    /// Returns whether a process is ready. The others need not answer.
    async fn is_ready(&self) -> bool {
        if self.shutdown.is_draining() {
            return false;
        }
        let read =
            async |answer: Response<Incoming>| (answer.status() == StatusCode::OK).then_some(());
        let mut asked = self.ask_all("/readyz", read);
        while let Some(answer) = asked.join_next().await {
            if matches!(answer, Ok(Some(_))) {
                return true;
            }
        }
        false
    }

    /// Asks each process that serves for `path` in a task of its own. A task returns what `read`
    /// returns for the answer, or `None` if there is none in time.
    fn ask_all<T: Send + 'static, F>(
        &self,
        path: &str,
        read: impl Fn(Response<Incoming>) -> F + Copy + Send + Sync + 'static,
    ) -> JoinSet<Option<(RelayedProcess, T)>>
    where
        F: Future<Output = Option<T>> + Send,
    {
        let mut asked = JoinSet::new();
        for it in (self.processes)().into_iter().filter(|it| it.is_ready) {
            let path = path.to_owned();
            asked.spawn(async move {
                let headers = HeaderMap::from_iter([(HOST, LOCALHOST)]);
                let answer = async {
                    let answer = ask(&it.socket, Method::GET, &path, headers).await.ok()?;
                    read(answer).await
                };
                let answer = timeout(PATIENCE, answer).await.ok().flatten()?;
                Some((it, answer))
            });
        }
        asked
    }

    async fn metrics(&self) -> String {
        let answers = self.ask("/metrics").await;
        let expositions = answers.into_iter().map(|(it, text)| (it.process, text));
        exposition::join(&expositions.collect::<Vec<_>>())
    }

    async fn json(&self) -> String {
        let status = |(it, text): (RelayedProcess, String)| {
            let status: Json = serde_json::from_str(&text).unwrap_or_default();
            json!({"process": it.process, "pid": it.pid, "status": status})
        };
        let answers = self.ask("/status.json").await;
        let all: Vec<Json> = answers.into_iter().map(status).collect();
        format!("{}\n", json!({"title": *self.title, "processes": all}))
    }

    fn html(&self) -> String {
        let title = html_escape::encode_text(&self.title);
        let mut html = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
             <h1>{title}</h1><ul>"
        );
        for it in (self.processes)() {
            let RelayedProcess { process, pid, .. } = it;
            html.push_str(&if it.is_ready {
                format!(
                    "<li><a href=\"process/{process}/status\">Process {process}</a>, \
                     pid {pid}, serves"
                )
            } else {
                format!("<li>Process {process}, pid {pid}, starts")
            });
        }
        html.push_str("</ul>\n");
        html
    }

    async fn of_process(
        &self,
        number: &str,
        path: &str,
        method: Method,
        mut headers: HeaderMap,
    ) -> Response<Body> {
        let all = (self.processes)();
        let asked = number.parse().ok();
        let found = all
            .iter()
            .find(|it| it.is_ready && asked == Some(it.process));
        let Some(it) = found else {
            return page(StatusCode::NOT_FOUND, PLAIN, "no such process serves\n");
        };
        let accept = headers.remove(ACCEPT);
        let host = headers.remove(HOST).unwrap_or(LOCALHOST);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host);
        headers.extend(accept.map(|accept| (ACCEPT, accept)));
        let path = format!("/{path}");
        let asking = ask(&it.socket, method, &path, headers);
        match timeout(PATIENCE, asking).await {
            // Events of the status page are passed on as they come.
            Ok(Ok(answer)) => passed_on(answer),
            _ => page(
                StatusCode::BAD_GATEWAY,
                PLAIN,
                "the process does not answer\n",
            ),
        }
    }
}

/// The headers of the pages. Others are about the connection to the process.
const PASSED_ON: [HeaderName; 10] = [
    ALLOW,
    CACHE_CONTROL,
    CONTENT_LENGTH,
    CONTENT_SECURITY_POLICY,
    CONTENT_TYPE,
    LOCATION,
    REFERRER_POLICY,
    RETRY_AFTER,
    VARY,
    X_CONTENT_TYPE_OPTIONS,
];

fn passed_on(answer: Response<Incoming>) -> Response<Body> {
    let (head, body) = answer.into_parts();
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = head.status;
    let known = PASSED_ON.into_iter();
    let headers = known.filter_map(|name| Some((name.clone(), head.headers.get(name)?.clone())));
    response.headers_mut().extend(headers);
    response
}

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const LOCALHOST: HeaderValue = HeaderValue::from_static("localhost");

async fn ask(
    socket: &Path,
    method: Method,
    path: &str,
    headers: HeaderMap,
) -> io::Result<Response<Incoming>> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // It ends with the answer's body, or when that is dropped.
    tokio::spawn(connection);
    let mut request = Request::new(http_body_util::Empty::<bytes::Bytes>::new());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(io::Error::other)?;
    *request.headers_mut() = headers;
    sender.send_request(request).await.map_err(io::Error::other)
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("processes", &(self.processes)())
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Relay {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let relay = self.clone();
        let method = request.method().clone();
        let uri = request.uri().clone();
        let headers = request.headers().clone();
        Box::pin(async move { Ok(relay.answer(method, uri, headers).await) })
    }
}
