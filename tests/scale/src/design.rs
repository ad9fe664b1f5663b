//! The designs that the model compares, and the usage of one shard under each. Cells are folded and rolled up by the
//! ledger's own code; the rows of everything else are as workerd's cursors report them, which
//! `tests/worker/journal.test.mjs` holds to a real run.

use ledger::{CardinalityLimits, Horizon, UnfoldedView};
use wire::{UnixMillis, WindowSpan};

use crate::pack_rows::PackRows;
use crate::{Audience, Random, RowCounts, SimulatedShard, shipped_limits, thread_cpu_ns};

/// A design of the storage of a shard.
#[derive(Clone, Copy, Debug)]
pub struct Design {
    /// Its name.
    pub name: &'static str,
    /// True if many cells share a row.
    is_packed: bool,
    /// The longest time between folds, and the number of views that are folded at once.
    fold_seconds: f64,
    fold_views: f64,
    /// The time for which a commit collects rows while an object is busy.
    busy_commit_seconds: f64,
    /// True if the sums of pages are written with each roll-up, not once a day.
    has_hourly_page_sums: bool,
    /// True if slices have daily sums, too.
    has_slices: bool,
    /// True if browsers and operating systems are labels, with slices of their own.
    has_browsers: bool,
    /// The rows of a scrape of metrics: some for each route, or for many of them.
    routes_per_totals_row: f64,
    rows_per_totals_row: f64,
}

/// The tables of version 4: a cell is a row, folded every ten seconds.
pub const VERSION_4: Design = Design {
    name: "version 4",
    is_packed: false,
    fold_seconds: 10.0,
    fold_views: f64::INFINITY,
    busy_commit_seconds: IDLE_COMMIT_SECONDS,
    has_hourly_page_sums: true,
    has_slices: false,
    has_browsers: false,
    routes_per_totals_row: 1.0,
    rows_per_totals_row: 2.0,
};

/// The tables of version 7: packs, folded by age and amount; daily sums of pages and slices; browsers.
pub const VERSION_7: Design = Design {
    name: "version 7",
    is_packed: true,
    fold_seconds: 900.0,
    fold_views: 2_000.0,
    busy_commit_seconds: 0.05,
    has_hourly_page_sums: false,
    has_slices: true,
    has_browsers: true,
    routes_per_totals_row: 32.0,
    rows_per_totals_row: 1.0,
};

/// The same without browsers.
pub const VERSION_6: Design = Design { name: "version 6", has_browsers: false, ..VERSION_7 };

/// The usage of a shard in one hour.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardHour {
    /// Views.
    pub views: f64,
    /// Beacons.
    pub sends: f64,
    /// Rows written by commits, and by folds for each view.
    pub journal_rows: f64,
    /// Rows written by cells, and later when they are moved and deleted.
    pub cell_rows: f64,
    /// Rows written by daily sums, and later when they are deleted.
    pub sum_rows: f64,
    /// Alarms that were set.
    pub alarm_rows: f64,
    /// Facts, and what the cron writes.
    pub other_rows: f64,
    /// Rows read.
    pub rows_read: f64,
    /// Calls and alarms.
    pub object_requests: f64,
    /// Seconds in which a call or an alarm was open.
    pub busy_seconds: f64,
    /// Bytes of cells of minutes.
    pub minute_bytes: f64,
    /// Bytes of the cells of the hour after its roll-up.
    pub hour_bytes: f64,
    /// Processor time of folds and the roll-up, native.
    pub fold_cpu_seconds: f64,
}

impl ShardHour {
    /// Returns all values, to sum or scale them.
    pub fn values_mut(&mut self) -> [&mut f64; 13] {
        [
            &mut self.views,
            &mut self.sends,
            &mut self.journal_rows,
            &mut self.cell_rows,
            &mut self.sum_rows,
            &mut self.alarm_rows,
            &mut self.other_rows,
            &mut self.rows_read,
            &mut self.object_requests,
            &mut self.busy_seconds,
            &mut self.minute_bytes,
            &mut self.hour_bytes,
            &mut self.fold_cpu_seconds,
        ]
    }

    /// Returns all rows written.
    #[must_use]
    pub fn rows_written(&self) -> f64 {
        self.journal_rows + self.cell_rows + self.sum_rows + self.alarm_rows + self.other_rows
    }
}

impl Design {
    /// Returns the expected number of slices with a view, of `views` views.
    #[must_use]
    pub fn slices_of(&self, views: f64) -> f64 {
        let browsers = BROWSER_SLICE_VALUES.into_iter().filter(|_| self.has_browsers);
        let values = SLICE_VALUES.into_iter().filter(|_| self.has_slices).chain(browsers);
        values.map(|count| visited(views, &zipf(count), &DEVICE_SHARES)).sum()
    }

    /// Simulates one shard for one hour. For a busy shard some minutes are folded and extrapolated to the hour; the
    /// roll-up is of the folded views.
    #[must_use]
    pub fn simulate_hour(&self, views: f64, views_of_day: f64, seed: u64) -> ShardHour {
        let sends = views * (1.0 + CORRECTED_SHARE);
        let rate = sends / 3600.0;
        let noon = UnixMillis(500_000 * WindowSpan::Hour.millis());
        let minutes = (MAX_SIMULATED_VIEWS / (views / 60.0)).clamp(3.0, 60.0).floor();
        let fold_seconds = self.fold_seconds.min(self.fold_views / rate).min(minutes * 60.0);
        let mut shard = SimulatedShard::new(
            CardinalityLimits::default(),
            Horizon { minutes: noon, pages: noon, ..Horizon::default() },
        );
        shard.packs = self.is_packed.then(PackRows::default);
        let (mut rows, mut folds, mut folded_views) = (RowCounts::default(), 0.0, 0.0);
        let mut fold_cpu_ns = 0.0;
        let (mut audience, mut random, mut due) =
            (Audience::new(ROUTES, false, seed).with_browsers(self.has_browsers), Random(seed), 0.0);
        for fold in 0..(minutes * 60.0 / fold_seconds).round() as u64 {
            // Arrivals are random.
            due += views / 3600.0 * fold_seconds * 2.0 * random.share();
            let count = due.floor();
            due -= count;
            if count == 0.0 {
                continue;
            }
            let at = |view: f64| {
                let seconds = (fold as f64 + view / count) * fold_seconds;
                noon.saturating_add((seconds * 1000.0) as u64)
            };
            let block: Vec<UnfoldedView> =
                (0..count as u64).map(|view| audience.view(at(view as f64))).collect();
            let before = thread_cpu_ns();
            let folded = shard.fold(block, shipped_limits);
            fold_cpu_ns += thread_cpu_ns() - before;
            rows.read += folded.read;
            rows.written += folded.written;
            folds += 1.0;
            folded_views += count;
        }
        let extrapolation = if folded_views > 0.0 { views / folded_views } else { 0.0 };
        let minute_bytes = shard.cell_bytes() as f64;
        let before = thread_cpu_ns();
        let rolled = shard.roll_up(noon.saturating_add(4 * WindowSpan::Hour.millis()));
        fold_cpu_ns += thread_cpu_ns() - before;
        // Further minutes of the same hour add few series.
        let hours = if minutes < 60.0 { 1.0 } else { extrapolation };
        let hour_bytes = shard.cell_bytes() as f64 * hours;
        let hour_rows = match &shard.packs {
            Some(packs) => packs.size().0 as f64,
            None => shard.cells.len() as f64,
        } * hours;
        let folds = folds * extrapolation;
        // A correction is folded into cells that the same fold mostly writes anyway.
        let cell_rows =
            (rows.written as f64 + rolled.written as f64) * extrapolation * (1.0 + CORRECTED_SHARE / 2.0);
        // After 35 days an hour is deleted, and its day written; that is deleted after 400.
        let cell_rows = cell_rows + hour_rows + 2.0 * hour_rows / 8.0;
        let pages_of_day = pages_of(views_of_day) * views / views_of_day;
        let slices_of_day = self.slices_of(views_of_day) * views / views_of_day;
        let written_sums =
            if self.has_hourly_page_sums { pages_of(views) } else { pages_of_day + slices_of_day };
        let commit_seconds = if rate >= BUSY_ROWS { self.busy_commit_seconds } else { IDLE_COMMIT_SECONDS };
        let commits = sends / (1.0 + rate * commit_seconds);
        let fold_rows = folds * (sends / folds.max(1.0) / VIEWS_PER_FOLD_ROW).ceil();
        // A sweep each quarter of an hour, while there are views.
        let sweeps = if views >= 1.0 { 4.0 } else { 0.0 };
        let alarms = if self.is_packed {
            sweeps + 2.0 * (folds - sweeps).max(0.0)
        } else {
            // The fold, and the sweep that waits instead of it.
            2.0 * folds
        };
        let totals = self.rows_per_totals_row * (routes_of(views / 4.0) / self.routes_per_totals_row).ceil();
        let waits = IDLE_SECONDS.mul_add(-rate, 0.0).exp() * sends;
        ShardHour {
            views,
            sends,
            journal_rows: commits + 2.0 * fold_rows,
            cell_rows,
            sum_rows: written_sums + pages_of_day + slices_of_day,
            alarm_rows: alarms,
            other_rows: folds
                + 2.0
                + CRONS_PER_HOUR * (totals + ROWS_PER_CRON)
                + EVALUATIONS_PER_HOUR
                + FULL_EVALUATIONS_PER_HOUR * ROWS_PER_CRON,
            rows_read: (rows.read + rolled.read) as f64 * extrapolation
                + sends * ROWS_READ_PER_SEND
                + (CRONS_PER_HOUR + FULL_EVALUATIONS_PER_HOUR) * ROWS_READ_PER_CRON
                + EVALUATIONS_PER_HOUR * ROWS_READ_PER_EVALUATION,
            object_requests: sends
                + alarms
                + CRONS_PER_HOUR * CALLS_PER_CRON
                + EVALUATIONS_PER_HOUR * CALLS_PER_EVALUATION
                + FULL_EVALUATIONS_PER_HOUR * CALLS_PER_CRON,
            busy_seconds: 3600.0 * (1.0 - (-rate * (commit_seconds + CONFIRM_SECONDS)).exp())
                + waits * WAKE_SECONDS
                + alarms * ALARM_SECONDS
                + (CRONS_PER_HOUR + FULL_EVALUATIONS_PER_HOUR) * CRON_SECONDS
                + EVALUATIONS_PER_HOUR * EVALUATION_SECONDS,
            minute_bytes: 2.0 * minute_bytes * extrapolation + sends * JOURNAL_HOURS * VIEW_BYTES,
            hour_bytes,
            fold_cpu_seconds: fold_cpu_ns / 1e9 * extrapolation * (1.0 + CORRECTED_SHARE),
        }
    }
}

/// Returns the expected number of pages with a view, of `views` views.
#[must_use]
pub fn pages_of(views: f64) -> f64 {
    visited(views, &zipf(ROUTES), &DEVICE_SHARES)
}

fn routes_of(views: f64) -> f64 {
    visited(views, &zipf(ROUTES), &[1.0])
}

/// Returns the shares of values that are ever less frequent.
fn zipf(count: usize) -> Vec<f64> {
    let all: f64 = (1..=count).map(|rank| 1.0 / rank as f64).sum();
    (1..=count).map(|rank| 1.0 / rank as f64 / all).collect()
}

/// Returns the expected number of values with a view, on each device class.
fn visited(views: f64, value_shares: &[f64], device_shares: &[f64]) -> f64 {
    let shares = value_shares.iter().flat_map(|value| device_shares.iter().map(move |device| value * device));
    shares.map(|share| 1.0 - (-views * share).exp()).sum()
}

const DEVICE_SHARES: [f64; 3] = [0.58, 0.38, 0.04];
/// The values of the dimensions that have slices, by their frequency: all views, types of navigation, cache statuses,
/// connections, releases, countries, and two dimensions of the site.
const SLICE_VALUES: [usize; 8] = [1, 6, 4, 4, 3, 100, 5, 20];
/// The same of browsers with their versions, families, and operating systems.
const BROWSER_SLICE_VALUES: [usize; 3] = [150, 15, 6];
/// The share of views with a second beacon: the page was hidden and shown again.
pub const CORRECTED_SHARE: f64 = 0.25;
/// Routes of a site.
pub const ROUTES: usize = 200;
/// The maximum number of views that are simulated for one shard and hour.
pub const MAX_SIMULATED_VIEWS: f64 = 6_000.0;
/// Beacons that arrive within this time of the first of a commit are written with it.
const IDLE_COMMIT_SECONDS: f64 = 0.002;
/// From this rate on, the time is that of a busy object.
const BUSY_ROWS: f64 = 10.0;
/// A row of a fold is written, and deleted. It has the 125 views of a slice.
const VIEWS_PER_FOLD_ROW: f64 = 125.0;
/// A fold reads the rows of commits, and for a correction the row of the fold before.
const ROWS_READ_PER_SEND: f64 = 2.0;
/// The size of a view in the row of a fold.
const VIEW_BYTES: f64 = 250.0;
const JOURNAL_HOURS: f64 = 2.0;
/// The cron wakes each shard. The coordinator asks the others for series, limits and traffic, and stores its findings.
const CRONS_PER_HOUR: f64 = 4.0;
const CALLS_PER_CRON: f64 = 8.0;
const CRON_SECONDS: f64 = 0.5;
const ROWS_PER_CRON: f64 = 8.0;
const ROWS_READ_PER_CRON: f64 = 2_000.0;
/// Each minute the coordinator asks each shard for the edge's statistics, and sets its next alarm; every fifth time it does
/// what it does in the cron. Every shard is counted as if it were a coordinator.
const EVALUATIONS_PER_HOUR: f64 = 60.0;
const FULL_EVALUATIONS_PER_HOUR: f64 = 12.0;
/// The alarm, and the call of another shard.
const CALLS_PER_EVALUATION: f64 = 2.0;
const EVALUATION_SECONDS: f64 = 0.05;
/// A quarter of an hour of twenty routes.
const ROWS_READ_PER_EVALUATION: f64 = 300.0;
/// The platform confirms a write after it has reached other machines. It cannot be measured locally: an assumption.
const CONFIRM_SECONDS: f64 = 0.02;
/// An object that was idle for this time is evicted, and takes this long to wake.
const IDLE_SECONDS: f64 = 10.0;
const WAKE_SECONDS: f64 = 0.05;
const ALARM_SECONDS: f64 = 0.05;
