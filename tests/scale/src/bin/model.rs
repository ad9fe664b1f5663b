//! Cost model of a billion page views a day over many sites, hour by hour: shards, requests, rows, storage, the
//! cost at the platform's list prices, and the bottleneck. Cells are simulated with the ledger's own code; the rows
//! of the journal are as measured in SQLite.

use ledger::{CardinalityLimits, Horizon, UnfoldedView};
use scale::{Audience, Random, RowCounts, SimulatedShard, shipped_limits};
use wire::{UnixMillis, WindowSpan};

/// The platform's list prices in US dollars as of 2026-11, per million units; storage per gigabyte-month. The
/// included volume of the plan is negligible at this scale.
/// <https://developers.cloudflare.com/workers/platform/pricing/>
/// <https://developers.cloudflare.com/durable-objects/platform/pricing/>
mod price {
    pub const REQUESTS: f64 = 0.30;
    pub const CPU_MS: f64 = 0.02;
    pub const OBJECT_REQUESTS: f64 = 0.15;
    pub const OBJECT_GIGABYTE_SECONDS: f64 = 12.50;
    pub const ROWS_READ: f64 = 0.001;
    pub const ROWS_WRITTEN: f64 = 1.00;
    pub const STORED_GIGABYTE_MONTH: f64 = 0.20;
}

/// Rows of the journal, as counted by `rowsWritten` of workerd's cursors (`tests/worker/journal.test.mjs`): one when a
/// commit is written, in the place of a void one; and one for each hundred views of a fold, which is deleted later.
mod journal {
    pub const ROWS_PER_COMMIT: f64 = 1.0;
    /// Beacons that arrive within this time of the first of a commit are written with it.
    pub const COMMIT_SECONDS: f64 = 0.002;
    pub const VIEWS_PER_FOLD_ROW: f64 = 100.0;
    /// It is written, and deleted.
    pub const ROWS_PER_FOLD_ROW: f64 = 2.0;
    /// Each fold stores the most visited routes.
    pub const ROWS_PER_FOLD: f64 = 1.0;
    /// A fold reads the rows of commits, and for a correction the row of the fold before.
    pub const ROWS_READ_PER_SEND: f64 = 2.0;
    /// The size of a view in the row of a fold.
    pub const VIEW_BYTES: f64 = 250.0;
    pub const RETENTION_HOURS: f64 = 2.0;
}

/// Rows of the journal of version 3: a row and its index entry when a view arrived or was corrected, which moved it to
/// the end; one row when it was folded, and one when it expired.
mod journal_v3 {
    pub const ROWS_PER_VIEW: f64 = 2.0;
    pub const ROWS_PER_CORRECTION: f64 = 2.0;
    pub const ROWS_PER_FOLDED_VIEW: f64 = 1.0;
    pub const ROWS_PER_EXPIRED_VIEW: f64 = 1.0;
    /// Each fold stored its position in the journal and the most visited routes.
    pub const ROWS_PER_FOLD: f64 = 2.0;
}

/// Rows of the journal of version 2, which had an index for each of its two orders.
mod journal_v2 {
    pub const ROWS_PER_VIEW: f64 = 4.0;
    pub const ROWS_PER_CORRECTION: f64 = 3.0;
}

const VIEWS_PER_DAY: f64 = 1e9;
const SITES: usize = 10_000;
/// The share of views with a second beacon: the page was hidden and shown again.
const CORRECTED_SHARE: f64 = 0.25;
/// The planned maximum of an object, with a reserve for peaks of a minute.
const MAX_VIEWS_PER_SECOND: f64 = 250.0;
/// The CPU time of a beacon in the Worker and in the object, from `cargo xtask bench ingest`.
const CPU_MS_PER_SEND: f64 = 0.25;
const ROUTES: usize = 200;
const FOLD_INTERVAL_SECONDS: f64 = 10.0;
/// The largest page sum, from `cargo xtask bench ledger` after ten million views.
const PAGE_SUM_BYTES: f64 = 1350.0;
const OBJECT_MEMORY_GB: f64 = 0.125;
/// The share of daily views by hour, in per cent.
const HOURLY_SHARE: [f64; 24] = [
    2.4, 1.8, 1.5, 1.3, 1.4, 1.8, 2.6, 3.6, 4.5, 5.1, 5.5, 5.6, 5.5, 5.4, 5.3, 5.3, 5.4, 5.6, 5.9, 6.2, 6.1,
    5.5, 4.2, 3.0,
];

fn main() {
    println!("Models a billion views a day with the ledger's own code, hour by hour.");
    let hours: Vec<HourUsage> = (0..24)
        .map(|at| {
            eprint!("\rfolds hour {} of 24", at + 1);
            hour_usage(at)
        })
        .collect();
    eprintln!("\r                      ");
    let day = hours.iter().fold(HourUsage::default(), |sum, hour| sum.combined_with(hour));
    println!(
        "A model of {VIEWS_PER_DAY:.0} views a day over {SITES} sites, the largest with {:.0} of them.",
        VIEWS_PER_DAY * view_share(1)
    );
    println!("Each hour of one shard of each size is folded and rolled up by the ledger's own code.\n");
    println!(
        "{:>4}  {:>11}  {:>10}  {:>7}  {:>9}  {:>12}  {:>12}  {:>10}  {:>9}",
        "hour",
        "views",
        "requests/s",
        "shards",
        "busiest/s",
        "rows written",
        "rows read",
        "stored GB",
        "dollars"
    );
    for (at, hour) in hours.iter().enumerate() {
        println!(
            "{at:>4}  {:>11.0}  {:>10.0}  {:>7.0}  {:>9.0}  {:>12.0}  {:>12.0}  {:>10.1}  {:>9.2}",
            hour.views,
            hour.requests / 3600.0,
            hour.shards,
            hour.peak_views_per_second,
            hour.rows_written(),
            hour.rows_read,
            hour.stored_bytes / 1e9,
            hour.dollars(),
        );
    }
    println!("\nA day, by what is billed:");
    let lines = day.bill();
    let all: f64 = lines.iter().map(|line| line.dollars).sum();
    for BillLine { label, count, dollars } in &lines {
        println!("  {label:<44} {count:>18.0}  {dollars:>10.2} dollars  {:>5.1} %", 100.0 * dollars / all);
    }
    println!("  {:<44} {:>18}  {all:>10.2} dollars", "all", "");
    println!(
        "  a million views: {:.3} dollars; a month: {:.0} dollars",
        all / VIEWS_PER_DAY * 1e6,
        all * 30.0
    );
    println!(
        "\nStored after 400 days: {:.0} GB, {:.0} dollars a month.",
        retained_bytes(&day) / 1e9,
        retained_bytes(&day) / 1e9 * price::STORED_GIGABYTE_MONTH
    );
    let version_3 = day.version_3_rows - day.journal_rows;
    let version_2 = version_3
        + VIEWS_PER_DAY
            * (journal_v2::ROWS_PER_VIEW - journal_v3::ROWS_PER_VIEW
                + CORRECTED_SHARE * (journal_v2::ROWS_PER_CORRECTION - journal_v3::ROWS_PER_CORRECTION));
    println!(
        "Rows of the journal: {:.2} a view; {:.2} with the tables of version 3, a row for each view.",
        day.journal_rows / VIEWS_PER_DAY,
        day.version_3_rows / VIEWS_PER_DAY
    );
    for (version, more) in [(3, version_3), (2, version_2)] {
        println!(
            "With the journal of version {version}: {:.2} dollars more a day, {:.3} a million views.",
            more / 1e6 * price::ROWS_WRITTEN,
            (all + more / 1e6 * price::ROWS_WRITTEN) / VIEWS_PER_DAY * 1e6
        );
    }
    println!(
        "List prices of 2026-11, developers.cloudflare.com: Workers pricing and Durable Objects pricing."
    );
    let worst = lines.iter().max_by(|a, b| a.dollars.total_cmp(&b.dollars)).expect("a bill has lines");
    println!("The bottleneck of cost: {}, {:.0} % of the bill.", worst.label, 100.0 * worst.dollars / all);
    let peak = hours.iter().map(|hour| hour.peak_views_per_second).fold(0.0, f64::max);
    println!(
        "The bottleneck of speed: one object is one thread. The busiest takes {peak:.0} views a second in its hour,\n{:.0} % of a processor at {CPU_MS_PER_SEND} ms a send; the largest site needs SHARDS = {:.0}.",
        100.0 * peak * (1.0 + CORRECTED_SHARE) * CPU_MS_PER_SEND / 1000.0,
        shards_of_site(1),
    );
}

/// The usage of one hour by all sites.
#[derive(Clone, Copy, Debug, Default)]
struct HourUsage {
    views: f64,
    requests: f64,
    shards: f64,
    peak_views_per_second: f64,
    journal_rows: f64,
    /// Rows that the journal of version 3 would have written.
    version_3_rows: f64,
    cell_rows: f64,
    rows_read: f64,
    /// Bytes that are stored during the hour: journal, minutes and hours.
    stored_bytes: f64,
    /// Bytes of the cells of the hour after its roll-up.
    lasting_bytes: f64,
    /// Visited pages.
    pages: f64,
    object_requests: f64,
    object_seconds: f64,
}

struct BillLine {
    label: &'static str,
    count: f64,
    dollars: f64,
}

impl HourUsage {
    fn combined_with(mut self, other: &Self) -> Self {
        let mine = [
            &mut self.views,
            &mut self.requests,
            &mut self.journal_rows,
            &mut self.version_3_rows,
            &mut self.cell_rows,
            &mut self.rows_read,
            &mut self.lasting_bytes,
            &mut self.object_requests,
            &mut self.object_seconds,
        ];
        let theirs = [
            other.views,
            other.requests,
            other.journal_rows,
            other.version_3_rows,
            other.cell_rows,
            other.rows_read,
            other.lasting_bytes,
            other.object_requests,
            other.object_seconds,
        ];
        mine.into_iter().zip(theirs).for_each(|(sum, more)| *sum += more);
        self.shards = self.shards.max(other.shards);
        self.peak_views_per_second = self.peak_views_per_second.max(other.peak_views_per_second);
        self.stored_bytes = self.stored_bytes.max(other.stored_bytes);
        self.pages = self.pages.max(other.pages);
        self
    }

    fn scaled(mut self, shards: f64) -> Self {
        let all = [
            &mut self.views,
            &mut self.requests,
            &mut self.journal_rows,
            &mut self.version_3_rows,
            &mut self.cell_rows,
            &mut self.rows_read,
            &mut self.lasting_bytes,
            &mut self.object_requests,
            &mut self.object_seconds,
        ];
        all.into_iter().for_each(|one| *one *= shards);
        self
    }

    fn rows_written(&self) -> f64 {
        self.journal_rows + self.cell_rows
    }

    fn bill(&self) -> Vec<BillLine> {
        let millions = |count: f64, price: f64| count / 1e6 * price;
        let gigabyte_seconds = self.object_seconds * OBJECT_MEMORY_GB;
        let cpu = self.requests * CPU_MS_PER_SEND;
        vec![
            BillLine {
                label: "requests to the Worker",
                count: self.requests,
                dollars: millions(self.requests, price::REQUESTS),
            },
            BillLine {
                label: "milliseconds of processor",
                count: cpu,
                dollars: millions(cpu, price::CPU_MS),
            },
            BillLine {
                label: "requests to objects, with alarms",
                count: self.object_requests,
                dollars: millions(self.object_requests, price::OBJECT_REQUESTS),
            },
            BillLine {
                label: "gigabyte-seconds of objects",
                count: gigabyte_seconds,
                dollars: millions(gigabyte_seconds, price::OBJECT_GIGABYTE_SECONDS),
            },
            BillLine {
                label: "rows written by the journal",
                count: self.journal_rows,
                dollars: millions(self.journal_rows, price::ROWS_WRITTEN),
            },
            BillLine {
                label: "rows written by cells and pages",
                count: self.cell_rows,
                dollars: millions(self.cell_rows, price::ROWS_WRITTEN),
            },
            BillLine {
                label: "rows read",
                count: self.rows_read,
                dollars: millions(self.rows_read, price::ROWS_READ),
            },
        ]
    }

    fn dollars(&self) -> f64 {
        self.bill().iter().map(|line| line.dollars).sum()
    }
}

/// A class of sites of similar size.
struct SiteClass {
    rank: usize,
    sites: f64,
    /// Daily views of each site.
    views: f64,
}

/// Groups all sites by rank; each class is half as large again as the previous one.
fn site_classes() -> Vec<SiteClass> {
    let mut all = Vec::new();
    let mut rank = 1;
    while rank <= SITES {
        let next = (rank + rank.div_ceil(2)).min(SITES + 1);
        let sites = (next - rank) as f64;
        let views = (rank..next).map(|rank| VIEWS_PER_DAY * view_share(rank)).sum::<f64>() / sites;
        all.push(SiteClass { rank, sites, views });
        rank = next;
    }
    all
}

fn hour_usage(at: usize) -> HourUsage {
    let mut sum = HourUsage::default();
    for SiteClass { rank, sites, views } in site_classes() {
        let views = views * HOURLY_SHARE[at] / HOURLY_SHARE.iter().sum::<f64>();
        let shards = shards_of_site(rank);
        let one = simulate_shard_hour(views / shards, at as u64 * 100_000 + rank as u64);
        let busiest = sum.peak_views_per_second.max(views / shards / 3600.0);
        let all = sites * shards;
        let (count, stored, pages) =
            (sum.shards + all, sum.stored_bytes + one.stored_bytes * all, sum.pages + one.pages * all);
        sum = sum.combined_with(&one.scaled(all));
        (sum.peak_views_per_second, sum.shards, sum.stored_bytes, sum.pages) =
            (busiest, count, stored, pages);
    }
    sum
}

/// Simulates one shard for one hour. For a busy shard some minutes are folded and extrapolated to the hour; the
/// roll-up is of the folded views.
fn simulate_shard_hour(views: f64, seed: u64) -> HourUsage {
    let noon = UnixMillis(500_000 * WindowSpan::Hour.millis());
    let minutes = (MAX_SIMULATED_VIEWS / (views / 60.0)).clamp(3.0, 60.0).floor();
    let mut random = Random(seed);
    let mut audience = Audience::new(ROUTES, false, seed);
    let mut shard = SimulatedShard::new(
        CardinalityLimits::default(),
        Horizon { minutes: noon, pages: noon, ..Horizon::default() },
    );
    let (mut rows, mut folds, mut folded_views) = (RowCounts::default(), 0.0, 0.0);
    let mut due = 0.0;
    for fold in 0..(minutes * 60.0 / FOLD_INTERVAL_SECONDS) as u64 {
        // Arrivals are random.
        due += views / 3600.0 * FOLD_INTERVAL_SECONDS * 2.0 * random.share();
        let count = due.floor();
        due -= count;
        if count == 0.0 {
            continue;
        }
        let at = noon.saturating_add(fold * (FOLD_INTERVAL_SECONDS * 1000.0) as u64);
        let block: Vec<UnfoldedView> = (0..count as u64).map(|_| audience.view(at)).collect();
        let folded = shard.fold(block, shipped_limits);
        rows.read += folded.read;
        rows.written += folded.written;
        folds += 1.0;
        folded_views += count;
    }
    let extrapolation = if folded_views > 0.0 { views / folded_views } else { 0.0 };
    let minute_bytes = shard.cell_bytes() as f64;
    let rolled = shard.roll_up(noon.saturating_add(4 * WindowSpan::Hour.millis()));
    // Further minutes of the same hour add few series.
    let hours = if minutes < 60.0 { 1.0 } else { extrapolation };
    let sends = views * (1.0 + CORRECTED_SHARE);
    // A correction is folded into cells that the same fold mostly writes anyway.
    let cells = (rows.written as f64 + rolled.written as f64) * extrapolation * (1.0 + CORRECTED_SHARE / 2.0);
    let folds = folds * extrapolation;
    let commits = sends / (1.0 + sends / 3600.0 * journal::COMMIT_SECONDS);
    let fold_rows = folds * (sends / folds.max(1.0) / journal::VIEWS_PER_FOLD_ROW).ceil();
    let journal = commits * journal::ROWS_PER_COMMIT
        + fold_rows * journal::ROWS_PER_FOLD_ROW
        + folds * journal::ROWS_PER_FOLD;
    let version_3 = views
        * (journal_v3::ROWS_PER_VIEW + journal_v3::ROWS_PER_FOLDED_VIEW + journal_v3::ROWS_PER_EXPIRED_VIEW)
        + views * CORRECTED_SHARE * (journal_v3::ROWS_PER_CORRECTION + journal_v3::ROWS_PER_FOLDED_VIEW)
        + folds * journal_v3::ROWS_PER_FOLD;
    let lasting = shard.cell_bytes() as f64 * hours;
    HourUsage {
        views,
        requests: sends,
        journal_rows: journal,
        version_3_rows: version_3,
        cell_rows: cells,
        rows_read: (rows.read + rolled.read) as f64 * extrapolation + sends * journal::ROWS_READ_PER_SEND,
        stored_bytes: views * journal::RETENTION_HOURS * journal::VIEW_BYTES
            + 2.0 * minute_bytes * extrapolation
            + lasting * 24.0 * 35.0,
        lasting_bytes: lasting,
        pages: shard.sums.len() as f64,
        object_requests: sends + folds,
        // An object hibernates some seconds after its last request.
        object_seconds: (sends * FOLD_INTERVAL_SECONDS).min(3600.0),
        ..HourUsage::default()
    }
}

/// Returns the bytes that are stored after 400 days.
fn retained_bytes(day: &HourUsage) -> f64 {
    // A day's cells contain the views of its hours; counts in used buckets take little more space. Each page has a
    // sum for each day.
    day.lasting_bytes * 35.0 + day.lasting_bytes / 8.0 * 365.0 + day.pages * PAGE_SUM_BYTES * 400.0
}

/// Returns the share of all views of a site by its rank (Zipf): the second has half of the views of the first.
fn view_share(rank: usize) -> f64 {
    1.0 / rank as f64 / (1..=SITES).map(|rank| 1.0 / rank as f64).sum::<f64>()
}

fn shards_of_site(rank: usize) -> f64 {
    let peak = HOURLY_SHARE.into_iter().fold(0.0, f64::max) / HOURLY_SHARE.iter().sum::<f64>();
    (VIEWS_PER_DAY * view_share(rank) * peak / 3600.0 / MAX_VIEWS_PER_SECOND).ceil().max(1.0)
}

/// The maximum number of views that are simulated for one shard and hour.
const MAX_SIMULATED_VIEWS: f64 = 6000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sites_share_a_billion_views() {
        let views: f64 = site_classes().iter().map(|class| class.sites * class.views).sum();
        let sites: f64 = site_classes().iter().map(|class| class.sites).sum();
        assert!((views / VIEWS_PER_DAY - 1.0).abs() < 1e-9 && sites == SITES as f64, "{views} of {sites}");
    }

    #[test]
    fn a_million_rows_cost_a_dollar() {
        let hour = HourUsage { journal_rows: 1e6, ..HourUsage::default() };
        assert_eq!(hour.dollars(), 1.0);
    }

    #[test]
    fn the_journal_writes_a_third_of_the_rows_of_version_3_at_most() {
        let hour = simulate_shard_hour(MAX_SIMULATED_VIEWS, 1);
        assert!(hour.journal_rows * 3.0 <= hour.version_3_rows, "{hour:?}");
    }

    #[test]
    fn simulating_fewer_minutes_keeps_the_cost_per_view() {
        // The first is simulated for an hour, the second for some minutes with more views per cell.
        let (calm, busy) =
            (simulate_shard_hour(MAX_SIMULATED_VIEWS, 1), simulate_shard_hour(MAX_SIMULATED_VIEWS * 3.0, 1));
        let rows_per_view = |hour: &HourUsage| hour.cell_rows / hour.views;
        assert!(
            rows_per_view(&busy) < rows_per_view(&calm) && rows_per_view(&busy) > rows_per_view(&calm) / 2.0,
            "{} {}",
            rows_per_view(&busy),
            rows_per_view(&calm)
        );
    }
}
