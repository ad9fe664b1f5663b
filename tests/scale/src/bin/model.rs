//! A billion page views a day over many sites, hour by hour: how many shards, requests and rows that is,
//! what is stored, what the platform's list price makes of it, and which of them is the bottleneck. Cells
//! are counted by the ledger's own code; what the tables of the journal take is what SQLite says of them.

use ledger::{Horizon, Room, Span, View};
use scale::{Audience, Random, Rows, Shard, limits};
use wire::UnixMillis;

/// The platform's list prices in US dollars, as of 2026-11; each a million of its unit, storage a
/// gigabyte-month. What the plan includes is left out: at this scale it is nothing.
/// <https://developers.cloudflare.com/workers/platform/pricing/>
/// <https://developers.cloudflare.com/durable-objects/platform/pricing/>
mod price {
    pub const REQUESTS: f64 = 0.30;
    pub const CPU_MILLIS: f64 = 0.02;
    pub const OBJECT_REQUESTS: f64 = 0.15;
    pub const OBJECT_GIGABYTE_SECONDS: f64 = 12.50;
    pub const ROWS_READ: f64 = 0.001;
    pub const ROWS_WRITTEN: f64 = 1.00;
    pub const STORED_GIGABYTE_MONTH: f64 = 0.20;
}

/// What the tables of the journal take, as `rowsWritten` and `rowsRead` of workerd's cursors count it: a row
/// and the index of its name when a view is told, and when it is told again, for then it moves to the end;
/// one row when it is counted, and one when it is swept.
mod journal {
    pub const TOLD: f64 = 2.0;
    pub const TOLD_AGAIN: f64 = 2.0;
    pub const COUNTED: f64 = 1.0;
    pub const SWEPT: f64 = 1.0;
    pub const READ: f64 = 10.0;
    /// Of each fold: up to where views are counted, and which routes are visited most.
    pub const FOLDED: f64 = 2.0;
    /// A row with its index, and for how many hours it is kept.
    pub const BYTES: f64 = 650.0;
    pub const HOURS: f64 = 2.0;
}

/// What the journal took by the tables of version 2, which had an index for each of its two orders.
mod before {
    pub const TOLD: f64 = 4.0;
    pub const TOLD_AGAIN: f64 = 3.0;
}

const VIEWS_A_DAY: f64 = 1e9;
const SITES: usize = 10_000;
/// Of a hundred views, so many are told a second time: the page was left, and came back.
const TOLD_TWICE: f64 = 0.25;
/// What an object is given, at most, so that a peak of a minute does not overrun it.
const MOST_VIEWS_A_SECOND: f64 = 250.0;
/// What a beacon takes of a processor, in the Worker and in the object; `cargo xtask bench ingest`.
const CPU_MILLIS: f64 = 0.25;
const ROUTES: usize = 200;
const FOLD_SECONDS: f64 = 10.0;
/// A sum of a page at most, as `cargo xtask bench ledger` finds it after ten million views.
const SUM_BYTES: f64 = 1350.0;
const MEMORY_GIGABYTES: f64 = 0.125;
/// The share of a day's views in each of its hours.
const HOURS: [f64; 24] = [
    2.4, 1.8, 1.5, 1.3, 1.4, 1.8, 2.6, 3.6, 4.5, 5.1, 5.5, 5.6, 5.5, 5.4, 5.3, 5.3, 5.4, 5.6, 5.9, 6.2, 6.1,
    5.5, 4.2, 3.0,
];

fn main() {
    println!("Models a billion views a day with the ledger's own code, hour by hour.");
    let hours: Vec<Hour> = (0..24)
        .map(|at| {
            eprint!("\rfolds hour {} of 24", at + 1);
            hour(at)
        })
        .collect();
    eprintln!("\r                      ");
    let day = hours.iter().fold(Hour::default(), |sum, hour| sum.and(hour));
    println!(
        "A model of {VIEWS_A_DAY:.0} views a day over {SITES} sites, the largest with {:.0} of them.",
        VIEWS_A_DAY * share(1)
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
            hour.busiest,
            hour.written(),
            hour.read,
            hour.stored / 1e9,
            hour.dollars(),
        );
    }
    println!("\nA day, by what is billed:");
    let lines = day.bill();
    let all: f64 = lines.iter().map(|line| line.dollars).sum();
    for Line { what, count, dollars } in &lines {
        println!("  {what:<44} {count:>18.0}  {dollars:>10.2} dollars  {:>5.1} %", 100.0 * dollars / all);
    }
    println!("  {:<44} {:>18}  {all:>10.2} dollars", "all", "");
    println!("  a million views: {:.3} dollars; a month: {:.0} dollars", all / VIEWS_A_DAY * 1e6, all * 30.0);
    println!(
        "\nStored after 400 days: {:.0} GB, {:.0} dollars a month.",
        kept(&day) / 1e9,
        kept(&day) / 1e9 * price::STORED_GIGABYTE_MONTH
    );
    let then = VIEWS_A_DAY
        * (before::TOLD - journal::TOLD + TOLD_TWICE * (before::TOLD_AGAIN - journal::TOLD_AGAIN));
    println!(
        "With the journal of version 2, an index more for each of two orders: {:.2} dollars more a day, {:.3} a million views.",
        then / 1e6 * price::ROWS_WRITTEN,
        (all + then / 1e6 * price::ROWS_WRITTEN) / VIEWS_A_DAY * 1e6
    );
    println!(
        "List prices of 2026-11, developers.cloudflare.com: Workers pricing and Durable Objects pricing."
    );
    let worst = lines.iter().max_by(|a, b| a.dollars.total_cmp(&b.dollars)).expect("a bill has lines");
    println!("The bottleneck of cost: {}, {:.0} % of the bill.", worst.what, 100.0 * worst.dollars / all);
    let peak = hours.iter().map(|hour| hour.busiest).fold(0.0, f64::max);
    println!(
        "The bottleneck of speed: one object is one thread. The busiest takes {peak:.0} views a second in its hour,\n{:.0} % of a processor at {CPU_MILLIS} ms a send; the largest site needs SHARDS = {:.0}.",
        100.0 * peak * (1.0 + TOLD_TWICE) * CPU_MILLIS / 1000.0,
        shards(1),
    );
}

/// What an hour takes, of all sites.
#[derive(Clone, Copy, Debug, Default)]
struct Hour {
    views: f64,
    requests: f64,
    shards: f64,
    busiest: f64,
    journal: f64,
    cells: f64,
    read: f64,
    /// Bytes that are stored while the hour lasts: the journal, minutes and hours.
    stored: f64,
    /// Bytes of the hour's own cells once it is over.
    lasting: f64,
    /// Pages that were seen.
    pages: f64,
    object_requests: f64,
    seconds: f64,
}

struct Line {
    what: &'static str,
    count: f64,
    dollars: f64,
}

impl Hour {
    fn and(mut self, other: &Self) -> Self {
        let mine = [
            &mut self.views,
            &mut self.requests,
            &mut self.journal,
            &mut self.cells,
            &mut self.read,
            &mut self.lasting,
            &mut self.object_requests,
            &mut self.seconds,
        ];
        let theirs = [
            other.views,
            other.requests,
            other.journal,
            other.cells,
            other.read,
            other.lasting,
            other.object_requests,
            other.seconds,
        ];
        mine.into_iter().zip(theirs).for_each(|(sum, more)| *sum += more);
        self.shards = self.shards.max(other.shards);
        self.busiest = self.busiest.max(other.busiest);
        self.stored = self.stored.max(other.stored);
        self.pages = self.pages.max(other.pages);
        self
    }

    fn times(mut self, shards: f64) -> Self {
        let all = [
            &mut self.views,
            &mut self.requests,
            &mut self.journal,
            &mut self.cells,
            &mut self.read,
            &mut self.lasting,
            &mut self.object_requests,
            &mut self.seconds,
        ];
        all.into_iter().for_each(|one| *one *= shards);
        self
    }

    fn written(&self) -> f64 {
        self.journal + self.cells
    }

    fn bill(&self) -> Vec<Line> {
        let millions = |count: f64, price: f64| count / 1e6 * price;
        let gigabyte_seconds = self.seconds * MEMORY_GIGABYTES;
        let cpu = self.requests * CPU_MILLIS;
        vec![
            Line {
                what: "requests to the Worker",
                count: self.requests,
                dollars: millions(self.requests, price::REQUESTS),
            },
            Line { what: "milliseconds of processor", count: cpu, dollars: millions(cpu, price::CPU_MILLIS) },
            Line {
                what: "requests to objects, with alarms",
                count: self.object_requests,
                dollars: millions(self.object_requests, price::OBJECT_REQUESTS),
            },
            Line {
                what: "gigabyte-seconds of objects",
                count: gigabyte_seconds,
                dollars: millions(gigabyte_seconds, price::OBJECT_GIGABYTE_SECONDS),
            },
            Line {
                what: "rows written by the journal and its indices",
                count: self.journal,
                dollars: millions(self.journal, price::ROWS_WRITTEN),
            },
            Line {
                what: "rows written by cells",
                count: self.cells,
                dollars: millions(self.cells, price::ROWS_WRITTEN),
            },
            Line { what: "rows read", count: self.read, dollars: millions(self.read, price::ROWS_READ) },
        ]
    }

    fn dollars(&self) -> f64 {
        self.bill().iter().map(|line| line.dollars).sum()
    }
}

/// Sites of about one size.
struct Class {
    rank: usize,
    sites: f64,
    /// Of each of them, in a day.
    views: f64,
}

/// Every site, in steps of which each is half as long again as the last.
fn classes() -> Vec<Class> {
    let mut all = Vec::new();
    let mut rank = 1;
    while rank <= SITES {
        let next = (rank + rank.div_ceil(2)).min(SITES + 1);
        let sites = (next - rank) as f64;
        let views = (rank..next).map(|rank| VIEWS_A_DAY * share(rank)).sum::<f64>() / sites;
        all.push(Class { rank, sites, views });
        rank = next;
    }
    all
}

fn hour(at: usize) -> Hour {
    let mut sum = Hour::default();
    for Class { rank, sites, views } in classes() {
        let views = views * HOURS[at] / HOURS.iter().sum::<f64>();
        let shards = shards(rank);
        let one = simulated(views / shards, at as u64 * 100_000 + rank as u64);
        let busiest = sum.busiest.max(views / shards / 3600.0);
        let all = sites * shards;
        let (count, stored, pages) =
            (sum.shards + all, sum.stored + one.stored * all, sum.pages + one.pages * all);
        sum = sum.and(&one.times(all));
        (sum.busiest, sum.shards, sum.stored, sum.pages) = (busiest, count, stored, pages);
    }
    sum
}

/// One shard for one hour. Of a busy one some minutes are folded, and stand for the hour; the roll-up is
/// of as many views as they hold.
fn simulated(views: f64, seed: u64) -> Hour {
    let noon = UnixMillis(500_000 * Span::Hour.millis());
    let minutes = (MOST_SIMULATED / (views / 60.0)).clamp(3.0, 60.0).floor();
    let mut random = Random(seed);
    let mut audience = Audience::of(ROUTES, false, seed);
    let mut shard = Shard::of(Room::default(), Horizon { minutes: noon, pages: noon, ..Horizon::default() });
    let (mut rows, mut folds, mut told) = (Rows::default(), 0.0, 0.0);
    let mut due = 0.0;
    for fold in 0..(minutes * 60.0 / FOLD_SECONDS) as u64 {
        // Views come by chance, not by the clock.
        due += views / 3600.0 * FOLD_SECONDS * 2.0 * random.share();
        let count = due.floor();
        due -= count;
        if count == 0.0 {
            continue;
        }
        let at = noon.after(fold * (FOLD_SECONDS * 1000.0) as u64);
        let block: Vec<View> = (0..count as u64).map(|_| audience.view(at)).collect();
        let folded = shard.fold(block, limits);
        rows.read += folded.read;
        rows.written += folded.written;
        folds += 1.0;
        told += count;
    }
    let stands_for = if told > 0.0 { views / told } else { 0.0 };
    let minute_bytes = shard.bytes() as f64;
    let rolled = shard.roll(noon.after(4 * Span::Hour.millis()));
    // More minutes of the same hour find most of its series there already.
    let hours = if minutes < 60.0 { 1.0 } else { stands_for };
    let sends = views * (1.0 + TOLD_TWICE);
    // A correction is folded again, mostly into cells that the same fold writes anyway.
    let cells = (rows.written as f64 + rolled.written as f64) * stands_for * (1.0 + TOLD_TWICE / 2.0);
    let journal = views * (journal::TOLD + journal::COUNTED + journal::SWEPT)
        + views * TOLD_TWICE * (journal::TOLD_AGAIN + journal::COUNTED)
        + folds * stands_for * journal::FOLDED;
    let lasting = shard.bytes() as f64 * hours;
    Hour {
        views,
        requests: sends,
        journal,
        cells,
        read: (rows.read + rolled.read) as f64 * stands_for + sends * journal::READ,
        stored: views * journal::HOURS * journal::BYTES
            + 2.0 * minute_bytes * stands_for
            + lasting * 24.0 * 35.0,
        lasting,
        pages: shard.sums.len() as f64,
        object_requests: sends + folds * stands_for,
        // An object sleeps some seconds after it was last asked.
        seconds: (sends * FOLD_SECONDS).min(3600.0),
        ..Hour::default()
    }
}

/// What hours come to once they are days.
fn kept(day: &Hour) -> f64 {
    // A day's cells hold the views of its hours, and buckets that are used already cost little more. Each
    // page has a sum of each day.
    day.lasting * 35.0 + day.lasting / 8.0 * 365.0 + day.pages * SUM_BYTES * 400.0
}

/// The share of all views that the site of this rank has: the second has half of the first's.
fn share(rank: usize) -> f64 {
    1.0 / rank as f64 / (1..=SITES).map(|rank| 1.0 / rank as f64).sum::<f64>()
}

fn shards(rank: usize) -> f64 {
    let peak = HOURS.into_iter().fold(0.0, f64::max) / HOURS.iter().sum::<f64>();
    (VIEWS_A_DAY * share(rank) * peak / 3600.0 / MOST_VIEWS_A_SECOND).ceil().max(1.0)
}

/// Views of one shard in one hour that are folded really.
const MOST_SIMULATED: f64 = 6000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sites_share_a_billion_views() {
        let views: f64 = classes().iter().map(|class| class.sites * class.views).sum();
        let sites: f64 = classes().iter().map(|class| class.sites).sum();
        assert!((views / VIEWS_A_DAY - 1.0).abs() < 1e-9 && sites == SITES as f64, "{views} of {sites}");
    }

    #[test]
    fn a_million_rows_cost_a_dollar() {
        let hour = Hour { journal: 1e6, ..Hour::default() };
        assert_eq!(hour.dollars(), 1.0);
    }

    #[test]
    fn a_busy_shard_is_the_same_however_much_of_it_is_folded() {
        // An hour is folded of the one, and some minutes of the other, which has more for each cell.
        let (calm, busy) = (simulated(MOST_SIMULATED, 1), simulated(MOST_SIMULATED * 3.0, 1));
        let a_view = |hour: &Hour| hour.cells / hour.views;
        assert!(
            a_view(&busy) < a_view(&calm) && a_view(&busy) > a_view(&calm) / 2.0,
            "{} {}",
            a_view(&busy),
            a_view(&calm)
        );
    }
}
