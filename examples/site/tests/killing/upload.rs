//! Uploads whose files contain the number of their upload.

/// The names of an upload's files, in the order in which they are sent. The first two replace those
/// of the previous upload.
pub(super) fn names(number: u32) -> [String; 3] {
    [
        "large".to_owned(),
        "small".to_owned(),
        format!("new-{number}"),
    ]
}

/// The content of file `index` of upload `number`.
pub(super) fn content(number: u32, index: usize) -> Vec<u8> {
    let line = format!("upload {number} file {index}\n");
    // The large one is spooled into a file and linked into place; the others stay in memory and are
    // written there.
    let lines = if index == 0 {
        (600 << 10) / line.len()
    } else {
        number as usize % 100
    };
    line.repeat(lines + 1).into_bytes()
}

/// The number of the upload to which `content` belongs.
pub(super) fn number(content: &[u8]) -> Option<u32> {
    let line = content.split(|byte| *byte == b'\n').next()?;
    std::str::from_utf8(line)
        .ok()?
        .strip_prefix("upload ")?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

pub(super) const CONTENT_TYPE: &str = "content-type: multipart/form-data; boundary=b\r\n";

/// The form of upload `number`.
pub(super) fn form(number: u32) -> Vec<u8> {
    let mut form = Vec::new();
    for (index, name) in names(number).iter().enumerate() {
        let head = format!(
            "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
        );
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(&content(number, index));
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"--b--\r\n");
    form
}
