//! Fetches feeds from permitted addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use euryale::BoxError;
use euryale::body::Descriptors;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use super::address::{FeedHost, Refused, is_public};
use crate::cli::settings::Settings;

/// The largest feed, in bytes.
const LARGEST: usize = 2 << 20;

const CONNECT: Duration = Duration::from_secs(5);
const REDIRECTS: usize = 3;

/// The number of sockets kept for the next fetch from a host: idle ones are not counted elsewhere.
const IDLE: usize = 1;

/// The fetched document.
#[derive(Debug)]
pub(super) struct Fetched {
    /// No other file has it.
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// An HTTP client for permitted addresses only.
#[derive(Clone)]
pub(super) struct Client {
    hosts: Arc<Hosts>,
    client: Result<reqwest::Client, Arc<reqwest::Error>>,
    descriptors: Descriptors,
}

pub(super) struct Hosts {
    public: Vec<FeedHost>,
    /// These may have private addresses, too.
    private: Vec<FeedHost>,
}

impl Hosts {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            public: settings.feed_host.clone(),
            private: settings.private_feed_host.clone(),
        }
    }

    /// Returns the address, if feeds may be fetched from it.
    pub(super) fn allow(&self, url: &str) -> Result<Url, Refused> {
        let mut url = Url::parse(url).map_err(|_| Refused::NoUrl)?;
        // It is not sent, so it does not identify another feed.
        url.set_fragment(None);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::NoUrl);
        }
        if url.host_str().is_none() {
            return Err(Refused::NoUrl);
        }
        if !self.have(&url) {
            return Err(Refused::Host);
        }
        Ok(url)
    }

    /// Returns whether the address is on a listed host, at an allowed port.
    fn have(&self, url: &Url) -> bool {
        let is_public_host = || {
            // A literal address asks no resolver.
            let host = url.host_str().unwrap_or_default();
            let literal = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<IpAddr>();
            literal.map_or(true, is_public) && self.public.iter().any(|host| host.has(url))
        };
        self.private.iter().any(|host| host.has(url)) || is_public_host()
    }
}

impl Client {
    pub(super) fn new(settings: &Settings, descriptors: &Descriptors) -> Self {
        let hosts = Arc::new(Hosts::new(settings));
        let client = reqwest::Client::builder()
            .user_agent(concat!("euryale-site/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(IDLE)
            // A proxy would resolve names itself, and connect anywhere.
            .no_proxy()
            .dns_resolver(Arc::new(Resolver(Arc::clone(&hosts))))
            .redirect(on_the_same_host(Arc::clone(&hosts)))
            .build();
        Self {
            hosts,
            client: client.map_err(Arc::new),
            descriptors: descriptors.clone(),
        }
    }

    /// Returns the address, if feeds may be fetched from it.
    pub(super) fn allow(&self, url: &str) -> Result<Url, Refused> {
        self.hosts.allow(url)
    }

    /// Fetches all of it, within the deadline of its promise.
    pub(super) async fn fetch(self, url: Url) -> Result<Fetched, BoxError> {
        static FETCHES: AtomicU64 = AtomicU64::new(0);
        let _descriptor = self.descriptors.take(1)?;
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

fn on_the_same_host(hosts: Arc<Hosts>) -> Policy {
    Policy::custom(move |attempt| {
        let same = attempt
            .previous()
            .first()
            .is_some_and(|first| first.host() == attempt.url().host());
        match attempt.previous().len() {
            0..=REDIRECTS if same && hosts.have(attempt.url()) => attempt.follow(),
            0..=REDIRECTS => attempt.error("redirected to another host or port"),
            _ => attempt.error("redirected too often"),
        }
    })
}

/// Resolves names, and keeps the permitted addresses. The client connects to exactly these, without
/// resolving again.
struct Resolver(Arc<Hosts>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = &self.0.private;
        let is_private = private
            .iter()
            .any(|host| host.name.eq_ignore_ascii_case(name.as_str()));
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
