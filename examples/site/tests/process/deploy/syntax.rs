//! What no test starts.

use super::configuration;

#[test]
fn traefiks_files_can_be_read() {
    let main: toml::Table = configuration("traefik/traefik.toml", &[]).parse().unwrap();
    assert!(main["entryPoints"]["web"]["address"].is_str());
    let routes: toml::Table = configuration("traefik/euryale.toml", &[]).parse().unwrap();
    let http = &routes["http"];
    // Each name that is used is there.
    for (_, router) in http["routers"].as_table().unwrap() {
        assert!(http["services"].get(router["service"].as_str().unwrap()).is_some());
        for middleware in router["middlewares"].as_array().unwrap() {
            assert!(http["middlewares"].get(middleware.as_str().unwrap()).is_some());
        }
    }
}
