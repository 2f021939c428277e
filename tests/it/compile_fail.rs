//! Programs that must not compile, and the compiler's messages.

use std::process::Command;

/// The compiler whose messages are expected; other versions use different words.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn misuse_does_not_compile() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if !version.starts_with(COMPILER) {
        euryale_test::skip(&format!(
            "the messages were written with {COMPILER}x, this is {version}"
        ));
        return;
    }
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
