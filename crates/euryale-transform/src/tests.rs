use std::borrow::Cow;
use std::convert::Infallible;

use euryale_core::{Body, BoxError, Ledger, Response};
use euryale_test::assert_quiet;
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::{EditHead, Handlers, Page, Rewrite, Selector, Transform, TransformChainLayer, TransformPage};

struct Exclaim(Selector);

impl Transform for Exclaim {
    fn name(&self) -> &str {
        "exclaim"
    }
    fn order(&self) -> i32 {
        2
    }
    fn version(&self) -> Option<Cow<'_, str>> {
        Some("1".into())
    }
}

impl Rewrite for Exclaim {
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        handlers.element(&self.0, |element| {
            element.append("!", crate::html_content::ContentType::Text);
            Ok(())
        });
        Ok(())
    }
}

struct Shout;

impl Transform for Shout {
    fn name(&self) -> &str {
        "shout"
    }
    fn order(&self) -> i32 {
        1
    }
}

impl TransformPage for Shout {
    async fn transform(
        &self,
        page: &Page,
        response: http::Response<String>,
    ) -> Result<http::Response<String>, BoxError> {
        let (head, text) = response.into_parts();
        let text = page.cpu().run(move || text.replace("hello", "HELLO")).await?;
        Ok(http::Response::from_parts(head, text))
    }
}

struct Named;

impl Transform for Named {
    fn name(&self) -> &str {
        "named"
    }
    fn order(&self) -> i32 {
        3
    }
}

impl EditHead for Named {
    fn edit_head(&self, page: &Page, response: &mut http::response::Parts) -> Result<(), BoxError> {
        response.headers.insert("x-asked", page.request().uri.path().parse()?);
        Ok(())
    }
}

#[tokio::test]
async fn a_page_goes_through_transforms_of_all_kinds() {
    let ledger = Ledger::new();
    let layer = TransformChainLayer::new()
        .rewrite(Exclaim("p".parse().unwrap()))
        .edit_head(Named)
        .transform_page(Shout)
        .ledger(ledger.clone());
    let service = ServiceBuilder::new().layer(layer).service(service_fn(async |_: http::Request<()>| {
        let mut response = Response::new(Body::from("<p>hello</p>"));
        response.headers_mut().insert("content-type", "text/html".parse().unwrap());
        Ok::<_, Infallible>(response)
    }));
    let response = service.oneshot(http::Request::get("/a").body(()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["x-asked"], "/a");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "<p>HELLO!</p>");
    assert_quiet(&ledger).await;
}
