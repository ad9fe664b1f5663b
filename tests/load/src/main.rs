//! Load on the edge: `cargo xtask load` starts the target and this generator. It sends requests at a fixed
//! rate, independent of the responses: each request has a due time, from which its duration counts. A
//! generator that waits for a response before the next request would omit exactly the slow ones
//! (coordinated omission).

mod cpu;
mod sender;
mod stats;
mod workload;

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

use cpu::{CpuUsage, Meter};
use sender::Sender;
use stats::RequestStats;
use workload::{Shape, Workload};

/// The target and the load.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// smoke, load or stress
    shape: String,
    /// Address of the edge, which must be on loopback
    #[arg(long)]
    at: SocketAddr,
    /// Host of the requests
    #[arg(long)]
    host: String,
    /// Process id of workerd
    #[arg(long)]
    workerd: u32,
    /// Process id of the origin
    #[arg(long)]
    origin: u32,
    /// Requests per second, instead of the shape's
    #[arg(long)]
    rate: Option<f64>,
    /// Duration, instead of the shape's
    #[arg(long)]
    seconds: Option<u64>,
}

/// The state that the senders share.
struct Run {
    workload: Workload,
    at: SocketAddr,
    host: String,
    rate: f64,
    /// The number of the first request; numbers of earlier steps are not reused.
    first: u64,
    began: OnceLock<Instant>,
    stats_by_kind: Vec<Mutex<RequestStats>>,
    done: AtomicU64,
}

/// The results of a run.
struct RunResult {
    stats_by_kind: Vec<RequestStats>,
    seconds: f64,
    cpu: CpuUsage,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run_shape(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n✗ {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_shape(arguments: &Arguments) -> Result<()> {
    if !arguments.at.ip().is_loopback() {
        bail!("{} is not on loopback; load tests run on this machine only", arguments.at);
    }
    let workload = Workload::parse(include_str!("../traffic.json"))?;
    let shape = workload.shape(&arguments.shape)?;
    let shape = Shape {
        rate: arguments.rate.unwrap_or(shape.rate),
        seconds: arguments.seconds.unwrap_or(shape.seconds),
        // With another rate the shape's minimum does not apply.
        least: if arguments.rate.is_some() { 0.0 } else { shape.least },
        ..shape
    };
    match shape.factor {
        Some(factor) => run_stress(arguments, &workload, shape, factor).await,
        None => run_fixed_rate(arguments, &workload, shape).await,
    }
}

/// Sends one rate and checks the thresholds.
async fn run_fixed_rate(arguments: &Arguments, workload: &Workload, shape: Shape) -> Result<()> {
    let outcome = run(arguments, workload, shape.rate, shape.seconds, 0).await?;
    let RunResult { stats_by_kind, seconds, cpu } = &outcome;
    println!("{}", stats::table(workload, stats_by_kind, *seconds));
    println!("  {}", describe(cpu));
    let mut failures = stats::failures(workload, stats_by_kind, shape.timed);
    let rate = stats::sum(stats_by_kind).right as f64 / seconds;
    if rate < shape.least {
        failures.push(format!("{rate:.0} correct responses a second, fewer than {}", shape.least));
    }
    failures.extend(check_counted(arguments, workload, stats_by_kind).await?);
    if failures.is_empty() {
        let holds = if shape.timed { "every threshold holds" } else { "every response is correct" };
        println!("  ✓ {holds}: {rate:.0} correct responses a second for {seconds:.0} s");
        return Ok(());
    }
    bail!("thresholds exceeded:\n  {}\n  exhausted: {}", failures.join("\n  "), cpu.limit())
}

/// Increases the rate until a threshold is exceeded, which is no failure, and prints the limiting resource.
async fn run_stress(arguments: &Arguments, workload: &Workload, shape: Shape, factor: f64) -> Result<()> {
    let mut rate = shape.rate;
    let mut first = 0;
    let mut held = None;
    let mut totals: Vec<RequestStats> = workload.mix.iter().map(|_| RequestStats::new()).collect();
    while rate <= shape.most.unwrap_or(f64::MAX) {
        let outcome = run(arguments, workload, rate, shape.seconds, first).await?;
        first += (rate * shape.seconds as f64) as u64;
        let RunResult { stats_by_kind, seconds, cpu } = &outcome;
        totals.iter_mut().zip(stats_by_kind).for_each(|(sum, stats)| sum.merge(stats));
        let sum = stats::sum(stats_by_kind);
        let reached = sum.right as f64 / seconds;
        println!(
            "  {rate:>7.0} a second: {reached:.0} correct, p95 {:.0} ms, p99 {:.0} ms, {:.1} % wrong; {}",
            sum.quantile(0.95),
            sum.quantile(0.99),
            sum.errors() * 100.0,
            describe(cpu)
        );
        let mut failures = stats::failures(workload, stats_by_kind, shape.timed);
        if reached < rate * MIN_SUSTAINED {
            failures.push(format!("only {reached:.0} of {rate:.0} requests a second had a correct response"));
        }
        if !failures.is_empty() {
            println!("\n{}", stats::table(workload, stats_by_kind, *seconds));
            println!("  thresholds exceeded at {rate:.0} a second:\n    {}", failures.join("\n    "));
            println!("  exhausted: {}", cpu.limit());
            break;
        }
        held = Some(rate);
        rate *= factor;
    }
    if let Some(missing) = check_counted(arguments, workload, &totals).await? {
        bail!("{missing}");
    }
    let held =
        held.context("the first step already exceeded a threshold; run `cargo xtask load load` for details")?;
    println!("  ✓ every threshold holds up to {held:.0} a second; every acknowledged beacon is counted");
    Ok(())
}

/// Sends requests at the rate for that many seconds.
async fn run(
    arguments: &Arguments,
    workload: &Workload,
    rate: f64,
    seconds: u64,
    first: u64,
) -> Result<RunResult> {
    let shared = Arc::new(Run {
        workload: workload.clone(),
        at: arguments.at,
        host: arguments.host.clone(),
        rate,
        first,
        began: OnceLock::new(),
        stats_by_kind: workload.mix.iter().map(|_| Mutex::new(RequestStats::new())).collect(),
        done: AtomicU64::new(0),
    });
    let requests = (rate * seconds as f64) as u64;
    let report = std::env::temp_dir().join(format!("edge-vitals-load-{}.json", std::process::id()));
    let options = BenchCli::try_parse_from([
        "load".to_owned(),
        "--quiet".to_owned(),
        format!("--concurrency={SENDERS}"),
        format!("--iterations={requests}"),
        // A bound, in case nothing is answered.
        format!("--duration={}s", seconds + GRACE_SECONDS),
        "--output=json".to_owned(),
        format!("--output-file={}", report.display()),
    ])
    .context("rlt rejects the generator's options; its version may have changed them")?;
    let meter = Meter::start(arguments.workerd, arguments.origin);
    let progress = tokio::spawn(print_progress(Arc::clone(&shared)));
    let ran = rlt::cli::run(options, Senders(Arc::clone(&shared))).await;
    progress.abort();
    // rlt's own report does not distinguish kinds.
    let _ = std::fs::remove_file(report);
    ran.context("rlt failed")?;
    let seconds =
        shared.began.get().map_or(0.0, |began| began.elapsed().as_secs_f64()).max(f64::MIN_POSITIVE);
    let mut stats_by_kind: Vec<RequestStats> = shared
        .stats_by_kind
        .iter()
        .map(|stats| stats.lock().unwrap_or_else(PoisonError::into_inner).clone())
        .collect();
    // A request that was due but did not complete counts as wrong, in its kind.
    for number in shared.done.load(Ordering::Relaxed)..requests {
        let kind = workload.draw(first + number).kind;
        stats_by_kind[kind].add(Duration::from_secs(GRACE_SECONDS), Err("no response, or not sent".into()));
    }
    Ok(RunResult { stats_by_kind, seconds, cpu: meter.read() })
}

/// The senders as a benchmark suite of rlt.
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
        let sent = run.workload.draw(run.first + info.runner_seq);
        let outcome = sender.send(&sent).await;
        let duration = due.elapsed();
        let bytes = outcome.as_ref().copied().unwrap_or_default();
        let status = if outcome.is_ok() { Status::success(200) } else { Status::error(0) };
        let mut stats = run.stats_by_kind[sent.kind].lock().unwrap_or_else(PoisonError::into_inner);
        stats.add(duration, outcome.map(drop));
        run.done.fetch_add(1, Ordering::Relaxed);
        Ok(IterReport { duration, status, bytes, items: 1 })
    }
}

/// Compares the counted views with the beacons: at least those acknowledged, at most those sent, because
/// some acknowledgements may have been lost.
async fn check_counted(
    arguments: &Arguments,
    workload: &Workload,
    stats_by_kind: &[RequestStats],
) -> Result<Option<String>> {
    let Some((kind, site)) = workload.beacons() else { return Ok(None) };
    let (acknowledged, sent) = (stats_by_kind[kind].right, stats_by_kind[kind].total());
    let mut sender = Sender::new(arguments.at, arguments.host.clone());
    let (status, body) = sender.get(&format!("/api/vitals/summary?site={site}")).await.map_err(|wrong| {
        anyhow::anyhow!("the summary request failed, so the beacons cannot be counted: {wrong}")
    })?;
    let summary: serde_json::Value = serde_json::from_slice(&body).with_context(|| {
        format!("the summary (status {status}) is not JSON: {}", String::from_utf8_lossy(&body))
    })?;
    let counted =
        summary.get("views").and_then(serde_json::Value::as_u64).context("the summary has no views")?;
    if (acknowledged..=sent).contains(&counted) {
        println!("  {acknowledged} beacons acknowledged, {counted} views counted");
        return Ok(None);
    }
    Ok(Some(format!("{acknowledged} of {sent} beacons were acknowledged, but {counted} views are counted")))
}

/// Prints the progress at intervals.
async fn print_progress(run: Arc<Run>) {
    let mut ticks = interval_at(Instant::now() + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
    loop {
        ticks.tick().await;
        let totals: Vec<RequestStats> = run
            .stats_by_kind
            .iter()
            .map(|stats| stats.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .collect();
        let sum = stats::sum(&totals);
        let since = run.began.get().map_or(0, |began| began.elapsed().as_secs());
        eprintln!(
            "  … {since} s: {} responses, p99 {:.0} ms, {} wrong",
            sum.total(),
            sum.quantile(0.99),
            sum.total() - sum.right
        );
    }
}

fn describe(cpu: &CpuUsage) -> String {
    let CpuUsage { senders, workerd, origin, machine } = cpu;
    let percent = |share: &f64| format!("{:.0} %", share * 100.0);
    format!(
        "busy (share of one processor): workerd {}, the senders {}, the origin {}; the machine {}",
        percent(workerd),
        percent(senders),
        percent(origin),
        percent(machine)
    )
}

/// The largest number of concurrent requests; the next one waits, and the wait is part of its duration.
const SENDERS: u32 = 256;
/// The wait for the last responses.
const GRACE_SECONDS: u64 = 15;
/// The share of correct responses from which a rate counts as sustained.
const MIN_SUSTAINED: f64 = 0.97;
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
