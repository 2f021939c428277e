//! Applies the reports of trusted proxies to a request.

use euryale_core::request::PeerAddr;
use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Uri};

use crate::Client;
use crate::fields::{self, Field};
use crate::host::{Host, parse_port};
use crate::layer::Settings;
use crate::node::{Walk, walk};
use crate::public_url::{Facts, PublicUrl, plain_path, single_host};
use crate::refusal::Malformed;
use crate::rfc7239;
use crate::visit::Visit;

impl Settings {
    /// Stores [`Client`] and [`PublicUrl`], changes `Host` and the target to match, and removes the
    /// forwarded fields of any peer.
    pub(crate) fn apply(&self, parts: &mut Parts) -> Result<(), Malformed> {
        let peer = self.peer.find(&parts.extensions, &self.proxies);
        let (client, url) = if self.proxies.contain(peer) {
            let told = self.told(peer, &parts.headers)?;
            let client = Client {
                ip: told.walk.client,
                is_proxied: true,
            };
            let mut facts = Facts::of(parts);
            let is_moved = told.say(&mut facts);
            let url = PublicUrl::new(facts);
            if is_moved {
                agree(parts, &url);
            }
            (client, url)
        } else {
            (
                Client {
                    ip: peer.ip(),
                    is_proxied: false,
                },
                PublicUrl::new(Facts::of(parts)),
            )
        };
        fields::remove(&mut parts.headers);
        let visit = Visit {
            client: Some(client),
            url,
        };
        visit.attach(&mut parts.extensions);
        Ok(())
    }

    fn told(&self, peer: PeerAddr, headers: &HeaderMap) -> Result<Told, Malformed> {
        let last = |field: Field, walk: Walk| -> Result<Option<&str>, Malformed> {
            let is_listed = self.fields.contains(&field);
            if is_listed {
                Ok(walk.pick(&fields::list(headers, field)?).copied())
            } else {
                Ok(None)
            }
        };
        let (walk, proto, host) = if self.fields.contains(&Field::Forwarded) {
            let elements = rfc7239::elements(headers)?;
            let nodes = elements.iter().map(|element| element.node.as_deref());
            let name = Field::Forwarded.name();
            let walk = walk(peer, nodes, &self.proxies, self.max_hops, name)?;
            // If a proxy does not report an item, the next proxy towards this server decides.
            let near = &elements[elements.len().saturating_sub(walk.hops.max(1))..];
            let proto = near.iter().find_map(|element| element.proto.as_deref());
            let host = near.iter().find_map(|element| element.host.as_deref());
            let proto = proto
                .map(|proto| parse_proto(proto, Field::Forwarded))
                .transpose()?;
            (
                walk,
                proto,
                host.map(|host| parse_host(host, Field::Forwarded))
                    .transpose()?,
            )
        } else {
            let nodes = match self.fields.contains(&Field::XForwardedFor) {
                true => fields::list(headers, Field::XForwardedFor)?,
                false => Vec::new(),
            };
            let name = Field::XForwardedFor.name();
            let nodes = nodes.into_iter().map(Some);
            let walk = walk(peer, nodes, &self.proxies, self.max_hops, name)?;
            let field = Field::XForwardedProto;
            let proto = last(field, walk)?
                .map(|proto| parse_proto(proto, field))
                .transpose()?;
            let field = Field::XForwardedHost;
            (
                walk,
                proto,
                last(field, walk)?
                    .map(|host| parse_host(host, field))
                    .transpose()?,
            )
        };
        let field = Field::XForwardedPort;
        let port = last(field, walk)?.map(|port| parse_port(port).ok_or(Malformed(field.name())));
        let field = Field::XForwardedPrefix;
        let prefix =
            last(field, walk)?.map(|prefix| plain_path(prefix).ok_or(Malformed(field.name())));
        Ok(Told {
            walk,
            proto,
            host,
            port: port.transpose()?,
            prefix: prefix.transpose()?,
        })
    }
}

/// Data that trusted proxies reported, if it could be read.
struct Told {
    walk: Walk,
    proto: Option<bool>,
    host: Option<Host>,
    port: Option<u16>,
    prefix: Option<Box<str>>,
}

impl Told {
    /// Applies the data, and returns whether scheme, host or port have changed.
    fn say(self, facts: &mut Facts) -> bool {
        let is_moved = self.proto.is_some() || self.host.is_some() || self.port.is_some();
        facts.is_https = self.proto.unwrap_or(facts.is_https);
        facts.host = self.host.or(facts.host.take());
        if let Some(host) = &mut facts.host {
            host.port = host.port.or(self.port);
        }
        facts.prefix = self.prefix.unwrap_or_default();
        is_moved
    }
}

/// Changes `Host` and the target to match the public URL, so that middleware which compares them
/// with a header of the browser, such as `Origin`, compares the right host.
pub(crate) fn agree(parts: &mut Parts, url: &PublicUrl) {
    let Some(host) = url.named_host() else { return };
    let is_said =
        host.port.is_none() && single_host(&parts.headers).is_some_and(|said| said == host.name());
    if is_said && parts.uri.authority().is_none() {
        return;
    }
    let host = host.to_string();
    // A host is always a valid header value and authority; otherwise nothing is changed.
    let (Ok(value), Ok(authority)) = (HeaderValue::try_from(&host), Authority::try_from(host))
    else {
        return;
    };
    parts.headers.insert(HOST, value);
    if parts.uri.authority().is_some() {
        let mut uri = parts.uri.clone().into_parts();
        uri.authority = Some(authority);
        uri.scheme = Some(if url.is_https() {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        });
        parts.uri = Uri::from_parts(uri).unwrap_or_else(|_| parts.uri.clone());
    }
}

/// Returns whether the scheme uses TLS. Schemes are case-insensitive (RFC 7239 §5.4, RFC 3986
/// §3.1).
fn parse_proto(text: &str, field: Field) -> Result<bool, Malformed> {
    let is_one_of = |schemes: [&str; 2]| {
        schemes
            .iter()
            .any(|scheme| text.eq_ignore_ascii_case(scheme))
    };
    let is_plain = is_one_of(["http", "ws"]);
    if is_plain || is_one_of(["https", "wss"]) {
        Ok(!is_plain)
    } else {
        Err(Malformed(field.name()))
    }
}

fn parse_host(text: &str, field: Field) -> Result<Host, Malformed> {
    Host::parse(text).ok_or(Malformed(field.name()))
}
