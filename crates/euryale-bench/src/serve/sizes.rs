//! What the views of `scale` have several of: lanes of a pool, and transforms of a page.

use euryale::request::{Peer, PeerAddr};
use euryale::transform::html_content::ContentType;
use euryale::transform::{Handlers, Page, Rewrite, Selector, Transform, TransformChainLayer};
use euryale::{BoxError, Database, Pool, Request, Stack};

use crate::scene::{LETTER, Scene, View};

/// The lanes of the pool: none, except in the view of lanes.
pub(super) fn lane_names(scene: &Scene) -> impl Iterator<Item = String> {
    let count = if scene.view == View::Lanes {
        scene.count
    } else {
        0
    };
    (0..count).map(|number| format!("lane-{number}"))
}

/// Each client waits in the lane of its port. The kernel gives ports of the same parity to clients.
pub(super) fn lanes<D: Database>(stack: Stack<D>, pool: &Pool<D>, scene: &Scene) -> Stack<D> {
    let count = scene.count;
    let lanes = lane_names(scene).filter_map(|name| pool.lane(&name));
    let add = |stack: Stack<D>, (number, lane)| {
        stack.lane(lane, move |request: &Request| {
            let port = match request.extensions().get::<Peer>().map(Peer::address) {
                Some(PeerAddr::Tcp(address)) => usize::from(address.port()),
                _ => 0,
            };
            port / 2 % count == number
        })
    };
    lanes.enumerate().fold(stack, add)
}

/// Appends a letter to the page's footer.
struct Append {
    name: String,
    footer: Selector,
}

impl Transform for Append {
    fn name(&self) -> &str {
        &self.name
    }

    fn order(&self) -> i32 {
        1
    }
}

impl Rewrite for Append {
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        handlers.element(&self.footer, |footer| {
            footer.append(LETTER, ContentType::Text);
            Ok(())
        });
        Ok(())
    }
}

/// A chain of `count` transforms, each of which changes the page.
pub(super) fn transforms(count: usize) -> TransformChainLayer {
    let footer: Selector = "footer".parse().expect("a selector");
    let append = |number: usize| Append {
        name: format!("append-{number}"),
        footer: footer.clone(),
    };
    let chain = TransformChainLayer::new();
    (0..count)
        .map(append)
        .fold(chain, TransformChainLayer::rewrite)
}
