//! A browser that a test controls through the Chrome DevTools Protocol, over a pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::{program, signal};

/// Gives the program its standard streams as the two descriptors of the protocol, so no socket is
/// needed.
const PIPES: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

const LOADED: &str =
    "new Promise(done => document.readyState === 'complete' ? done() : onload = done)";

/// A browser with one page.
pub(super) struct DevTools {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    session: Option<String>,
    number: u64,
}

impl DevTools {
    /// `None` if there is no browser.
    pub(super) fn start(profile: &Path) -> Option<Self> {
        let found = program("sh").args(["-c", "command -v chromium"]).status();
        if !found.is_ok_and(|status| status.success()) {
            return None;
        }
        let mut command = program("sh");
        command.args([
            "-c",
            PIPES,
            "chromium",
            "--remote-debugging-pipe",
            "--headless",
            "--no-sandbox",
        ]);
        command.args(["--disable-gpu", "--no-first-run", "--no-proxy-server"]);
        command.arg(format!("--user-data-dir={}", profile.display()));
        command.stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut browser = Self {
            child,
            commands,
            answers,
            session: None,
            number: 0,
        };
        let target = browser.tell("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.tell("Target.attachToTarget", &attach)["sessionId"]
            .as_str()
            .unwrap()
            .to_owned();
        browser.session = Some(session);
        browser.tell("Page.enable", &json!({}));
        Some(browser)
    }

    /// What the browser answers.
    fn tell(&mut self, method: &str, parameters: &Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.commands
            .write_all(format!("{message}\0").as_bytes())
            .unwrap();
        loop {
            let said = self.hear();
            if said["id"] == self.number {
                assert!(said.get("error").is_none(), "{method}: {said}");
                return said["result"].clone();
            }
        }
    }

    fn hear(&mut self) -> Value {
        let mut message = Vec::new();
        self.answers.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser has ended");
        serde_json::from_slice(&message).unwrap()
    }

    /// Sets the width in CSS pixels, and the colour scheme, `light` or `dark`.
    pub(super) fn looks(&mut self, width: u32, scheme: &str) {
        let screen =
            json!({ "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": false });
        self.tell("Emulation.setDeviceMetricsOverride", &screen);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tell(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        );
    }

    /// Opens this address, and waits until the page is loaded completely.
    pub(super) fn open(&mut self, url: &str) {
        let went = self.tell("Page.navigate", &json!({ "url": url }));
        assert!(went.get("errorText").is_none(), "{url}: {went}");
        self.ask(LOADED);
    }

    /// Submits the form, as its button does, and waits until the answer is loaded completely.
    pub(super) fn submit(&mut self, button: &str) {
        self.ask(&format!("document.querySelector('{button}').click()"));
        while self.hear()["method"] != "Page.frameNavigated" {}
        self.ask(LOADED);
    }

    /// Returns the result of a script in the page.
    pub(super) fn ask(&mut self, script: &str) -> Value {
        let evaluate = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let said = self.tell("Runtime.evaluate", &evaluate);
        assert!(said.get("exceptionDetails").is_none(), "{script}: {said}");
        said["result"]["value"].clone()
    }
}

impl Drop for DevTools {
    fn drop(&mut self) {
        signal(&self.child, "-TERM");
        // Its exit code means nothing.
        let _ = self.child.wait();
    }
}
