//! Fetches what may be fetched.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use euryale::BoxError;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use super::address::{Refused, is_public};
use crate::settings::Settings;

/// The largest feed, in bytes.
const LARGEST: usize = 2 << 20;

const CONNECT: Duration = Duration::from_secs(5);
const REDIRECTS: usize = 3;

/// What came from elsewhere.
#[derive(Debug)]
pub(super) struct Fetched {
    /// No other has it.
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// An HTTP client that goes where it may.
#[derive(Clone)]
pub(super) struct Client {
    hosts: Arc<Hosts>,
    client: Result<reqwest::Client, Arc<reqwest::Error>>,
}

/// By name, in lower case.
struct Hosts {
    public: HashSet<String>,
    /// These may have private addresses, too.
    private: HashSet<String>,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Self {
        let names = |hosts: &[String]| hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let public = names(&settings.feed_host);
        let hosts = Arc::new(Hosts {
            public,
            private: names(&settings.private_feed_host),
        });
        let client = reqwest::Client::builder()
            .user_agent(concat!("euryale-site/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            // It would resolve names for us, and go where it likes.
            .no_proxy()
            .dns_resolver(Arc::new(Resolver(Arc::clone(&hosts))))
            .redirect(on_the_same_host())
            .build();
        Self {
            hosts,
            client: client.map_err(Arc::new),
        }
    }

    /// The address, if feeds may be fetched from there.
    pub(super) fn allow(&self, url: &str) -> Result<Url, Refused> {
        let url = Url::parse(url).map_err(|_| Refused::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::NoUrl);
        }
        let host = url.host_str().ok_or(Refused::NoUrl)?;
        // A literal address asks no resolver.
        let literal = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        let is_good = literal.map_or(true, is_public);
        match (
            self.hosts.private.contains(host),
            self.hosts.public.contains(host),
        ) {
            (true, _) => Ok(url),
            (false, true) if is_good => Ok(url),
            _ => Err(Refused::Host),
        }
    }

    /// The whole of it, within the deadline of its promise.
    pub(super) async fn fetch(self, url: Url) -> Result<Fetched, BoxError> {
        static FETCHES: AtomicU64 = AtomicU64::new(0);
        let mut response = self.client?.get(url).send().await?.error_for_status()?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(format!("more than {LARGEST} bytes").into());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Fetched {
            number: FETCHES.fetch_add(1, Ordering::Relaxed),
            bytes,
        })
    }
}

fn on_the_same_host() -> Policy {
    Policy::custom(|attempt| {
        let same = attempt
            .previous()
            .first()
            .is_some_and(|first| first.host() == attempt.url().host());
        match attempt.previous().len() {
            0..=REDIRECTS if same => attempt.follow(),
            0..=REDIRECTS => attempt.error("redirected to another host"),
            _ => attempt.error("redirected too often"),
        }
    })
}

/// Resolves names, and keeps what may be asked. What it gives is connected to: nobody resolves a
/// second time.
struct Resolver(Arc<Hosts>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_private = self.0.private.contains(&name.as_str().to_ascii_lowercase());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let good: Vec<SocketAddr> = found
                .filter(|address| is_private || is_public(address.ip()))
                .collect();
            if good.is_empty() {
                return Err(io::Error::other("no public address").into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}
