//! Pages that are transformed after their handlers have answered: two rewrites in one pass, and a
//! head.

use axum::Router;
use axum::http::{HeaderValue, header, response};
use axum::response::Html;
use axum::routing::get;
use euryale_core::BoxError;
use euryale_transform::html_content::ContentType;
use euryale_transform::{
    EditHead, Handlers, Page, Rewrite, Selector, Transform, TransformChainLayer,
};
use tokio::net::TcpListener;

#[cfg(test)]
mod tests;

/// Links to other sites open in a new tab.
struct Outwards(Selector);

impl Transform for Outwards {
    fn name(&self) -> &str {
        "outwards"
    }

    fn order(&self) -> i32 {
        8900
    }
}

impl Rewrite for Outwards {
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        handlers.element(&self.0, |link| Ok(link.set_attribute("target", "_blank")?));
        Ok(())
    }
}

/// Every page has a footer that knows its address.
struct Footer(Selector);

impl Transform for Footer {
    fn name(&self) -> &str {
        "footer"
    }

    fn order(&self) -> i32 {
        9500
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

/// Nothing may frame our pages.
struct NoFrames;

impl Transform for NoFrames {
    fn name(&self) -> &str {
        "no-frames"
    }

    fn order(&self) -> i32 {
        12000
    }
}

impl EditHead for NoFrames {
    fn edit_head(&self, _page: &Page, response: &mut response::Parts) -> Result<(), BoxError> {
        let policy = HeaderValue::from_static("frame-ancestors 'none'");
        response
            .headers
            .insert(header::CONTENT_SECURITY_POLICY, policy);
        Ok(())
    }
}

async fn page() -> Html<&'static str> {
    Html("<body><a href='https://example.org/'>out</a> <a href='/in'>in</a></body>\n")
}

fn app() -> Result<Router, BoxError> {
    let chain = TransformChainLayer::new()
        .rewrite(Outwards("a[href^='https:']".parse()?))
        .rewrite(Footer("body".parse()?))
        .edit_head(NoFrames);
    Ok(Router::new()
        .route("/", get(page))
        .route("/text", get(|| async { "<body></body>\n" }))
        .layer(chain))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    Ok(axum::serve(TcpListener::bind("127.0.0.1:3000").await?, app()?).await?)
}
