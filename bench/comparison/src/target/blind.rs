//! Proxies that know nothing of MCP, and the backend itself.

use std::process::Command;

use anyhow::Context;
use nix::sys::signal::Signal;
use nix::unistd::Uid;

use crate::process::Process;
use crate::target::{Name, Site, Target, free_address};

/// The backend that speaks each protocol itself; its processes are started by the stage.
pub(super) fn direct(site: &Site<'_>) -> anyhow::Result<Target> {
    let mut target = Target::at(Some(Name::Direct), format!("http://{}/mcp", site.single), Vec::new());
    let certificate = site.certificate;
    let mut tls = Command::new(site.binaries.ours("mock-mcp"));
    tls.arg("--tls-cert").arg(&certificate.chain).arg("--tls-key").arg(&certificate.key);
    let mut h2 = Command::new(site.binaries.ours("mock-mcp"));
    h2.arg("--h2");
    let (at_h2, at_tls) = (free_address()?, free_address()?);
    for (name, command, at) in [("h2", &mut h2, &at_h2), ("tls", &mut tls, &at_tls)] {
        target.processes.push(Process::start(&site.folder, name, command.args(["--listen", at]))?);
    }
    target.h2 = Some(format!("http://{at_h2}/mcp"));
    target.tls = Some(format!("https://{at_tls}/mcp"));
    Ok(target)
}

pub(super) fn nginx(site: &Site<'_>) -> anyhow::Result<Target> {
    let (h1, h2, tls) = (free_address()?, free_address()?, free_address()?);
    // the worker must be able to write its profile, also where root starts it
    let user = if Uid::effective().is_root() { "user root;" } else { "" };
    let (folder, descriptors, backend) = (site.folder.display(), site.descriptors, site.single);
    let (chain, key) = (site.certificate.chain.display(), site.certificate.key.display());
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {folder}/{name};\n"))
        .concat();
    // bodies stay in memory: of one in a file, head and body would go in two segments, the second 40 ms late
    let text = format!(
        "{user}\ndaemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nworker_processes 1;\n\
         worker_rlimit_nofile {descriptors};\nevents {{ worker_connections {descriptors}; }}\nhttp {{\n    access_log off;\n{paths}\
         \x20   upstream backend {{ server {backend}; keepalive 4096; keepalive_requests 1000000000; }}\n\
         \x20   keepalive_requests 1000000000;\n    client_max_body_size 0;\n\
         \x20   client_body_buffer_size 1m;\n    proxy_max_temp_file_size 0;\n    proxy_read_timeout 1h;\n    proxy_http_version 1.1;\n\
         \x20   proxy_set_header Connection \"\";\n    ssl_certificate {chain};\n    ssl_certificate_key {key};\n\
         \x20   server {{\n        listen {h1};\n        listen {h2} http2;\n        listen {tls} ssl;\n\
         \x20       location / {{ proxy_pass http://backend; }}\n\
         \x20       location /streams/ {{ proxy_buffering off; proxy_pass http://backend; }}\n    }}\n}}\n"
    );
    let file = site.write("nginx.conf", &text)?;
    let program = site.binaries.nginx().context("nginx is not installed")?;
    let mut command = site.command(&program);
    command.arg("-p").arg(&site.folder).arg("-c").arg(file);
    started(Name::Nginx, site, &mut command, [h1, h2, tls])
}

pub(super) fn haproxy(site: &Site<'_>) -> anyhow::Result<Target> {
    let (h1, h2, tls) = (free_address()?, free_address()?, free_address()?);
    let streams = free_address()?;
    // two descriptors for each client, and some for itself
    let clients = site.descriptors.saturating_sub(200) / 2;
    let (both, backend) = (site.certificate.both.display(), site.single);
    let text = format!(
        "global\n    nbthread 1\n    maxconn {clients}\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n    http-reuse always\n\
         frontend clients\n    bind {h1}\n    bind {h2} proto h2\n    bind {tls} ssl crt {both}\n    default_backend backend\n\
         frontend streams\n    bind {streams}\n    option http-no-delay\n    default_backend backend\n\
         backend backend\n    server one {backend}\n"
    );
    let file = site.write("haproxy.cfg", &text)?;
    let program = site.binaries.haproxy().context("haproxy is not installed")?;
    let mut command = site.command(&program);
    command.arg("-db").arg("-f").arg(file);
    let mut target = started(Name::Haproxy, site, &mut command, [h1, h2, tls])?;
    // a head without a body behind it would wait 200 ms for one: ten thousand of them took minutes
    target.streams = Some(format!("http://{streams}/mcp"));
    Ok(target)
}

pub(super) fn pingora(site: &Site<'_>) -> anyhow::Result<Target> {
    let (h1, h2, tls) = (free_address()?, free_address()?, free_address()?);
    let mut command = site.command(&site.binaries.pingora());
    command.args(["--backend", site.single, "--listen", &h1, "--listen-h2", &h2, "--listen-tls", &tls]);
    command.arg("--tls-cert").arg(&site.certificate.chain).arg("--tls-key").arg(&site.certificate.key);
    started(Name::Pingora, site, &mut command, [h1, h2, tls])
}

fn started(
    name: Name,
    site: &Site<'_>,
    command: &mut Command,
    [h1, h2, tls]: [String; 3],
) -> anyhow::Result<Target> {
    let mut process = Process::start(&site.folder, name.as_str(), command)?;
    if name == Name::Pingora {
        // SIGTERM would wait for minutes
        process = process.ended_by(Signal::SIGINT);
    }
    let mut target = Target::at(Some(name), format!("http://{h1}/mcp"), vec![process]);
    target.h2 = Some(format!("http://{h2}/mcp"));
    target.tls = Some(format!("https://{tls}/mcp"));
    target.streams = Some(format!("http://{h1}/streams/mcp"));
    Ok(target)
}
