fn app(pool: Pool<Sqlite>) -> Router {
    let site = Stack::new(pool).publish(|_request, transaction| {
        transaction.writable()?; // GET begins as a reader; this one writes
        let connection = transaction.connection()?; // connects and begins
        connection.execute("INSERT INTO visits VALUES (datetime('now'))", [])?;
        let count = "SELECT count(*) FROM visits";
        let visits: i64 = connection.query_row(count, [], |row| row.get(0))?;
        Ok(Response::new(Body::from(format!("You are visitor {visits}.\n")))) // commits
    });
    // Only the page itself counts: browsers ask for /favicon.ico as well.
    Router::new()
        .route_service("/", site)
        .route("/live", get(|| async { "needs no worker" }))
}
