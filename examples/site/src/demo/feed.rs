//! `/@@feed?url=`: a news feed from another site, and the newest entries of one on the home page.
//!
//! A feed is fetched by a promise that all requests share for a minute, and parsed by another one,
//! which blocks, because foreign text must not be parsed on a runtime thread.

pub(crate) mod address;
mod fetch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use euryale::body::Descriptors;
use euryale::error::Pending;
use euryale::promise::{Key, PromiseError, Promises, PromisesExt};
use euryale::{Abort, Request, Response, Transaction};
use feed_rs::model::Feed;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use minijinja::{Value, context};
use reqwest::Url;

use self::address::Refused;
#[cfg(test)]
pub(crate) use self::address::is_public;
use self::fetch::{Client, Fetched, Hosts};
use crate::cli::settings::Settings;
use crate::pages::navigation::sections;
use crate::pages::page::{Pages, Problem, View, html};
use crate::pages::query::parameter;
use crate::store::Engine;

const FETCHED: Key<Fetched> = Key::new("feed").weighed(|fetched| fetched.bytes.capacity());
const PARSED: Key<Parsed> = Key::new("parse").weighed(|parsed| parsed.text);

/// A feed, and the length of its text, which is its weight.
struct Parsed {
    feed: Feed,
    text: usize,
}

const FRESH: Duration = Duration::from_secs(60);
/// The time for which the home page shows old entries while newer ones are fetched.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// The time that the home page waits if it has nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// The number of different feeds that any client may request within [`FRESH`]. All of them stay
/// among the shared values, so none is fetched twice in that time.
const MOST_FEEDS: usize = 16;
/// The maximum length of an address, in bytes, because those of the last minute are kept.
const LONGEST_URL: usize = 2000;

/// The number of entries that are shown.
const MOST: usize = 20;
const MOST_NEWS: usize = 3;

/// The permitted sources of feeds, and the settings for them.
pub(crate) struct Feeds {
    client: Client,
    news: Option<String>,
    /// The addresses that clients requested within [`FRESH`], with the times.
    asked: Mutex<HashMap<Url, Instant>>,
}

/// Returns whether a feed may be fetched from this address.
pub(crate) fn is_allowed(settings: &Settings, url: &str) -> bool {
    Hosts::new(settings).allow(url).is_ok()
}

impl Feeds {
    pub(crate) fn new(settings: &Settings, descriptors: &Descriptors) -> Self {
        Self {
            client: Client::new(settings, descriptors),
            news: settings.news.clone(),
            asked: Mutex::default(),
        }
    }

    /// The page of the requested feed.
    pub(crate) fn answer(
        &self,
        pages: &Pages,
        request: &Request,
        transaction: &mut Transaction<'_, Engine>,
    ) -> Result<Response, Abort> {
        let refuse = |status: StatusCode, detail: &str| {
            Abort::response(pages.problem(&Problem::new(status, detail), request.headers()))
        };
        let wanted = "the address of a feed, beginning with http:// or https://";
        let url = parameter::<String>(request.uri(), "url", wanted);
        let url =
            url.and_then(|url| url.ok_or_else(|| format!("The parameter url must be {wanted}.")));
        let url = url.and_then(|url| match url.len() {
            0..=LONGEST_URL => Ok(url),
            _ => Err(format!(
                "The parameter url has at most {LONGEST_URL} bytes."
            )),
        });
        let url = url.map_err(|detail| refuse(StatusCode::BAD_REQUEST, &detail))?;
        let url = self.client.allow(&url).map_err(|refused| match refused {
            Refused::NoUrl => refuse(
                StatusCode::BAD_REQUEST,
                &format!("The parameter url must be {wanted}."),
            ),
            Refused::Host => refuse(
                StatusCode::FORBIDDEN,
                "This site fetches no feeds from there.",
            ),
        })?;
        if !self.admit(&url) {
            let detail = format!(
                "{MOST_FEEDS} other feeds were requested within the last minute. Try again later."
            );
            let mut busy = pages.problem(
                &Problem::new(StatusCode::SERVICE_UNAVAILABLE, &detail),
                request.headers(),
            );
            busy.headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(FRESH.as_secs()));
            return Err(Abort::response(busy));
        }
        let feed = match self.feed(&request.promises().shared(FRESH), &url)? {
            Ok(feed) => feed,
            Err(PromiseError::Elapsed) => {
                return Err(refuse(
                    StatusCode::GATEWAY_TIMEOUT,
                    "The feed did not arrive in time.",
                ));
            }
            Err(error) => {
                tracing::info!(target: "site::feed", %url, "no feed: {error}");
                return Err(refuse(
                    StatusCode::BAD_GATEWAY,
                    "The answer is not a feed, or there was none.",
                ));
            }
        };
        let title = feed
            .feed
            .title
            .as_ref()
            .map_or("Feed", |title| &title.content);
        let context = context! { url => url.as_str(), entries => entries(&feed.feed, MOST) };
        let sections = sections(transaction.connection()?)?;
        let body = pages.fragment("feed", context)?;
        Ok(html(
            StatusCode::OK,
            pages.render(&View {
                title,
                sections: Some(&sections),
                body,
                ..View::default()
            })?,
        ))
    }

    /// Counts an address as requested. Returns false if there are too many others, because a client
    /// that varies the query could have each of them fetched.
    fn admit(&self, url: &Url) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, when| when.elapsed() < FRESH);
        if asked.contains_key(url) {
            return true;
        }
        let has_room = asked.len() < MOST_FEEDS;
        if has_room {
            asked.insert(url.clone(), Instant::now());
        }
        has_room
    }

    /// Returns whether the settings name a feed for the home page.
    pub(crate) fn has_news(&self) -> bool {
        self.news.is_some()
    }

    /// The newest entries of the feed in the settings, as HTML for the home page; empty if there is
    /// none.
    pub(crate) fn news(&self, pages: &Pages, request: &Request) -> Result<String, Abort> {
        let Some(url) = &self.news else {
            return Ok(String::new());
        };
        let promises = request
            .promises()
            .shared(FRESH)
            .stale_while_revalidate(STALE)
            .deadline(PATIENCE);
        let feed = match self.client.allow(url) {
            Ok(url) => self.feed(&promises, &url)?.ok(),
            Err(_) => None,
        };
        let entries = feed
            .map(|feed| entries(&feed.feed, MOST_NEWS))
            .unwrap_or_default();
        Ok(pages.fragment("news", context! { entries })?)
    }

    /// Fetched in one pass, and parsed in the next; later requests have both at once.
    fn feed(
        &self,
        promises: &Promises<'_>,
        url: &Url,
    ) -> Result<Result<Arc<Parsed>, PromiseError>, Pending> {
        let client = self.client.clone();
        let fetch = {
            let url = url.clone();
            move || async move { client.fetch(url).await }
        };
        let fetched = match promises.ask(FETCHED.with(url), fetch).ready()? {
            Ok(fetched) => fetched,
            Err(error) => return Ok(Err(error)),
        };
        // The key of this text, different from other texts of the same address.
        let key = PARSED.with(format_args!("{url} {}", fetched.number));
        let parse = move || {
            let feed = feed_rs::parser::parse(&*fetched.bytes)?;
            Ok::<_, feed_rs::parser::ParseFeedError>(Parsed {
                feed,
                text: fetched.bytes.len(),
            })
        };
        promises.ask_blocking(key, parse).ready()
    }
}

/// For templates. Only links that a browser may follow are links.
fn entries(feed: &Feed, most: usize) -> Vec<Value> {
    let entry = |entry: &feed_rs::model::Entry| {
        let title = entry
            .title
            .as_ref()
            .map_or("(without a title)", |title| &title.content);
        let link = entry.links.iter().map(|link| link.href.as_str());
        let href = link
            .clone()
            .find(|href| href.starts_with("https://") || href.starts_with("http://"));
        let date = entry
            .published
            .or(entry.updated)
            .map(|date| date.format("%Y-%m-%d").to_string());
        context! { title, href, date }
    };
    feed.entries.iter().take(most).map(entry).collect()
}
