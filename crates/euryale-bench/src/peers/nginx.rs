//! nginx, with our configuration.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::program::{other, which};
use crate::scene::{Scene, Wire};

const CONFIGURATION: &str = include_str!("../../peers/nginx.conf");

/// nginx on this port. It writes only below the scene's folder.
pub(super) fn command(scene: &Scene, port: u16, sendfile: bool) -> Result<Command> {
    let folder = scene.folder.join(format!("nginx-{port}"));
    fs::create_dir_all(&folder)?;
    let configuration = CONFIGURATION
        .replace("@PORT@", &port.to_string())
        .replace("@WIRE@", wire(scene.wire))
        .replace("@SENDFILE@", if sendfile { "on" } else { "off" })
        .replace("@FOLDER@", &folder.display().to_string())
        .replace("@FILES@", &scene.folder.display().to_string())
        // If started by root, workers would switch to a user who may not read the folder.
        .replace(
            "@USER@",
            if rustix::process::geteuid().is_root() {
                "user root;"
            } else {
                ""
            },
        );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = other(&which("nginx").context("nginx is not installed")?)?;
    command
        .arg("-p")
        .arg(&folder)
        .arg("-e")
        .arg(folder.join("error.log"))
        .arg("-c")
        .arg(file);
    Ok(command)
}

/// The options of nginx's listener.
fn wire(wire: Wire) -> &'static str {
    match wire {
        Wire::Http1 => "",
        Wire::Http2 => "http2",
        Wire::Tls => "ssl http2",
    }
}
