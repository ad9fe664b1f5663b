//! Cost model of a billion page views a day over many sites, hour by hour: shards, requests, rows, storage, the
//! cost at the platform's list prices, and the bottleneck; and of one site with all of them. With `--earlier`, also of the
//! design with a row for each cell, under the same assumptions.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use scale::design::{Design, ShardHour, VERSION_4, VERSION_6, VERSION_7, pages_of};
use scale::price;

const VIEWS_PER_DAY: f64 = 1e9;
const SITES: usize = 10_000;
/// The planned maximum of an object, with a reserve for peaks of a minute.
const MAX_VIEWS_PER_SECOND: f64 = 250.0;
/// The CPU time of a beacon in the Worker and in the object, from `cargo xtask bench ingest`.
const CPU_MS_PER_SEND: f64 = 0.25;
/// The largest daily sum, from `cargo xtask bench ledger` after ten million views.
const SUM_BYTES: f64 = 1350.0;
/// The processor time of folds in WebAssembly, in proportion to that of the native code.
const WASM_SLOWDOWN: f64 = 3.0;
/// The planned share of a thread that an object takes in its busiest hour.
const MAX_THREAD_SHARE: f64 = 0.5;
const OBJECT_MEMORY_GB: f64 = 0.125;
/// The share of daily views by hour, in per cent.
const HOURLY_SHARE: [f64; 24] = [
    2.4, 1.8, 1.5, 1.3, 1.4, 1.8, 2.6, 3.6, 4.5, 5.1, 5.5, 5.6, 5.5, 5.4, 5.3, 5.3, 5.4, 5.6, 5.9, 6.2, 6.1,
    5.5, 4.2, 3.0,
];

/// The shares that are simulated; other hours are between two of them.
const SIMULATED_SHARES: [f64; 4] = [1.3, 2.6, 4.4, 6.2];

fn main() {
    let with_earlier = std::env::args().any(|argument| argument == "--earlier");
    println!(
        "A model of {VIEWS_PER_DAY:.0} views a day over {SITES} sites, the largest with {:.0} of them.",
        VIEWS_PER_DAY * view_share(1)
    );
    println!(
        "Hours of one shard of each size are folded and rolled up by the ledger's own code, at {} rates.",
        SIMULATED_SHARES.len()
    );
    let many: Vec<SiteClass> = site_classes();
    let now = Day::simulate(VERSION_7, &many);
    if with_earlier {
        for design in [VERSION_4, VERSION_6] {
            let before = Day::simulate(design, &many);
            before.print_bill();
            println!(
                "\nRows written: {:.2} a view, {:.2} before: {:.2} times as many. Stored after 400 days: {:.0} GB.",
                now.rows_per_view(),
                before.rows_per_view(),
                before.rows_per_view() / now.rows_per_view(),
                before.retained_bytes() / 1e9
            );
        }
    }
    now.print_bill();
    now.print_hours();
    println!(
        "\nStored after 400 days: {:.0} GB, {:.0} dollars a month.",
        now.retained_bytes() / 1e9,
        now.retained_bytes() / 1e9 * price::STORED_GIGABYTE_MONTH
    );
    print_speed("the largest of these sites", view_share(1) * VIEWS_PER_DAY);
    let one = Day::simulate(VERSION_7, &[SiteClass { rank: 1, sites: 1.0, views: VIEWS_PER_DAY }]);
    println!(
        "\nOne site of {VIEWS_PER_DAY:.0} views a day: {:.3} dollars a million views, {:.2} rows written a view.",
        one.dollars_per_million(),
        one.rows_per_view()
    );
    print_speed("it", VIEWS_PER_DAY);
    println!(
        "\nList prices of {}, developers.cloudflare.com: Workers pricing and Durable Objects pricing.",
        price::READ_IN
    );
}

fn print_speed(site: &str, views_per_day: f64) {
    let shards = shards_of(views_per_day);
    let (views, share) = busiest_object(views_per_day);
    println!(
        "The bottleneck of speed: one object is one thread. For {site}, SHARDS = {shards:.0}; the busiest object takes \
         {views:.0} views a second in its hour,\n{:.0} % of a thread (goal {:.0} %): {CPU_MS_PER_SEND} ms a beacon, of which \
         the Worker has a part, and {WASM_SLOWDOWN:.0} times the native time of folds.",
        100.0 * share,
        100.0 * MAX_THREAD_SHARE,
    );
}

/// Returns the views that the busiest object of a site takes in a second of its busiest hour, and its share of a thread.
fn busiest_object(views_per_day: f64) -> (f64, f64) {
    let views_of_day = views_per_day / shards_of(views_per_day);
    let hour = VERSION_7.simulate_hour(views_of_day * peak_share(), views_of_day, 1);
    let cpu_seconds = hour.sends * CPU_MS_PER_SEND / 1000.0 + hour.fold_cpu_seconds * WASM_SLOWDOWN;
    (hour.views / 3600.0, cpu_seconds / 3600.0)
}

/// A day of all sites under one design.
struct Day {
    design: Design,
    hours: Vec<ShardHour>,
    sum: ShardHour,
    shards: f64,
    /// Daily sums that a day adds.
    daily_sums: f64,
}

struct BillLine {
    label: &'static str,
    count: f64,
    dollars: f64,
}

impl Day {
    fn simulate(design: Design, classes: &[SiteClass]) -> Self {
        let mut day =
            Self { design, hours: Vec::new(), sum: ShardHour::default(), shards: 0.0, daily_sums: 0.0 };
        let simulated = simulate_rates(&design, classes);
        for share in HOURLY_SHARE {
            let mut hour = ShardHour::default();
            for (class, rates) in classes.iter().zip(&simulated) {
                add(&mut hour, &interpolate(rates, share), class.sites * shards_of(class.views));
            }
            add(&mut day.sum, &hour, 1.0);
            day.hours.push(hour);
        }
        for class in classes {
            let shards = shards_of(class.views);
            day.shards += class.sites * shards;
            let views = class.views / shards;
            day.daily_sums += class.sites * shards * (pages_of(views) + design.slices_of(views));
        }
        day
    }

    fn bill(&self) -> Vec<BillLine> {
        let ShardHour { sends, journal_rows, cell_rows, sum_rows, alarm_rows, other_rows, .. } = self.sum;
        let ShardHour { rows_read, object_requests, busy_seconds, .. } = self.sum;
        let cpu = sends * CPU_MS_PER_SEND;
        [
            ("requests to the Worker", sends, price::REQUESTS),
            ("milliseconds of processor", cpu, price::CPU_MS),
            ("requests to objects, with alarms and the cron", object_requests, price::OBJECT_REQUESTS),
            ("gigabyte-seconds of objects", busy_seconds * OBJECT_MEMORY_GB, price::OBJECT_GIGABYTE_SECONDS),
            ("rows written by the journal", journal_rows, price::ROWS_WRITTEN),
            ("rows written by cells", cell_rows, price::ROWS_WRITTEN),
            ("rows written by daily sums", sum_rows, price::ROWS_WRITTEN),
            ("alarms that are set", alarm_rows, price::ROWS_WRITTEN),
            ("rows of facts, totals and the cron", other_rows, price::ROWS_WRITTEN),
            ("rows read", rows_read, price::ROWS_READ),
        ]
        .map(|(label, count, price)| BillLine { label, count, dollars: count / 1e6 * price })
        .into()
    }

    fn rows_per_view(&self) -> f64 {
        self.sum.rows_written() / self.sum.views
    }

    fn dollars(&self) -> f64 {
        self.bill().iter().map(|line| line.dollars).sum()
    }

    fn dollars_per_million(&self) -> f64 {
        self.dollars() / self.sum.views * 1e6
    }

    fn print_bill(&self) {
        println!("\nA day with the tables of {}, by what is billed:", self.design.name);
        let all = self.dollars();
        for BillLine { label, count, dollars } in self.bill() {
            println!("  {label:<48} {count:>16.0}  {dollars:>9.2} dollars  {:>5.1} %", 100.0 * dollars / all);
        }
        println!("  {:<48} {:>16}  {all:>9.2} dollars", "all", "");
        println!(
            "  a million views: {:.3} dollars; a month: {:.0} dollars",
            self.dollars_per_million(),
            all * 30.0
        );
    }

    fn print_hours(&self) {
        println!(
            "\n{:>4}  {:>11}  {:>10}  {:>13}  {:>13}  {:>14}",
            "hour", "views", "requests/s", "rows written", "rows read", "object seconds"
        );
        for (at, hour) in self.hours.iter().enumerate() {
            println!(
                "{at:>4}  {:>11.0}  {:>10.0}  {:>13.0}  {:>13.0}  {:>14.0}",
                hour.views,
                hour.sends / 3600.0,
                hour.rows_written(),
                hour.rows_read,
                hour.busy_seconds
            );
        }
        println!("Objects: {:.0}.", self.shards);
    }

    /// Returns the bytes that are stored after 400 days.
    fn retained_bytes(&self) -> f64 {
        // A day's cells contain the views of its hours; counts in used buckets take little more space. Each page
        // and slice has a sum for each day.
        self.sum.hour_bytes * 35.0 + self.sum.hour_bytes / 8.0 * 365.0 + self.daily_sums * SUM_BYTES * 400.0
    }
}

/// Simulates hours of one shard of each class, at [`SIMULATED_SHARES`], on all processors.
fn simulate_rates(design: &Design, classes: &[SiteClass]) -> Vec<[ShardHour; SIMULATED_SHARES.len()]> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![[ShardHour::default(); SIMULATED_SHARES.len()]; classes.len()]);
    let simulate_next = || {
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && let Some(class) = classes.get(at)
        {
            let views = class.views / shards_of(class.views);
            let rates = SIMULATED_SHARES.map(|share| {
                let seed = class.rank as u64 * 1_000 + (share * 10.0) as u64;
                design.simulate_hour(views * share / HOURLY_SHARE.iter().sum::<f64>(), views, seed)
            });
            results.lock().expect("no thread panics")[at] = rates;
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(simulate_next))));
    results.into_inner().expect("no thread panics")
}

/// Returns the usage in an hour with that share of the day, between the two nearest that were simulated.
fn interpolate(rates: &[ShardHour], share: f64) -> ShardHour {
    let at = SIMULATED_SHARES.iter().filter(|simulated| **simulated < share).count();
    let [before, after] = [at.max(1) - 1, at.max(1)].map(|at| (SIMULATED_SHARES[at], rates[at]));
    let weight = (share - before.0) / (after.0 - before.0);
    let mut hour = ShardHour::default();
    add(&mut hour, &before.1, 1.0 - weight);
    add(&mut hour, &after.1, weight);
    hour
}

fn add(sum: &mut ShardHour, one: &ShardHour, times: f64) {
    let mut one = *one;
    sum.values_mut().into_iter().zip(one.values_mut()).for_each(|(sum, one)| *sum += *one * times);
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

/// Returns the share of all views of a site by its rank (Zipf): the second has half of the views of the first.
fn view_share(rank: usize) -> f64 {
    1.0 / rank as f64 / (1..=SITES).map(|rank| 1.0 / rank as f64).sum::<f64>()
}

fn shards_of(views_per_day: f64) -> f64 {
    (views_per_day * peak_share() / 3600.0 / MAX_VIEWS_PER_SECOND).ceil().max(1.0)
}

fn peak_share() -> f64 {
    HOURLY_SHARE.into_iter().fold(0.0, f64::max) / HOURLY_SHARE.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use scale::design::MAX_SIMULATED_VIEWS;

    use super::*;

    #[test]
    fn the_sites_share_a_billion_views() {
        let views: f64 = site_classes().iter().map(|class| class.sites * class.views).sum();
        let sites: f64 = site_classes().iter().map(|class| class.sites).sum();
        assert!((views / VIEWS_PER_DAY - 1.0).abs() < 1e-9 && sites == SITES as f64, "{views} of {sites}");
    }

    #[test]
    fn a_small_a_medium_and_a_large_shard_write_a_third_of_the_rows_of_version_4_at_most() {
        for views in [400.0, 4_000.0, 400_000.0] {
            let [before, now] = [VERSION_4, VERSION_7]
                .map(|design| design.simulate_hour(views, 20.0 * views, 1).rows_written());
            assert!(now * 3.0 <= before, "{views} views: {now} rows, {before} before");
        }
    }

    #[test]
    fn each_hour_is_between_two_that_were_simulated() {
        let rates = SIMULATED_SHARES.map(|share| ShardHour { views: 10.0 * share, ..ShardHour::default() });
        for share in HOURLY_SHARE {
            assert!((interpolate(&rates, share).views - 10.0 * share).abs() < 1e-9, "{share}");
        }
    }

    #[test]
    fn the_busiest_object_of_a_site_of_a_billion_views_takes_half_a_thread_at_most() {
        let (views, share) = busiest_object(VIEWS_PER_DAY);
        assert!(
            views <= MAX_VIEWS_PER_SECOND && share <= MAX_THREAD_SHARE,
            "{views} views a second: {share}"
        );
    }

    #[test]
    fn fifty_views_a_second_write_a_row_a_view_at_most() {
        let hour = VERSION_7.simulate_hour(50.0 * 3600.0, 50.0 * 86_400.0, 1);
        assert!(hour.rows_written() <= hour.views, "{hour:?}");
    }

    #[test]
    fn simulating_fewer_minutes_keeps_the_cost_per_view() {
        // The first is simulated for an hour, the second for some minutes with more views per cell.
        let [calm, busy] = [1.0, 3.0].map(|times| {
            let views = MAX_SIMULATED_VIEWS * times;
            VERSION_4.simulate_hour(views, views * 20.0, 1).cell_rows / views
        });
        assert!(busy < calm && busy > calm / 2.0, "{busy} {calm}");
    }
}
