//! Requests: their publisher, their sender, their route, and the times of their stages.
//!
//! A [`Publisher`] gets a [`Request`] and returns a [`Response`]. The layers outside it add
//! extensions to the request: the [`Peer`], the [`Route`], the [`Times`], and the
//! [`RequestContext`] with values that all copies of its head share. One of these is [`Internal`],
//! through which a page can send requests to the site itself.

mod admit;
mod context;
mod internal;
mod message;
mod peer;
mod publisher;
mod route;
mod times;

pub use self::admit::Admit;
pub use self::context::RequestContext;
pub use self::internal::{Internal, InternalRequest};
pub use self::message::{Request, Response};
pub use self::peer::{Peer, PeerAddr};
pub use self::publisher::{Publisher, PublisherFn, publisher_fn};
pub use self::route::Route;
pub use self::times::{Stage, Times};
