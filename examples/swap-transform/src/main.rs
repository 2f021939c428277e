//! Replaces one transform by another: the same table of contents is made by a streaming rewrite, or
//! from the whole page.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use euryale_core::BoxError;
use euryale_transform::html_content::ContentType;
use euryale_transform::{
    Handlers, Page, Rewrite, Selector, Transform, TransformChainLayer, order, page_fn,
};
use tokio::net::TcpListener;

#[cfg(test)]
mod tests;

/// The name and the place in the chain. Keep both when you swap a transform, so that the others are
/// not affected.
const NAME: &str = "contents";
const ORDER: i32 = order::CONTENT;

/// The streaming transform: it can add the contents only below the text that it has seen.
struct Below {
    headings: Selector,
    body: Selector,
}

impl Transform for Below {
    fn name(&self) -> &str {
        NAME
    }

    fn order(&self) -> i32 {
        ORDER
    }
}

impl Rewrite for Below {
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        let seen = Arc::new(Mutex::new(String::new()));
        let collected = Arc::clone(&seen);
        handlers.text(&self.headings, move |text| {
            let mut seen = collected.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push_str(text.as_str());
            if text.last_in_text_node() {
                seen.push_str("; ");
            }
            Ok(())
        });
        handlers.element(&self.body, move |body| {
            let seen = Arc::clone(&seen);
            body.on_end_tag(move |end| {
                let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                end.before(&nav(seen.trim_end_matches("; ")), ContentType::Html);
                Ok(())
            });
            Ok(())
        });
        Ok(())
    }
}

/// The transform of the whole page: it waits for the end of the page, and can add the contents on
/// top.
fn above(page: &str) -> String {
    let headings = page
        .split("<h2>")
        .skip(1)
        .filter_map(|rest| rest.split("</h2>").next());
    let nav = nav(&headings.collect::<Vec<_>>().join("; "));
    page.replacen("<body>", &format!("<body>{nav}"), 1)
}

fn nav(headings: &str) -> String {
    format!("<nav>{headings}</nav>")
}

async fn page() -> Html<&'static str> {
    Html("<body><h2>Stheno</h2><h2>Euryale</h2></body>\n")
}

fn app() -> Result<Router, BoxError> {
    let below = Below {
        headings: "h2".parse()?,
        body: "body".parse()?,
    };
    let above = page_fn(NAME, ORDER, |page| Ok(above(&page)));
    let pages = || Router::new().route("/", get(page));
    Ok(Router::new()
        .nest(
            "/below",
            pages().layer(TransformChainLayer::new().rewrite(below)),
        )
        .nest(
            "/above",
            pages().layer(TransformChainLayer::new().transform_page(above)),
        ))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    Ok(axum::serve(TcpListener::bind("127.0.0.1:3000").await?, app()?).await?)
}
