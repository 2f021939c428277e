use std::time::Duration;

use proptest::prelude::*;

use super::{Listen, Mount, Settings};

fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
    Settings::read(pairs.iter().copied()).map_err(|error| error.to_string())
}

#[test]
fn missing_settings_have_their_defaults() {
    assert_eq!(read(&[]), Ok(Settings::default()));
}

#[test]
fn an_ini_file_for_waitress_is_understood() {
    let settings = read(&[
        ("host", "127.0.0.1"),
        ("port", "8081"),
        ("threads", "2"),
        ("clear_untrusted_proxy_headers", "true"),
        ("max_request_body_size", "1073741824"),
        ("trusted_proxy", "127.0.0.1"),
        ("trusted_proxy_count", "2"),
        ("trusted_proxy_headers", "x-forwarded-for x-forwarded-proto"),
        ("url_prefix", "app/"),
        ("outbuf_high_watermark", "16777216"),
        ("channel_timeout", "60"),
        ("shutdown_timeout", "5"),
    ])
    .unwrap();
    assert_eq!(settings.listen, [Listen::Tcp("127.0.0.1".into(), 8081)]);
    assert_eq!(settings.threads, 2);
    assert_eq!(settings.url_prefix, "/app");
    assert_eq!(settings.trusted_proxy_headers.len(), 2);
    assert_eq!(settings.trusted_proxy_count, Some(2));
    assert_eq!(settings.channel_timeout, Duration::from_secs(60));
    assert_eq!(settings.drain, Duration::from_secs(5));
}

#[test]
fn an_unknown_key_is_named() {
    let error = read(&[("thread", "2")]).unwrap_err();
    assert!(error.contains("\"thread\""), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn a_wrong_value_is_named_with_its_key() {
    for (key, value) in [
        ("threads", "0"),
        ("threads", "two"),
        ("runtime_threads", "0"),
        ("listen", "127.0.0.1"),
        ("listen", "unix:"),
        ("unix_socket", ""),
        ("max_wait", "1d"),
        ("max_request_body_size", "-1"),
        ("url_scheme", "gopher"),
        ("unix_socket_perms", "999"),
        ("gil_turns", "maybe"),
        ("expose_tracebacks", "on"),
        ("clear_untrusted_proxy_headers", "off"),
    ] {
        let error = read(&[(key, value)]).unwrap_err();
        assert!(
            error.starts_with(&format!("{key} = {value:?}: ")),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
    }
}

#[test]
fn only_one_way_to_say_where_to_listen_is_allowed() {
    for other in [("host", "::1"), ("port", "1"), ("unix_socket", "/run/x")] {
        assert!(read(&[("listen", "8080"), other]).is_err());
    }
    assert!(read(&[("port", "1"), ("unix_socket", "/run/x")]).is_err());
}

#[test]
fn addresses_are_read_as_people_write_them() {
    let settings = read(&[(
        "listen",
        "8080 *:1 [::1]:2\nlocalhost:3 unix:/run/x tls:[::]:4",
    )])
    .unwrap();
    let tcp = |host: &str, port| Listen::Tcp(host.into(), port);
    assert_eq!(
        settings.listen,
        [
            tcp("127.0.0.1", 8080),
            tcp("0.0.0.0", 1),
            tcp("::1", 2),
            tcp("localhost", 3),
            Listen::Unix("/run/x".into()),
            Listen::Tls("::".into(), 4),
        ]
    );
    assert_eq!(settings.listen[5].to_string(), "tls:[::]:4");
    assert_eq!(settings.listen[2].to_string(), "[::1]:2");
}

#[test]
fn the_sites_words_are_names_too() {
    let settings = read(&[
        ("connections", "7"),
        ("max-upload", "2G"),
        ("drain", "500ms"),
    ])
    .unwrap();
    assert_eq!(settings.threads, 7);
    assert_eq!(settings.max_request_body_size, 2 << 30);
    assert_eq!(settings.drain, Duration::from_millis(500));
}

#[test]
fn an_answer_may_be_half_of_all_files_unless_the_settings_say_otherwise() {
    let settings = read(&[("response_disk", "100M"), ("response_memory", "1M")]).unwrap();
    assert_eq!(settings.longest_response_body(), 50 << 20);
    assert_eq!(settings.response_memory, 1 << 20);
    for disk in ["1", "1M"] {
        let settings = read(&[("response_disk", disk)]).unwrap();
        assert_eq!(
            settings.longest_response_body(),
            1 << 20,
            "it fits in memory"
        );
    }
    let settings = read(&[("max_response_body_size", "1G")]).unwrap();
    assert_eq!(settings.longest_response_body(), 1 << 30);
}

#[test]
fn folders_are_named_with_the_paths_of_their_urls() {
    let mount = |url: &str, folder: &str| Mount {
        url: url.into(),
        folder: folder.into(),
    };
    let statics = |text| read(&[("static", text)]).map(|settings| settings.statics);
    let both = vec![mount("/static", "/srv/my files"), mount("/a/media", "m=1")];
    assert_eq!(
        statics("/static/=/srv/my files /a/media=m=1"),
        Ok(both.clone())
    );
    assert_eq!(
        statics("/static=/srv/my files\n  /a/media/=m=1\n"),
        Ok(both)
    );
    for wrong in [
        "",
        "/srv/static",
        "/static=",
        "static=/srv",
        "/=/srv",
        "//static=/srv",
        "/a/../b=/srv",
        "/a%2fb=/srv",
        "/a?b=/srv",
        "/a=/srv /a/=/usr",
    ] {
        let error = statics(wrong).unwrap_err();
        assert!(
            error.starts_with(&format!("static = {wrong:?}: ")),
            "{error}"
        );
    }
}

#[test]
fn a_theme_has_one_folder_and_tiles_have_paths_of_this_site() {
    let settings = read(&[
        ("theme", "/theme=/srv/theme"),
        ("tiles", "/tiles/ /@@layout"),
    ])
    .unwrap();
    let theme = settings.theme.unwrap();
    assert_eq!(theme.url, "/theme");
    assert_eq!(settings.tiles, ["/tiles", "/@@layout"]);
    for (key, value) in [
        ("theme", "/srv/theme"),
        ("theme", "/=/srv/theme"),
        ("theme", "/a=/srv /b=/usr"),
        ("tiles", ""),
        ("tiles", "tiles"),
        ("tiles", "https://example.org/tiles"),
        ("tiles", "/a/../b"),
    ] {
        let error = read(&[(key, value)]).unwrap_err();
        assert!(error.starts_with(&format!("{key} = ")), "{error}");
    }
}

#[test]
fn each_name_occurs_once() {
    let mut names: Vec<&str> = Settings::KEYS
        .iter()
        .flat_map(|setting| std::iter::once(setting.key).chain(setting.alias))
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(at in 0..Settings::KEYS.len(), value in ".{0,20}") {
        let key = Settings::KEYS[at].key;
        if let Err(error) = read(&[(key, &value)]) {
            prop_assert!(error.starts_with(key));
        }
    }
}
