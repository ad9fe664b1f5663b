//! Load on the edge: `cargo xtask load` starts what is loaded, and this. Requests are sent at a fixed
//! rate, whatever the answers do: each has a moment at which it is due, and takes its time from then. A
//! generator that waits for an answer before it sends the next would leave out just those that would
//! have been slow.

mod machine;
mod sender;
mod tally;
mod traffic;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use clap::Parser;
use rlt::cli::BenchCli;
use rlt::{BenchSuite, IterInfo, IterReport, Status};
use tokio::time::{Instant, interval_at, sleep_until};

use machine::{Busy, Meter};
use sender::Sender;
use tally::Tally;
use traffic::{Shape, Traffic};

/// What is loaded, and how.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// smoke, load or stress.
    shape: String,
    /// The edge; on loopback, because load is put on nobody else.
    #[arg(long)]
    at: SocketAddr,
    /// The host that it is asked for.
    #[arg(long)]
    host: String,
    /// The process of workerd.
    #[arg(long)]
    workerd: u32,
    /// The process of the origin.
    #[arg(long)]
    origin: u32,
    /// Requests a second, instead of the shape's.
    #[arg(long)]
    rate: Option<f64>,
    /// For so long, instead of the shape's.
    #[arg(long)]
    seconds: Option<u64>,
}

/// What the senders share.
struct Run {
    traffic: Traffic,
    at: SocketAddr,
    host: String,
    rate: f64,
    /// The number of the first request: those of an earlier step are not sent again.
    first: u64,
    began: OnceLock<Instant>,
    tallies: Vec<Mutex<Tally>>,
    done: AtomicU64,
}

/// What came of a run.
struct Outcome {
    tallies: Vec<Tally>,
    seconds: f64,
    busy: Busy,
}

#[tokio::main]
async fn main() -> ExitCode {
    match loaded(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n✗ {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn loaded(arguments: &Arguments) -> Result<()> {
    if !arguments.at.ip().is_loopback() {
        bail!("{} is not on this machine; load is put on loopback alone", arguments.at);
    }
    let traffic = Traffic::parse(include_str!("../traffic.json"))?;
    let shape = traffic.shape(&arguments.shape)?;
    let shape = Shape {
        rate: arguments.rate.unwrap_or(shape.rate),
        seconds: arguments.seconds.unwrap_or(shape.seconds),
        // Who asks for another rate wants to see it, and is held to nothing that it does not allow.
        least: if arguments.rate.is_some() { 0.0 } else { shape.least },
        ..shape
    };
    match shape.factor {
        Some(factor) => climbed(arguments, &traffic, shape, factor).await,
        None => held(arguments, &traffic, shape).await,
    }
}

/// One rate, held; good enough, or not.
async fn held(arguments: &Arguments, traffic: &Traffic, shape: Shape) -> Result<()> {
    let outcome = run(arguments, traffic, shape.rate, shape.seconds, 0).await?;
    let Outcome { tallies, seconds, busy } = &outcome;
    println!("{}", tally::table(traffic, tallies, *seconds));
    println!("  {}", said(busy));
    let mut failures = tally::failures(traffic, tallies, shape.timed);
    let rate = tally::sum(tallies).right as f64 / seconds;
    if rate < shape.least {
        failures.push(format!("{rate:.0} right answers a second, and there have to be {}", shape.least));
    }
    failures.extend(uncounted(arguments, traffic, tallies).await?);
    if failures.is_empty() {
        let holds = if shape.timed { "every threshold holds" } else { "nothing is wrong" };
        println!("  ✓ {holds}: {rate:.0} right answers a second for {seconds:.0} s");
        return Ok(());
    }
    bail!("not good enough:\n  {}\n  what was at its limit: {}", failures.join("\n  "), busy.limit())
}

/// Ever more, until something gives: what, and at which rate. It is no failure that something does.
async fn climbed(arguments: &Arguments, traffic: &Traffic, shape: Shape, factor: f64) -> Result<()> {
    let mut rate = shape.rate;
    let mut first = 0;
    let mut held = None;
    let mut all: Vec<Tally> = traffic.mix.iter().map(|_| Tally::new()).collect();
    while rate <= shape.most.unwrap_or(f64::MAX) {
        let outcome = run(arguments, traffic, rate, shape.seconds, first).await?;
        first += (rate * shape.seconds as f64) as u64;
        let Outcome { tallies, seconds, busy } = &outcome;
        all.iter_mut().zip(tallies).for_each(|(sum, tally)| sum.merge(tally));
        let sum = tally::sum(tallies);
        let reached = sum.right as f64 / seconds;
        println!(
            "  {rate:>7.0} a second: {reached:.0} right, p95 {:.0} ms, p99 {:.0} ms, {:.1} % wrong; {}",
            sum.quantile(0.95),
            sum.quantile(0.99),
            sum.errors() * 100.0,
            said(busy)
        );
        let mut failures = tally::failures(traffic, tallies, shape.timed);
        if reached < rate * NEARLY {
            failures.push(format!("of {rate:.0} a second, {reached:.0} were answered"));
        }
        if !failures.is_empty() {
            println!("\n{}", tally::table(traffic, tallies, *seconds));
            println!("  at {rate:.0} a second it gave:\n    {}", failures.join("\n    "));
            println!("  what gave: {}", busy.limit());
            break;
        }
        held = Some(rate);
        rate *= factor;
    }
    if let Some(missing) = uncounted(arguments, traffic, &all).await? {
        bail!("{missing}");
    }
    let held = held.context("not even the first step was held; `cargo xtask load load` says more")?;
    println!("  ✓ held up to {held:.0} a second; every acknowledged beacon is counted");
    Ok(())
}

/// Sends at that rate for that long.
async fn run(
    arguments: &Arguments,
    traffic: &Traffic,
    rate: f64,
    seconds: u64,
    first: u64,
) -> Result<Outcome> {
    let shared = Arc::new(Run {
        traffic: traffic.clone(),
        at: arguments.at,
        host: arguments.host.clone(),
        rate,
        first,
        began: OnceLock::new(),
        tallies: traffic.mix.iter().map(|_| Mutex::new(Tally::new())).collect(),
        done: AtomicU64::new(0),
    });
    let wanted = (rate * seconds as f64) as u64;
    let own = std::env::temp_dir().join(format!("edge-vitals-load-{}.json", std::process::id()));
    let options = BenchCli::try_parse_from([
        "load".to_owned(),
        "--quiet".to_owned(),
        format!("--concurrency={SENDERS}"),
        format!("--iterations={wanted}"),
        // Bounded, also where nothing is answered.
        format!("--duration={}s", seconds + GRACE),
        "--output=json".to_owned(),
        format!("--output-file={}", own.display()),
    ])
    .context("the generator takes other options now")?;
    let meter = Meter::start(arguments.workerd, arguments.origin);
    let progress = tokio::spawn(told(Arc::clone(&shared)));
    let ran = rlt::cli::run(options, Senders(Arc::clone(&shared))).await;
    progress.abort();
    // Its own report knows of one kind only.
    let _ = std::fs::remove_file(own);
    ran.context("the generator failed")?;
    let seconds =
        shared.began.get().map_or(0.0, |began| began.elapsed().as_secs_f64()).max(f64::MIN_POSITIVE);
    let mut tallies: Vec<Tally> = shared
        .tallies
        .iter()
        .map(|tally| tally.lock().unwrap_or_else(PoisonError::into_inner).clone())
        .collect();
    // What was due and never came to its end is wrong, and belongs to its kind.
    for number in shared.done.load(Ordering::Relaxed)..wanted {
        let kind = traffic.draw(first + number).kind;
        tallies[kind].add(Duration::from_secs(GRACE), Err("never answered, or never sent".into()));
    }
    Ok(Outcome { tallies, seconds, busy: meter.read() })
}

/// The senders, as the generator sees them.
#[derive(Clone)]
struct Senders(Arc<Run>);

#[async_trait]
impl BenchSuite for Senders {
    type WorkerState = Sender;

    async fn state(&self, _: u32) -> Result<Sender> {
        Ok(Sender::new(self.0.at, self.0.host.clone()))
    }

    async fn bench(&mut self, sender: &mut Sender, info: &IterInfo) -> Result<IterReport> {
        let run = &self.0;
        let began = *run.began.get_or_init(Instant::now);
        let due = began + Duration::from_secs_f64(info.runner_seq as f64 / run.rate);
        sleep_until(due).await;
        let sent = run.traffic.draw(run.first + info.runner_seq);
        let outcome = sender.send(&sent).await;
        let duration = due.elapsed();
        let bytes = outcome.as_ref().copied().unwrap_or_default();
        let status = if outcome.is_ok() { Status::success(200) } else { Status::error(0) };
        let mut tally = run.tallies[sent.kind].lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(duration, outcome.map(drop));
        run.done.fetch_add(1, Ordering::Relaxed);
        Ok(IterReport { duration, status, bytes, items: 1 })
    }
}

/// Whether the beacons that were acknowledged are counted: not fewer than those, and not more than were
/// sent, for the answer to some may have been lost.
async fn uncounted(arguments: &Arguments, traffic: &Traffic, tallies: &[Tally]) -> Result<Option<String>> {
    let Some((kind, site)) = traffic.beacons() else { return Ok(None) };
    let (acknowledged, sent) = (tallies[kind].right, tallies[kind].all());
    let mut sender = Sender::new(arguments.at, arguments.host.clone());
    let (status, body) = sender
        .get(&format!("/api/vitals/summary?site={site}"))
        .await
        .map_err(|wrong| anyhow::anyhow!("the beacons cannot be counted: {wrong}"))?;
    let summary: serde_json::Value = serde_json::from_slice(&body)
        .with_context(|| format!("the summary ({status}) is no JSON: {}", String::from_utf8_lossy(&body)))?;
    let counted =
        summary.get("views").and_then(serde_json::Value::as_u64).context("the summary has no views")?;
    if (acknowledged..=sent).contains(&counted) {
        println!("  {acknowledged} beacons were acknowledged, and {counted} views are counted");
        return Ok(None);
    }
    Ok(Some(format!("{acknowledged} beacons of {sent} were acknowledged, and {counted} views are counted")))
}

/// Says now and then how it goes.
async fn told(run: Arc<Run>) {
    let mut ticks = interval_at(Instant::now() + TOLD_EVERY, TOLD_EVERY);
    loop {
        ticks.tick().await;
        let all: Vec<Tally> = run
            .tallies
            .iter()
            .map(|tally| tally.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .collect();
        let sum = tally::sum(&all);
        let since = run.began.get().map_or(0, |began| began.elapsed().as_secs());
        eprintln!(
            "  … {since} s: {} answers, p99 {:.0} ms, {} wrong",
            sum.all(),
            sum.quantile(0.99),
            sum.all() - sum.right
        );
    }
}

fn said(busy: &Busy) -> String {
    let Busy { senders, workerd, origin, machine } = busy;
    let percent = |share: &f64| format!("{:.0} %", share * 100.0);
    format!(
        "busy, of one processor: workerd {}, the senders {}, the origin {}; the machine {}",
        percent(workerd),
        percent(senders),
        percent(origin),
        percent(machine)
    )
}

/// So many requests may be on their way at once; the next one waits, and the wait is part of its time.
const SENDERS: u32 = 256;
/// Seconds for which the last answers are waited for.
const GRACE: u64 = 15;
/// What is answered of a rate that is held.
const NEARLY: f64 = 0.97;
const TOLD_EVERY: Duration = Duration::from_secs(10);
