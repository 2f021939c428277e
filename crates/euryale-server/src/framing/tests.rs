use super::*;

fn verdict(
    version: Version,
    uri: &str,
    fields: &[(&str, &str)],
) -> Result<Option<String>, &'static str> {
    let mut request = Request::builder().version(version).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).unwrap();
    check(&mut request)?;
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
        "", ":80", "a:b", "a:80:80", "a:123456", "a b", "user@a", "a/b", "a?b", "a#b", "[::1",
        "[]", "[g]", "[::1]80", "a\\b",
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
fn the_one_coding_is_chunked() {
    let with = |codings: &[&'static str]| {
        let mut fields = vec![("host", "a")];
        fields.extend(codings.iter().map(|coding| ("transfer-encoding", *coding)));
        verdict(Version::HTTP_11, "/", &fields).is_ok()
    };
    assert!(with(&["chunked"]) && with(&["Chunked"]));
    for bad in [
        &["chunked", "chunked"][..],
        &["gzip, chunked"],
        &["gzip", "chunked"],
        &["chunked, chunked"],
        &["identity"],
    ] {
        assert!(!with(bad), "{bad:?}");
    }
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
