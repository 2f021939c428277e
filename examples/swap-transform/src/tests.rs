use euryale_test::run_readme;
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_true() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, crate::app().unwrap()).into_future());
    run_readme(include_str!("../README.md"), address);
    serving.abort();
}
