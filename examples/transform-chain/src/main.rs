//! Transforms pages after their handlers have answered: two rewrites in one pass, and a change of
//! the head.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::Html;
use axum::routing::get;
use euryale_core::BoxError;
use euryale_transform::html_content::ContentType;
use euryale_transform::{
    Handlers, Page, Rewrite, Selector, Transform, TransformChainLayer, head_fn, order, rewrite_fn,
};
use tokio::net::TcpListener;

#[cfg(test)]
mod tests;

/// Adds a footer with the page's address. It depends on the request, so it is a type and not a
/// closure.
struct Footer(Selector);

impl Transform for Footer {
    fn name(&self) -> &str {
        "footer"
    }

    fn order(&self) -> i32 {
        order::PAGE
    }
}

impl Rewrite for Footer {
    fn rewrite(&self, page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        let footer = format!("<footer>{}</footer>", page.request().uri.path());
        handlers.element(&self.0, move |body| {
            body.append(&footer, ContentType::Html);
            Ok(())
        });
        Ok(())
    }
}

async fn page() -> Html<&'static str> {
    Html("<body><a href='https://example.org/'>out</a> <a href='/in'>in</a></body>\n")
}

fn app() -> Result<Router, BoxError> {
    // Lets links to other sites open in a new tab.
    let outwards = "a[href^='https:']".parse()?;
    let outwards = rewrite_fn("outwards", order::THEME + 50, outwards, |link| {
        Ok(link.set_attribute("target", "_blank")?)
    });
    // Forbids other sites to show our pages in a frame.
    let no_frames = head_fn("no-frames", order::HEADERS, |_page, head| {
        let policy = HeaderValue::from_static("frame-ancestors 'none'");
        head.headers.insert(CONTENT_SECURITY_POLICY, policy);
        Ok(())
    });
    let chain = TransformChainLayer::new()
        .rewrite(outwards)
        .rewrite(Footer("body".parse()?))
        .edit_head(no_frames);
    Ok(Router::new()
        .route("/", get(page))
        .route("/text", get(|| async { "<body></body>\n" }))
        .layer(chain))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    Ok(axum::serve(TcpListener::bind("127.0.0.1:3000").await?, app()?).await?)
}
