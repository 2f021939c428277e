use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use euryale_core::Request;
use euryale_core::body::SpooledBody;
use euryale_core::request::{Peer, PeerAddr};
use http::{HeaderName, HeaderValue, Version};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::prelude::*;

use super::{Place, variables};
use crate::latin1;

fn place() -> Place<'static> {
    Place {
        scheme: "http",
        server_name: Cow::Borrowed("localhost"),
        server_port: 8080,
        prefix: "",
        outer_prefix: "",
        host: None,
        client: None,
    }
}

fn get(uri: &str) -> Request {
    let request = http::Request::builder().uri(uri);
    request.body(SpooledBody::empty()).unwrap()
}

fn map(request: &Request, place: &Place<'_>) -> BTreeMap<String, String> {
    let all = variables(request, place);
    let count = all.len();
    let map: BTreeMap<String, String> = all
        .into_iter()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    assert_eq!(map.len(), count, "a name occurs twice");
    map
}

#[test]
fn the_address_of_an_ipv4_client_is_that_of_ipv4_on_a_dual_stack_socket() {
    let mut request = get("/");
    let peer = PeerAddr::Tcp("[::ffff:192.0.2.7]:4711".parse().unwrap());
    request.extensions_mut().insert(Peer::new(peer));
    let map = map(&request, &place());
    assert_eq!(map["REMOTE_ADDR"], "192.0.2.7");
    assert_eq!(map["REMOTE_HOST"], "192.0.2.7");
    assert_eq!(map["REMOTE_PORT"], "4711");
}

#[test]
fn a_plain_request_has_the_variables_of_the_standard() {
    let mut request = get("/a%20b?c=d%20e");
    let peer = PeerAddr::Tcp("192.0.2.7:4711".parse().unwrap());
    request.extensions_mut().insert(Peer::new(peer));
    let map = map(&request, &place());
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", "/a b"),
        ("QUERY_STRING", "c=d%20e"),
        ("REQUEST_URI", "/a%20b?c=d%20e"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "localhost"),
        ("SERVER_PORT", "8080"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("REMOTE_PORT", "4711"),
        ("wsgi.url_scheme", "http"),
    ] {
        assert_eq!(map.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!map.contains_key("CONTENT_LENGTH"));
}

#[test]
fn the_prefix_of_a_proxy_precedes_the_applications_and_is_not_in_the_path() {
    let place = Place {
        prefix: "/app",
        outer_prefix: "/outer",
        ..place()
    };
    for (path, info) in [("/app/x", "/x"), ("/outer/x", "/outer/x"), ("/app", "")] {
        let map = map(&get(path), &place);
        assert_eq!(map["SCRIPT_NAME"], "/outer/app");
        assert_eq!(map["PATH_INFO"], info, "{path}");
    }
}

#[test]
fn a_path_below_the_prefix_loses_it_to_script_name() {
    let place = Place {
        prefix: "/app",
        ..place()
    };
    for (path, info) in [
        ("/app", ""),
        ("/app/", "/"),
        ("/app/x", "/x"),
        ("/apple", "/apple"),
        ("/", "/"),
    ] {
        let map = map(&get(path), &place);
        assert_eq!(map["SCRIPT_NAME"], "/app");
        assert_eq!(map["PATH_INFO"], info, "{path}");
    }
}

#[test]
fn fields_with_an_underscore_and_proxy_are_dropped() {
    let mut request = get("/");
    let headers = request.headers_mut();
    for name in ["x_real_user", "proxy", "x-real-user"] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static("Medusa"),
        );
    }
    let map = map(&request, &place());
    assert_eq!(map["HTTP_X_REAL_USER"], "Medusa");
    assert!(!map.contains_key("HTTP_PROXY"));
    assert_eq!(map.keys().filter(|key| key.starts_with("HTTP_")).count(), 1);
}

#[test]
fn fields_of_one_name_are_joined_in_their_order() {
    let mut request = get("/");
    for (name, value) in [
        ("x-a", "1"),
        ("cookie", "a=1"),
        ("x-a", "2"),
        ("cookie", "b=2"),
    ] {
        let name = HeaderName::from_static(name);
        request
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    let map = map(&request, &place());
    assert_eq!(map["HTTP_X_A"], "1, 2");
    assert_eq!(map["HTTP_COOKIE"], "a=1; b=2");
}

#[test]
fn a_chunked_body_has_the_length_that_has_arrived() {
    let request = http::Request::builder()
        .method("POST")
        .header("transfer-encoding", "chunked")
        .header("content-type", "text/plain")
        .body(SpooledBody::from("hello"))
        .unwrap();
    let map = map(&request, &place());
    assert_eq!(map["CONTENT_LENGTH"], "5");
    assert_eq!(map["CONTENT_TYPE"], "text/plain");
    assert!(!map.contains_key("HTTP_TRANSFER_ENCODING"));
    assert!(!map.contains_key("HTTP_CONTENT_TYPE"));
}

#[test]
fn an_empty_body_that_was_announced_has_length_zero() {
    let mut request = get("/");
    request
        .headers_mut()
        .insert("content-length", HeaderValue::from_static("0"));
    assert_eq!(map(&request, &place())["CONTENT_LENGTH"], "0");
}

#[test]
fn a_trusted_proxy_names_the_host_and_the_client() {
    let mut request = get("/");
    request
        .headers_mut()
        .insert("host", HeaderValue::from_static("backend:8080"));
    request
        .extensions_mut()
        .insert(Peer::new(PeerAddr::Tcp("10.0.0.1:1".parse().unwrap())));
    let place = Place {
        scheme: "https",
        host: Some("example.org".into()),
        client: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        ..place()
    };
    let map = map(&request, &place);
    assert_eq!(map["HTTP_HOST"], "example.org");
    assert_eq!(map["REMOTE_ADDR"], "192.0.2.1");
    assert_eq!(map["wsgi.url_scheme"], "https");
    assert!(!map.contains_key("REMOTE_PORT"), "the port is the proxy's");
}

#[test]
fn the_protocol_can_be_split_at_its_slash() {
    for (version, name) in [
        (Version::HTTP_10, "HTTP/1.0"),
        (Version::HTTP_11, "HTTP/1.1"),
        (Version::HTTP_2, "HTTP/2.0"),
    ] {
        let mut request = get("http://example.org/");
        *request.version_mut() = version;
        let map = map(&request, &place());
        assert_eq!(map["SERVER_PROTOCOL"], name);
        assert_eq!(map["HTTP_HOST"], "example.org");
    }
}

proptest! {
    #[test]
    fn path_info_is_the_bytes_of_the_path(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let path = format!("/{}", percent_encode(&bytes, NON_ALPHANUMERIC));
        let info = map(&get(&path), &place())["PATH_INFO"].clone();
        let back = latin1::encode(&info).expect("latin-1");
        prop_assert_eq!(&back[1..], &bytes[..]);
    }

    #[test]
    fn values_keep_their_bytes(bytes in prop::collection::vec(0x20_u8..=0xff, 1..40)) {
        let mut request = get("/");
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        request.headers_mut().insert("x-value", value);
        let text = map(&request, &place())["HTTP_X_VALUE"].clone();
        let back = latin1::encode(&text).expect("latin-1");
        prop_assert_eq!(&back[..], &bytes[..]);
    }

    #[test]
    fn latin1_is_read_back(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let text = latin1::decode(&bytes);
        prop_assert_eq!(text.chars().count(), bytes.len());
        let back = latin1::encode(&text).expect("latin-1");
        prop_assert_eq!(&back[..], &bytes[..]);
    }
}
