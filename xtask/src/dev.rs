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

use crate::process::Running;
use crate::{bundle, process, screen, setup};

/// Serves until Ctrl-C, or until the visits are done.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let Options { port, visits, fresh } = Options::read(arguments)?;
    screen::title(match visits {
        Some(_) => "Builds edge-vitals, serves it on this machine, and drives browser visits to it.",
        None => "Builds edge-vitals and serves it on this machine, until Ctrl-C.",
    });
    let started = Instant::now();
    if TcpListener::bind(("127.0.0.1", port)).is_err() {
        bail!("port {port} is in use; choose another one with `--port N`");
    }
    bundle::everything(root)?;
    let state = root.join(".wrangler/dev");
    if fresh && state.exists() {
        fs::remove_dir_all(&state).context("what was stored before could not be removed")?;
    }

    let mut wrangler = process::npm(root, "wrangler");
    wrangler
        .args(["dev", "--env", "dev", "--ip", "127.0.0.1", "--port", &port.to_string()])
        .args(["--show-interactive-dev-session=false", "--persist-to"])
        .arg(&state)
        // The build that wrangler calls has just been done.
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut server = Running::start(&mut wrangler)?;
    let words = words_of(&mut server);
    screen::step("starts workerd", || ready(&mut server, &words))?;

    let site = format!("http://localhost:{port}");
    println!("\nServing after {}:", screen::elapsed(started.elapsed()));
    println!("  {site}/demo/                                a page that shows its own vitals");
    println!("  {site}/                                     what all visits came to");
    println!("  {site}/api/vitals/summary?site=demo         the same as JSON");
    match visits {
        Some(number) => drive(root, &site, number),
        None => {
            println!("\nChange a source and it is built again; Ctrl-C ends it.\n");
            pass_on(&mut server, &words)
        }
    }
}

struct Options {
    port: u16,
    visits: Option<u32>,
    fresh: bool,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self { port: 8787, visits: None, fresh: false };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut number = || words.next().with_context(|| format!("`{word}` needs a number"));
            match word.as_str() {
                "--port" => options.port = number()?.parse().context("`--port` needs a port number")?,
                "--visits" => {
                    options.visits = Some(number()?.parse().context("`--visits` needs a whole number")?);
                }
                "--fresh" => options.fresh = true,
                other => bail!("`dev` has no option `{other}`; `cargo xtask help` lists them"),
            }
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

fn ready(server: &mut Running, words: &Receiver<String>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut said = Vec::new();
    while Instant::now() < deadline {
        if let Ok(line) = words.recv_timeout(Duration::from_millis(200)) {
            if line.contains("Ready on") {
                return Ok(());
            }
            said.push(line);
        }
        if let Some(status) = server.ended() {
            bail!("wrangler ended ({status}) before it served:\n{}", said.join("\n"));
        }
    }
    bail!("wrangler did not serve within two minutes:\n{}", said.join("\n"))
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
