//! `cargo xtask dev`: the product on this machine. wrangler serves it from local workerd, with the Durable
//! Objects on disk, and calls `cargo xtask build worker` again when a source changes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::portal::{self, Portal};
use crate::process::{Child, NO_TIMEOUT, Output};
use crate::{bundle, process, terminal, test_tools, tools};

/// Arguments of `cargo xtask dev`.
#[derive(Args)]
pub(crate) struct Options {
    /// The port of the Worker; the portal takes the next one
    #[arg(long, value_name = "N", default_value_t = 8787)]
    port: u16,
    /// Drive N real browser visits to the demo pages, print their measurements, and end
    #[arg(long, value_name = "N", conflicts_with = "portal")]
    visits: Option<u32>,
    /// Serve the sample portal of www/portal behind the Worker, cached and measured
    #[arg(long)]
    portal: bool,
    /// Put the cache before your own server, such as http://localhost:3000, and measure its pages
    #[arg(long, value_name = "URL", conflicts_with_all = ["portal", "visits"])]
    origin: Option<String>,
    /// Delete the data of earlier runs
    #[arg(long)]
    fresh: bool,
}

/// Serves until Ctrl-C, or until the visits are done.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    terminal::title(match options {
        Options { visits: Some(_), .. } => {
            "Builds edge-vitals, serves it on this machine, and drives browser visits to it."
        }
        Options { portal: true, .. } => {
            "Builds edge-vitals and the sample portal, and serves the portal behind it, until Ctrl-C."
        }
        Options { origin: Some(_), .. } => {
            "Builds edge-vitals, and serves your own pages behind its cache, until Ctrl-C."
        }
        _ => "Builds edge-vitals and serves it on this machine, until Ctrl-C.",
    });
    let started = Instant::now();
    let Options { port, visits, portal: with_portal, fresh, ref origin } = *options;
    let cache_token = portal::random_secret()?;
    let mut variables = match origin {
        Some(origin) => origin_variables(origin, &cache_token)?,
        None => Vec::new(),
    };
    let portal_port = port.saturating_add(1);
    check_ports([port].into_iter().chain(with_portal.then_some(portal_port)))?;
    bundle::build(root)?;
    // The portal's edge stores other sites than the demo's.
    let state = root.join(if with_portal { ".wrangler/portal" } else { ".wrangler/dev" });
    if fresh && state.exists() {
        fs::remove_dir_all(&state).with_context(|| format!("cannot remove {}", state.display()))?;
    }
    fs::create_dir_all(&state)?;
    let site = format!("http://localhost:{port}");
    let mut portal = None;
    let mut portal_server = None;
    if with_portal {
        portal::build(root)?;
        let served = Portal::new(portal_port)?;
        variables = served.variables(root, &format!("localhost:{port}"))?;
        portal_server = Some(start_portal(root, &served, &site, &state)?);
        portal = Some(served);
    }
    let (mut server, lines) = start_worker(root, port, &state, &variables)?;

    println!("\nServing after {:.1?}:", started.elapsed());
    match &portal {
        Some(portal) => print_portal_addresses(portal, port),
        None if let Some(origin) = origin => {
            println!(
                "  {site}/                     {origin} through the cache: see Server-Timing and Cache-Status"
            );
            println!("  http://127.0.0.1:{port}/?site=demo    the dashboard of its visits");
            println!("\nThe cache's decisions and their reasons:");
            println!(
                "  curl -H 'Authorization: Bearer {cache_token}' '{site}/api/cache/explain?url={site}/'"
            );
        }
        None => {
            println!("  {site}/demo/                                a page that shows its own vitals");
            println!("  {site}/                                     the dashboard of all visits");
            println!("  {site}/api/vitals/summary?site=demo         the same as JSON");
        }
    }
    let outcome = match visits {
        Some(visits) => drive_visits(root, &site, visits),
        None => {
            println!("\nChange a source and it is built again; Ctrl-C ends it.\n");
            print_lines(&mut server, &lines)
        }
    };
    drop(portal_server);
    outcome
}

/// Returns the Worker's variables, with which it caches the pages of a local server, and counts their visits.
fn origin_variables(origin: &str, cache_token: &str) -> Result<Vec<String>> {
    let origin = origin.trim_end_matches('/');
    let routes = serde_json::json!({ "routes": [
        { "host": "localhost", "path": "/**", "origin": origin, "inject": "demo", "cookies": { "ignore": ["_ga*"] } }
    ] })
    .to_string();
    cache::CacheConfig::parse(&routes).map_err(|mistake| anyhow::anyhow!("--origin: {}", mistake.message))?;
    Ok(vec![format!("EDGE:{routes}"), format!("CACHE_TOKEN:{cache_token}")])
}

fn check_ports(ports: impl Iterator<Item = u16>) -> Result<()> {
    for port in ports {
        if TcpListener::bind(("127.0.0.1", port)).is_err() {
            bail!("port {port} is in use; choose another one with `--port N`");
        }
    }
    Ok(())
}

fn start_worker(
    root: &Path,
    port: u16,
    state: &Path,
    variables: &[String],
) -> Result<(Child, Receiver<String>)> {
    let mut wrangler = tools::npm(root, "wrangler");
    wrangler
        .args(["dev", "--env", "dev", "--ip", "127.0.0.1", "--port", &port.to_string()])
        .args(["--show-interactive-dev-session=false", "--persist-to"])
        .arg(state)
        .args(variables.iter().flat_map(|variable| ["--var", variable]))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut server = Child::spawn(&mut wrangler)?;
    let lines = output_lines(&mut server);
    terminal::step("starts workerd", || wait_until_ready("wrangler", "Ready on", &mut server, &lines))?;
    Ok((server, lines))
}

/// Starts the portal; its later output is printed here.
fn start_portal(root: &Path, portal: &Portal, edge: &str, state: &Path) -> Result<Child> {
    let mut server = terminal::step("fills the portal's database", || {
        portal.start(root, edge, &state.join("portal.sqlite"))
    })?;
    let lines = output_lines(&mut server);
    terminal::step("starts the portal", || wait_until_ready("the portal", "Ready in", &mut server, &lines))?;
    thread::spawn(move || lines.into_iter().for_each(|line| println!("portal: {line}")));
    Ok(server)
}

/// A host without routes serves the Worker's own pages, and `127.0.0.1` is such a host.
fn print_portal_addresses(Portal { origin, secrets }: &Portal, port: u16) {
    let (site, own) = (format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}"));
    println!(
        "  {site}/                     the portal, through the cache: see Server-Timing and Cache-Status"
    );
    println!("  {site}/admin                its health at the edge; changes a plant, and purges");
    println!("                                             {} with {}", portal::EDITOR, secrets.password);
    println!("  {own}/?site=portal          the dashboard of its visits");
    println!("  {own}/api/budgets?site=portal");
    println!("  {origin}/api/health/advanced    the portal's own health, past the edge");
    println!("\nAlerts, queues and operations; and a silence of half an hour:");
    println!("  curl -H 'Authorization: Bearer {}' '{own}/api/alerts?site=portal'", secrets.read_token);
    println!(
        "  curl -H 'Authorization: Bearer {}' '{own}/api/alerts/silence?site=portal' -d \
         '{{\"minutes\": 30, \"by\": \"me\", \"reason\": \"a try\"}}'",
        secrets.manage_token
    );
    println!("\nThe cache's decisions and their reasons:");
    println!(
        "  curl -H 'Authorization: Bearer {}' '{site}/api/cache/explain?url={site}/product/fern'",
        secrets.cache_token
    );
}

fn drive_visits(root: &Path, site: &str, visits: u32) -> Result<()> {
    let browser = test_tools::browser(root)?;
    println!();
    let mut node = tools::npm(root, "node");
    node.arg(root.join("tests/browser/visits.mjs")).args([site, &visits.to_string()]);
    process::run(node.env("CHROMIUM", browser), &Output::Terminal, NO_TIMEOUT)
}

/// The lines of a server's stdout and stderr.
fn output_lines(server: &mut Child) -> Receiver<String> {
    let (sender, lines) = channel();
    for stream in server.take_output() {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    lines
}

/// Waits for the line with which a server announces that it accepts requests.
fn wait_until_ready(
    name: &str,
    announcement: &str,
    server: &mut Child,
    lines: &Receiver<String>,
) -> Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut output = Vec::new();
    while Instant::now() < deadline {
        if let Ok(line) = lines.recv_timeout(Duration::from_millis(200)) {
            if line.contains(announcement) {
                return Ok(());
            }
            output.push(line);
        }
        if let Some(status) = server.try_wait() {
            bail!("{name} ended ({status}) before it was ready:\n{}", output.join("\n"));
        }
    }
    bail!("{name} was not ready within {} s:\n{}", START_TIMEOUT.as_secs(), output.join("\n"))
}

fn print_lines(server: &mut Child, lines: &Receiver<String>) -> Result<()> {
    for line in lines {
        if !line.trim().is_empty() {
            println!("{line}");
        }
    }
    match server.try_wait() {
        Some(status) if !status.success() => bail!("wrangler ended ({status}); its output is above"),
        _ => Ok(()),
    }
}

const START_TIMEOUT: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_put_before_a_server_of_this_machine() {
        let variables = origin_variables("http://localhost:3000/", "secret").expect("variables");
        let routes = variables.iter().find_map(|variable| variable.strip_prefix("EDGE:")).expect("routes");
        let config = cache::CacheConfig::parse(routes).expect("a configuration");
        let (_, route) = config.find_route("localhost:8787", "/any/page").expect("a route");
        assert_eq!(route.origin.as_str(), "http://localhost:3000");
        assert!(config.find_route("127.0.0.1:8787", "/").is_none(), "the dashboard stays reachable");
        let mistake = origin_variables("localhost:3000", "secret").expect_err("no scheme").to_string();
        assert!(mistake.starts_with("--origin: the origin \"localhost:3000\" must be like"), "{mistake}");
    }
}
