//! `cargo xtask dev`: the product on this machine. wrangler serves it from local workerd, with the
//! Durable Objects on disk, and calls our own build again when a source changes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::portal::{self, Portal};
use crate::process::Running;
use crate::{bundle, process, screen, setup};

/// Serves until Ctrl-C, or until the visits are done.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let Options { port, visits, fresh, with_portal } = Options::read(arguments)?;
    screen::title(match (visits, with_portal) {
        (Some(_), _) => "Builds edge-vitals, serves it on this machine, and drives browser visits to it.",
        (None, true) => {
            "Builds edge-vitals and the sample portal, and serves the portal behind it, until Ctrl-C."
        }
        (None, false) => "Builds edge-vitals and serves it on this machine, until Ctrl-C.",
    });
    let started = Instant::now();
    let portal_port = port.saturating_add(1);
    for taken in [port].into_iter().chain(with_portal.then_some(portal_port)) {
        if TcpListener::bind(("127.0.0.1", taken)).is_err() {
            bail!("port {taken} is in use; choose another one with `--port N`");
        }
    }
    bundle::everything(root)?;
    if with_portal {
        portal::build(root)?;
    }
    // What the portal's edge has stored is about other sites than the demo's.
    let state = root.join(if with_portal { ".wrangler/portal" } else { ".wrangler/dev" });
    if fresh && state.exists() {
        fs::remove_dir_all(&state).context("what was stored before could not be removed")?;
    }
    fs::create_dir_all(&state)?;
    let site = format!("http://localhost:{port}");
    let portal = if with_portal { Some(Portal::at(portal_port)?) } else { None };
    let _behind = match &portal {
        Some(portal) => Some(behind(root, portal, &site, &state)?),
        None => None,
    };

    let mut wrangler = process::npm(root, "wrangler");
    wrangler
        .args(["dev", "--env", "dev", "--ip", "127.0.0.1", "--port", &port.to_string()])
        .args(["--show-interactive-dev-session=false", "--persist-to"])
        .arg(&state)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(portal) = &portal {
        for variable in portal.variables(root, &format!("localhost:{port}"))? {
            wrangler.args(["--var", &variable]);
        }
    }
    let mut server = Running::start(&mut wrangler)?;
    let words = words_of(&mut server);
    screen::step("starts workerd", || ready("wrangler", "Ready on", &mut server, &words))?;

    println!("\nServing after {}:", screen::elapsed(started.elapsed()));
    match &portal {
        Some(portal) => told(portal, port),
        None => {
            println!("  {site}/demo/                                a page that shows its own vitals");
            println!("  {site}/                                     what all visits came to");
            println!("  {site}/api/vitals/summary?site=demo         the same as JSON");
        }
    }
    match visits {
        Some(number) => drive(root, &site, number),
        None => {
            println!("\nChange a source and it is built again; Ctrl-C ends it.\n");
            pass_on(&mut server, &words)
        }
    }
}

/// The portal, served; what it says from then on is said here.
fn behind(root: &Path, portal: &Portal, edge: &str, state: &Path) -> Result<Running> {
    let mut server = screen::step("fills the portal's database", || {
        portal.start(root, edge, &state.join("portal.sqlite"))
    })?;
    let words = words_of(&mut server);
    screen::step("starts the portal", || ready("the portal", "Ready in", &mut server, &words))?;
    thread::spawn(move || words.into_iter().for_each(|line| println!("portal: {line}")));
    Ok(server)
}

/// Where to look. A host without routes shows the Worker's own pages, and `127.0.0.1` is another host.
fn told(Portal { origin, secrets }: &Portal, port: u16) {
    let (site, own) = (format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}"));
    println!(
        "  {site}/                     the portal, through the cache: see Server-Timing and Cache-Status"
    );
    println!("  {site}/admin                its health as the edge tells it; changes a plant, and purges");
    println!("                                             {} with {}", portal::EDITOR, secrets.password);
    println!("  {own}/?site=portal          the dashboard: what its visits came to");
    println!("  {own}/api/budgets?site=portal");
    println!("  {origin}/api/health/advanced    the portal's own health, past the edge");
    println!("\nWhat the cache did, and why:");
    println!(
        "  curl -H 'Authorization: Bearer {}' '{site}/api/cache/explain?url={site}/product/fern'",
        secrets.cache_token
    );
}

struct Options {
    port: u16,
    visits: Option<u32>,
    fresh: bool,
    with_portal: bool,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self { port: 8787, visits: None, fresh: false, with_portal: false };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut number = || words.next().with_context(|| format!("`{word}` needs a number"));
            match word.as_str() {
                "--port" => options.port = number()?.parse().context("`--port` needs a port number")?,
                "--visits" => {
                    options.visits = Some(number()?.parse().context("`--visits` needs a whole number")?);
                }
                "--fresh" => options.fresh = true,
                "--portal" => options.with_portal = true,
                other => bail!("`dev` has no option `{other}`; `cargo xtask help` lists them"),
            }
        }
        if options.with_portal && options.visits.is_some() {
            bail!(
                "`--visits` drives the demo pages, which `--portal` has others in the place of; give one of them"
            );
        }
        Ok(options)
    }
}

fn drive(root: &Path, site: &str, visits: u32) -> Result<()> {
    let browser = setup::browser(root)?;
    println!();
    process::loud(
        process::npm(root, "node")
            .arg(root.join("tests/browser/visits.mjs"))
            .args([site, &visits.to_string()])
            .env("CHROMIUM", browser),
    )
}

/// What the server says, a line at a time, from both of its streams.
fn words_of(server: &mut Running) -> Receiver<String> {
    let (say, words) = channel();
    for stream in server.streams() {
        let say = say.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    break;
                }
            }
        });
    }
    words
}

fn ready(name: &str, sign: &str, server: &mut Running, words: &Receiver<String>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut said = Vec::new();
    while Instant::now() < deadline {
        if let Ok(line) = words.recv_timeout(Duration::from_millis(200)) {
            if line.contains(sign) {
                return Ok(());
            }
            said.push(line);
        }
        if let Some(status) = server.ended() {
            bail!("{name} ended ({status}) before it served:\n{}", said.join("\n"));
        }
    }
    bail!("{name} did not serve within two minutes:\n{}", said.join("\n"))
}

fn pass_on(server: &mut Running, words: &Receiver<String>) -> Result<()> {
    for line in words {
        if !line.trim().is_empty() {
            println!("{line}");
        }
    }
    match server.ended() {
        Some(status) if !status.success() => bail!("wrangler ended ({status}); its words are above"),
        _ => Ok(()),
    }
}
