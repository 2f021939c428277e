use super::*;

const MAX_TARGET: usize = 100;

fn verdict(
    version: Version,
    uri: &str,
    fields: &[(&str, &str)],
) -> Result<Option<String>, &'static str> {
    verdict_on(Method::GET, version, uri, fields).map_err(|refusal| refusal.why)
}

fn verdict_on(
    method: Method,
    version: Version,
    uri: &str,
    fields: &[(&str, &str)],
) -> Result<Option<String>, Refusal> {
    let mut request = Request::builder().method(method).version(version).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).unwrap();
    check(&mut request, MAX_TARGET)?;
    Ok(request
        .headers()
        .get(HOST)
        .map(|host| host.to_str().unwrap().to_owned()))
}

#[test]
fn hosts_are_read_in_one_way() {
    for good in [
        "a",
        "a.example:80",
        "a:65535",
        "a:00080",
        "A-b.example.",
        "192.0.2.1:",
        "[::1]",
        "[::ffff:192.0.2.1]:8080",
        "a%20b",
    ] {
        assert_eq!(
            verdict(Version::HTTP_11, "/", &[("host", good)]),
            Ok(Some(good.to_owned()))
        );
    }
    for bad in [
        "", ":80", "a:b", "a:80:80", "a:123456", "a:65536", "a:99999", "a b", "user@a", "a/b",
        "a?b", "a#b", "[::1", "[]", "[g]", "[::1]80", "a\\b",
    ] {
        assert_eq!(
            verdict(Version::HTTP_11, "/", &[("host", bad)]),
            Err("the Host is none"),
            "{bad}"
        );
    }
}

#[test]
fn there_is_one_host() {
    let cases: [(_, _, &[_], _); 10] = [
        (Version::HTTP_11, "/", &[], Err("there is no Host")),
        (Version::HTTP_10, "/", &[], Ok(None)),
        (
            Version::HTTP_11,
            "/",
            &[("host", "a"), ("host", "a")],
            Err("there is more than one Host"),
        ),
        (
            Version::HTTP_11,
            "http://a/",
            &[("host", "A")],
            Ok(Some("A")),
        ),
        (Version::HTTP_11, "http://a/", &[], Err("there is no Host")),
        (
            Version::HTTP_11,
            "http://a/",
            &[("host", "b")],
            Err("the Host differs from the request's target"),
        ),
        (Version::HTTP_2, "https://a/", &[], Ok(Some("a"))),
        (
            Version::HTTP_2,
            "https://a/",
            &[("host", "b")],
            Err("the Host differs from the request's target"),
        ),
        (
            Version::HTTP_2,
            "https://u@a/",
            &[],
            Err("the Host is none"),
        ),
        (Version::HTTP_2, "/", &[], Err("there is no Host")),
    ];
    for (version, uri, fields, expected) in cases {
        assert_eq!(
            verdict(version, uri, fields),
            expected.map(|host| host.map(str::to_owned)),
            "{uri}"
        );
    }
}

#[test]
fn chunked_is_the_only_transfer_coding() {
    let with = |codings: &[&'static str]| {
        let mut fields = vec![("host", "a")];
        fields.extend(codings.iter().map(|coding| ("transfer-encoding", *coding)));
        let verdict = verdict_on(Method::POST, Version::HTTP_11, "/", &fields);
        verdict.map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
    };
    assert_eq!((with(&["chunked"]), with(&["Chunked"])), (200, 200));
    for unknown in [
        &["gzip, chunked"][..],
        &["gzip", "chunked"],
        &["a-b,deflate , chunked"],
    ] {
        assert_eq!(with(unknown), 501, "{unknown:?}");
    }
    for bad in [
        &["chunked", "chunked"][..],
        &["chunked, chunked"],
        &["gzip, chunked, chunked"],
        &["identity"],
        &["chunked, gzip"],
        &[", chunked"],
        &["\"gzip\", chunked"],
        &["gz ip, chunked"],
        &["chunked;a"],
    ] {
        assert_eq!(with(bad), 400, "{bad:?}");
    }
}

#[test]
fn each_form_of_target_is_for_its_methods() {
    let status = |method: Method, version, uri: &str| {
        let verdict = verdict_on(method, version, uri, &[("host", "a:443")]);
        verdict.map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
    };
    for version in [Version::HTTP_11, Version::HTTP_2] {
        assert_eq!(status(Method::OPTIONS, version, "*"), 200);
        assert_eq!(status(Method::OPTIONS, version, "/"), 200);
        assert_eq!(status(Method::GET, version, "*"), 400);
        assert_eq!(status(Method::GET, version, "a:443"), 400);
        assert_eq!(status(Method::OPTIONS, version, "a:443"), 400);
        assert_eq!(status(Method::GET, version, "http://a:443"), 200);
        assert_eq!(status(Method::GET, version, "http://a:443?b"), 200);
        assert_eq!(status(Method::CONNECT, version, "a:443"), 200);
    }
    assert_eq!(status(Method::CONNECT, Version::HTTP_11, "/"), 400);
}

#[test]
fn target_beyond_the_limit_is_too_long() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let verdict = |path: String| verdict_on(Method::GET, version, &path, &[("host", "a")]);
        assert_eq!(
            verdict(format!("/{}", "x".repeat(99))),
            Ok(Some("a".to_owned()))
        );
        let refusal = verdict(format!("/?{}", "x".repeat(99))).unwrap_err();
        assert_eq!(refusal.status, StatusCode::URI_TOO_LONG);
    }
}

#[test]
fn values_of_http2_have_no_white_space_at_their_ends() {
    for value in [" a", "a ", "\ta", "a\t", " "] {
        let fields = [("host", "a"), ("x", value)];
        assert_eq!(
            verdict(Version::HTTP_2, "/", &fields),
            Err("a field's value begins or ends with white space"),
            "{value:?}"
        );
    }
    let fields = [("host", "a"), ("x", "a b"), ("y", "")];
    assert!(verdict(Version::HTTP_2, "/", &fields).is_ok());
}

#[test]
fn names_have_no_underscore() {
    for name in ["x_forwarded_for", "content_length", "_"] {
        let fields = [("host", "a"), (name, "1")];
        assert_eq!(
            verdict(Version::HTTP_11, "/", &fields),
            Err("a field's name has an underscore")
        );
    }
}
