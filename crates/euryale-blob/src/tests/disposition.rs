use crate::ContentDisposition;

#[test]
fn names() {
    for (name, expected) in [
        ("name.pdf", "attachment; filename=\"name.pdf\""),
        ("two words.pdf", "attachment; filename=\"two words.pdf\""),
        (
            "name ü.pdf",
            "attachment; filename=\"name _.pdf\"; filename*=UTF-8''name%20%C3%BC.pdf",
        ),
        (
            "€.txt",
            "attachment; filename=\"_.txt\"; filename*=UTF-8''%E2%82%AC.txt",
        ),
        (
            "a\"b.txt",
            "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt",
        ),
        (
            "100%41.txt",
            "attachment; filename=\"100_41.txt\"; filename*=UTF-8''100%2541.txt",
        ),
        ("a;b=c.txt", "attachment; filename=\"a;b=c.txt\""),
        ("it's*.txt", "attachment; filename=\"it's*.txt\""),
        (
            "ü's*.txt",
            "attachment; filename=\"_'s*.txt\"; filename*=UTF-8''%C3%BC%27s%2A.txt",
        ),
        (
            "a\r\nSet-Cookie: b\0.txt",
            "attachment; filename=\"aSet-Cookie: b.txt\"",
        ),
        (
            "../../etc/passwd",
            "attachment; filename=\".._.._etc_passwd\"",
        ),
        ("C:\\boot.ini", "attachment; filename=\"C:_boot.ini\""),
        (
            "photo_gnp.\u{202e}exe",
            "attachment; filename=\"photo_gnp.exe\"",
        ),
        (
            "photo_gnp.\u{61c}exe",
            "attachment; filename=\"photo_gnp.exe\"",
        ),
        (
            "two\u{2028}lines\u{2029}.txt",
            "attachment; filename=\"twolines.txt\"",
        ),
        ("  a  ", "attachment; filename=\"a\""),
        ("", "attachment"),
        ("..", "attachment"),
        ("\u{7f}\u{85}", "attachment"),
    ] {
        assert_eq!(
            ContentDisposition::attachment(name).value(),
            expected,
            "{name:?}"
        );
    }
    assert_eq!(
        ContentDisposition::inline("a.png").value(),
        "inline; filename=\"a.png\""
    );
}
