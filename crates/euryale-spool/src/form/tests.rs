use std::io;

use bytes::Bytes;
use euryale_core::body::SpooledBody;
use euryale_core::{Error, Ledger, Request};
use euryale_test::assert_quiet;
use http_body_util::Channel;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use proptest::prelude::*;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::{BODY_TOO_LARGE, Form, FormLimits, MALFORMED, SPOOL_BUSY, SpoolBook, SpoolLayer};

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=X-X";

/// Returns what the inner service receives for a form that arrives in these pieces.
async fn sent<'a>(
    layer: SpoolLayer,
    content_type: &str,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Option<Form>, SpooledBody), Error> {
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
    let service =
        ServiceBuilder::new()
            .layer(layer)
            .service(service_fn(async |request: Request| {
                Ok::<_, Error>((Form::of(&request).cloned(), request.body().clone()))
            }));
    let request = http::Request::post("/")
        .header("content-type", content_type)
        .body(body)
        .unwrap();
    let send = async {
        for piece in pieces {
            // A refusal drops the body.
            if sender
                .send_data(Bytes::copy_from_slice(piece))
                .await
                .is_err()
            {
                break;
            }
        }
        drop(sender);
    };
    tokio::join!(service.oneshot(request), send).0
}

fn layer() -> SpoolLayer {
    SpoolLayer::new().forms(FormLimits::new())
}

async fn form(content_type: &str, body: &str) -> Result<Form, Error> {
    Ok(sent(layer(), content_type, [body.as_bytes()])
        .await?
        .0
        .expect("it is a form"))
}

/// Returns a part of a form, including its end.
fn part(head: &str, content: &str) -> String {
    format!("--X-X\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
}

fn multipart(parts: &[String]) -> String {
    parts.concat() + "--X-X--\r\n"
}

fn shown(form: &Form) -> Vec<(String, String)> {
    let value = |field: &crate::Field| match (field.text(), field.file()) {
        (Some(text), None) => text.to_owned(),
        (None, Some(file)) => format!("{}={:?}", file.file_name(), file.body().to_bytes().unwrap()),
        _ => unreachable!("a field is a text or a file"),
    };
    form.fields()
        .iter()
        .map(|field| (field.name().to_owned(), value(field)))
        .collect()
}

#[tokio::test]
async fn a_urlencoded_form_is_read_and_remains_the_body() {
    let body = "title=Gorgons+%26+sisters&tag=a&tag=b%C3%A9&flag&=nameless&&last=";
    let (form, kept) = sent(
        layer(),
        "Application/X-WWW-Form-Urlencoded; charset=utf-8",
        [body.as_bytes()],
    )
    .await
    .unwrap();
    let form = form.unwrap();
    assert_eq!(form.text("title"), Some("Gorgons & sisters"));
    assert_eq!(form.texts("tag").collect::<Vec<_>>(), ["a", "bé"]);
    assert_eq!(
        (form.text("flag"), form.text(""), form.text("last")),
        (Some(""), Some("nameless"), Some(""))
    );
    assert_eq!(
        (form.text("other"), form.file("title").is_some()),
        (None, false)
    );
    assert_eq!(kept.to_bytes().unwrap(), body);
}

#[tokio::test]
async fn an_empty_form_has_no_fields_but_an_empty_multipart_form_is_malformed() {
    assert!(
        sent(layer(), URLENCODED, [])
            .await
            .unwrap()
            .0
            .unwrap()
            .fields()
            .is_empty()
    );
    assert_eq!(
        sent(layer(), MULTIPART, []).await.unwrap_err().code(),
        MALFORMED
    );
}

#[tokio::test]
async fn other_bodies_are_not_parsed() {
    for (layer, content_type) in [
        (layer(), "text/plain"),
        (layer(), "multipart/mixed; boundary=X-X"),
        (SpoolLayer::new(), URLENCODED),
    ] {
        let (form, body) = sent(layer, content_type, [b"a=b".as_slice()])
            .await
            .unwrap();
        assert!(
            form.is_none() && body.as_bytes() == Some(b"a=b"),
            "{content_type}"
        );
    }
}

#[tokio::test]
async fn a_multipart_form_has_texts_and_files() {
    let parts = [
        part("name=\"title\"", "Gorgons\r\n--X-Y"),
        part(
            "name=\"file\"; filename=\"ä b.txt\"\r\nContent-Type: text/plain",
            "one",
        ),
        part(
            "name=\"file\"; filename=\"\"\r\nContent-Type: application/octet-stream",
            "",
        ),
        part("name=\"file\"; filename=\"../two\"", ""),
        part("name=\"title\"", ""),
    ];
    let (form, body) = sent(layer(), MULTIPART, [multipart(&parts).as_bytes()])
        .await
        .unwrap();
    let form = form.unwrap();
    assert!(body.is_empty(), "the parts are in the form");
    assert_eq!(
        form.texts("title").collect::<Vec<_>>(),
        ["Gorgons\r\n--X-Y", ""]
    );
    let files: Vec<_> = form
        .files("file")
        .map(|file| (file.file_name(), file.body().len()))
        .collect();
    assert_eq!(
        files,
        [("ä b.txt", 3), ("../two", 0)],
        "none for the file that was not chosen"
    );
    assert_eq!(
        form.file("file").unwrap().content_type().unwrap(),
        "text/plain"
    );
}

#[tokio::test]
async fn a_body_that_is_not_a_form_is_malformed() {
    let unended = part("name=\"a\"", "b");
    let nameless = multipart(&[part("filename=\"x\"", "y")]);
    let cases = [
        ("multipart/form-data", "--X-X--"),
        ("multipart/form-data; boundary=", "----"),
        (MULTIPART, "nothing like it"),
        (MULTIPART, &unended),
        (
            MULTIPART,
            "--X-X\r\nContent-Disposition: form-data; name=\"a\"\r\n",
        ),
        (MULTIPART, "--X-X\r\n: \r\n\r\n\r\n--X-X--"),
        (MULTIPART, &nameless),
        (URLENCODED, "a=%FF"),
    ];
    for (content_type, body) in cases {
        let error = form(content_type, body).await.unwrap_err();
        assert_eq!(error.code(), MALFORMED, "{content_type}: {body}");
    }
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    assert_eq!(form(&long, "").await.unwrap_err().code(), MALFORMED);
    let named = multipart(&[part("name=\"a\"; filename=\"caf\u{1}.txt\"", "x")]).into_bytes();
    let named: Vec<u8> = named
        .into_iter()
        .map(|byte| if byte == 1 { 0xe9 } else { byte })
        .collect();
    let error = sent(layer(), MULTIPART, [named.as_slice()])
        .await
        .unwrap_err();
    assert_eq!(error.code(), MALFORMED, "a file is not taken for a text");
    let no_text = multipart(&[part("name=\"a\"", "\u{1}")])
        .replace('\u{1}', "\u{0}")
        .into_bytes();
    let broken: Vec<u8> = no_text
        .into_iter()
        .map(|byte| if byte == 0 { 0xff } else { byte })
        .collect();
    let error = sent(layer(), MULTIPART, [broken.as_slice()])
        .await
        .unwrap_err();
    assert_eq!(error.code(), MALFORMED);
}

#[tokio::test]
async fn file_whose_name_cannot_be_read_is_refused_with_the_reason() {
    for (head, says) in [
        ("filename*=UTF-8''a.txt", "must not use filename*"),
        (
            "FILENAME*=UTF-8''a.txt; FILENAME=\"a.txt\"",
            "must not use filename*",
        ),
        ("FILENAME=\"a.txt\"", "cannot be read"),
        ("filename=\"a.txt", "cannot be read"),
    ] {
        let body = multipart(&[part(&format!("name=\"f\"; {head}"), "x")]);
        let error = form(MULTIPART, &body).await.unwrap_err();
        assert_eq!(error.code(), MALFORMED, "{head}");
        assert!(
            error.told().unwrap().contains(says),
            "{head}: {:?}",
            error.told()
        );
    }
}

#[tokio::test]
async fn text_may_be_called_filename() {
    for name in ["filename", "a; filename*=b", "a\\\"; filename*=b"] {
        let body = multipart(&[part(&format!("name=\"{name}\""), "x")]);
        let form = form(MULTIPART, &body).await.unwrap();
        assert_eq!(form.fields()[0].text(), Some("x"), "{name}");
    }
}

#[tokio::test]
async fn each_limit_is_exact() {
    let fields = FormLimits::new().fields(2);
    let files = FormLimits::new().files(2);
    let text = FormLimits::new().text(2);
    let file = FormLimits::new().file(1);
    let field = part("name=\"a\"", "");
    let upload = part("name=\"a\"; filename=\"f\"", "1");
    let long = part("name=\"a\"", "b");
    let cases = [
        (fields, URLENCODED, "a&b".to_owned(), "a&b&c".to_owned()),
        (
            fields,
            MULTIPART,
            multipart(&vec![field.clone(); 2]),
            multipart(&vec![field.clone(); 3]),
        ),
        (
            files,
            MULTIPART,
            multipart(&vec![upload.clone(); 2]),
            multipart(&vec![upload.clone(); 3]),
        ),
        (text, URLENCODED, "a=b".to_owned(), "a=bc".to_owned()),
        (
            text,
            MULTIPART,
            multipart(std::slice::from_ref(&long)),
            multipart(&[long.clone(), field]),
        ),
        (
            file,
            MULTIPART,
            multipart(&[upload]),
            multipart(&[part("name=\"a\"; filename=\"f\"", "12")]),
        ),
    ];
    let told = [
        "fields: 2 ",
        "fields: 2 ",
        "files: 2 ",
        "text: 2 ",
        "text: 2 ",
        "bytes: 1 ",
    ];
    for ((limits, content_type, fits, over), told) in cases.into_iter().zip(told) {
        let layer = SpoolLayer::new().forms(limits);
        assert!(
            sent(layer.clone(), content_type, [fits.as_bytes()])
                .await
                .is_ok(),
            "{limits:?} {fits}"
        );
        let error = sent(layer, content_type, [over.as_bytes()])
            .await
            .unwrap_err();
        assert_eq!(error.code(), BODY_TOO_LARGE, "{limits:?} {over}");
        let sentence = error.told().unwrap();
        assert!(
            sentence.contains(told) && sentence.ends_with("is the limit."),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_in_a_form_as_well() {
    let long = multipart(&[part("name=\"a\"; filename=\"f\"", &"x".repeat(100_000))]);
    for (content_type, body) in [(MULTIPART, long), (URLENCODED, "x".repeat(60_000))] {
        let layer = SpoolLayer::new()
            .forms(FormLimits::new().text(1 << 20))
            .limit(50_000);
        let error = sent(layer, content_type, body.as_bytes().chunks(1000))
            .await
            .unwrap_err();
        assert_eq!(error.code(), BODY_TOO_LARGE);
    }
}

#[tokio::test]
async fn an_endless_head_is_refused_before_it_is_gathered() {
    for begin in [
        "--X-X\r\nContent-Disposition: form-data; name=\"",
        "no boundary at all ",
    ] {
        let ledger = Ledger::new();
        let layer = layer().ledger(ledger.clone());
        let pieces = std::iter::once(begin.as_bytes())
            .chain(std::iter::repeat_n([b'x'; 4096].as_slice(), 1000));
        let error = sent(layer, MULTIPART, pieces).await.unwrap_err();
        assert_eq!(error.code(), BODY_TOO_LARGE, "{begin}");
        assert_quiet(&ledger).await;
    }
}

#[tokio::test]
async fn text_around_the_parts_is_read_and_ignored() {
    let body = format!(
        "preamble\r\n{}{}",
        multipart(&[part("name=\"a\"", "b")]),
        "e".repeat(100_000)
    );
    let form = sent(layer(), MULTIPART, body.as_bytes().chunks(1000))
        .await
        .unwrap()
        .0
        .unwrap();
    assert_eq!(form.text("a"), Some("b"));
}

#[tokio::test]
async fn large_uploads_are_in_files_and_all_share_the_memory_of_one_body() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let layer = layer()
        .memory(100_000)
        .directory(folder.path())
        .ledger(ledger.clone());
    let large = "large ".repeat(100_000);
    let small = "x".repeat(60_000);
    let parts = [
        part("name=\"f\"; filename=\"1\"", &small),
        part("name=\"f\"; filename=\"2\"", &large),
        part("name=\"f\"; filename=\"3\"", &small),
        part("name=\"f\"; filename=\"4\"", "tiny"),
    ];
    let body = multipart(&parts);
    let (form, _) = sent(layer, MULTIPART, body.as_bytes().chunks(7001))
        .await
        .unwrap();
    let form = form.unwrap();
    let in_files: Vec<bool> = form
        .files("f")
        .map(|file| file.body().as_file().is_some())
        .collect();
    assert_eq!(
        in_files,
        [false, true, true, false],
        "what is left of the memory decides"
    );
    assert_eq!(ledger.of::<SpoolBook>().files.get(), 2);
    assert_eq!(
        ledger.of::<SpoolBook>().bytes.get(),
        60_000 + 600_000 + 60_000 + 4
    );
    let contents: Vec<Bytes> = form
        .files("f")
        .map(|file| file.body().to_bytes().unwrap())
        .collect();
    assert_eq!(contents, [&small, &large, &small, "tiny"]);
    drop(contents);

    let kept = folder.path().join("kept");
    form.files("f")
        .nth(1)
        .unwrap()
        .body()
        .persist(&kept)
        .unwrap();
    drop(form);
    assert_quiet(&ledger).await;
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), large);
}

#[tokio::test]
async fn a_form_is_charged_for_its_fields_until_its_last_clone_is_dropped() {
    let text = "x".repeat(100_000);
    let urlencoded = format!("a={text}&{}", "b&".repeat(500));
    let multipart = multipart(&[part("name=\"a\"", &text), part("name=\"b\"", "")]);
    for (content_type, body) in [(URLENCODED, urlencoded), (MULTIPART, multipart)] {
        let ledger = Ledger::new();
        let (form, body) = sent(
            layer().ledger(ledger.clone()),
            content_type,
            [body.as_bytes()],
        )
        .await
        .unwrap();
        drop(body);
        let form = form.unwrap();
        let fields = size_of_val(form.fields());
        let charged = usize::try_from(ledger.of::<SpoolBook>().memory.get()).unwrap();
        assert!(charged >= 100_000 + fields, "{charged} of {content_type}");
        assert!(
            charged < 110_000 + 4 * fields,
            "{charged} of {content_type}"
        );
        let clone = form.clone();
        drop(form);
        assert!(ledger.of::<SpoolBook>().memory.get() > 0);
        drop(clone);
        assert_quiet(&ledger).await;
    }
}

#[tokio::test]
async fn a_form_without_memory_for_its_fields_is_refused_and_a_small_one_is_accepted() {
    let budget = crate::SpoolBudget::new().memory(256 << 10);
    let ledger = Ledger::new();
    let layer = layer().budget(budget).ledger(ledger.clone());
    let large = "x".repeat(150_000);
    let bodies = [
        (URLENCODED, format!("a={large}")),
        (MULTIPART, multipart(&[part("name=\"a\"", &large)])),
    ];
    let held = sent(layer.clone(), URLENCODED, [bodies[0].1.as_bytes()]).await;
    let (held, body) = held.unwrap();
    assert!(body.as_file().is_some(), "it was read from there");
    assert_eq!(held.as_ref().unwrap().text("a"), Some(&*large));
    for (content_type, body) in bodies {
        let refused = sent(layer.clone(), content_type, [body.as_bytes()]).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), SPOOL_BUSY, "{content_type}");
        let small = body.replace(&large, "small");
        let taken = sent(layer.clone(), content_type, [small.as_bytes()]).await;
        assert_eq!(taken.unwrap().0.unwrap().text("a"), Some("small"));
    }
    assert_eq!(ledger.of::<SpoolBook>().refused.get(), 2);
    drop((held, body));
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_text_larger_than_the_budget_is_too_large_and_not_busy() {
    let layer = layer().budget(crate::SpoolBudget::new().memory(80_000));
    let text = format!("a={}", "x".repeat(75_000));
    let error = sent(layer, URLENCODED, [text.as_bytes()])
        .await
        .unwrap_err();
    assert_eq!(error.code(), BODY_TOO_LARGE);
}

#[tokio::test]
async fn a_form_that_breaks_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let layer = layer()
        .memory(10)
        .directory(folder.path())
        .ledger(ledger.clone());
    let part = part("name=\"f\"; filename=\"1\"", &"x".repeat(300_000));
    let error = sent(layer, MULTIPART, [part.as_bytes()]).await.unwrap_err();
    assert_eq!(error.code(), MALFORMED);
    assert_quiet(&ledger).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Escapes and field ends are on both sides of the end of a piece.
    #[test]
    fn a_urlencoded_form_is_the_same_in_memory_and_in_a_file(
        texts in prop::collection::vec("[a%é &=+]{0,9000}", 1..4),
    ) {
        let encode = |text: &String| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let fields = texts.iter().enumerate();
        let encoded = fields.clone().map(|(n, text)| format!("{n}={}", encode(text)));
        let body: Vec<String> = encoded.collect();
        let body = body.join("&");
        let owned = fields.map(|(n, text)| (n.to_string(), text.clone()));
        let expected: Vec<(String, String)> = owned.collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for memory in [0, 1 << 20] {
            let layer = layer().memory(memory);
            let sent = sent(layer, URLENCODED, [body.as_bytes()]);
            let (form, kept) = runtime.block_on(sent).unwrap();
            prop_assert_eq!(kept.as_file().is_some(), memory == 0);
            prop_assert_eq!(&shown(&form.unwrap()), &expected);
        }
    }

    /// A percent sign without two digits stands for itself.
    #[test]
    fn broken_escapes_are_read_as_percent_encoding_reads_them(text in "[%a0]{0,30}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let body = format!("x={text}");
        let form = runtime.block_on(form(URLENCODED, &body));
        match percent_decode_str(&text).decode_utf8() {
            Ok(expected) => {
                let form = form.unwrap();
                prop_assert_eq!(form.text("x"), Some(&*expected));
            }
            Err(_) => prop_assert_eq!(form.unwrap_err().code(), MALFORMED),
        }
    }

    /// The result does not depend on how a form is cut into pieces.
    #[test]
    fn the_result_does_not_depend_on_the_pieces(
        contents in prop::collection::vec("[-X\r\na]{0,40}", 1..5),
        piece in 1_usize..50,
    ) {
        // A line that equals the boundary would end the part.
        prop_assume!(!contents.iter().any(|content| format!("\r\n\
            {content}").contains("\r\n--X-X")));
        let parts: Vec<String> = contents.iter().enumerate().map(|(at, content)| {
            part(&format!("name=\"{at}\"; filename=\"{at}\""), content)
        }).collect();
        let body = multipart(&parts);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let pieces = body.as_bytes().chunks(piece);
        let form = runtime.block_on(sent(layer(), MULTIPART, pieces)).unwrap().0.unwrap();
        let expected: Vec<(String, String)> = contents.iter().enumerate().map(|(at, content)| {
            (at.to_string(), format!("{at}={:?}", Bytes::copy_from_slice(content.as_bytes())))
        }).collect();
        prop_assert_eq!(shown(&form), expected);
    }
}
