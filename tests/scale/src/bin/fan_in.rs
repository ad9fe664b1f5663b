//! Model of the purge clock before a hundred thousand isolates in three hundred locations: its requests in a second,
//! and the lookups that trusted a response purged longer ago than the lease; and of the shards to which these isolates
//! report. The isolates run the product's own code.

#[expect(dead_code, reason = "the variants that must not hold are for the test alone")]
#[path = "../../../../crates/cache/tests/purge_model/mod.rs"]
mod purge_model;

use std::process::ExitCode;

use scale::report_model::{self, Pacing, isolates_of_shards};

use purge_model::{Relay, START_SECONDS, World, run};

const WORLD: World = World {
    locations: 300,
    isolates_per_location: 334,
    lookups_per_second: 2.0,
    lease_ms: 2_000,
    skew_ms: cache::purge_relay::MAX_CLOCK_SKEW_MS,
    write_ms: 15,
    clock_ms: (20, 300),
    failing_reads: 10_000,
    purges_per_second: 1.0,
    tags: 40,
    lifetime_ms: 3_600_000.0,
    duration_ms: 15_000,
    relay: Relay::Sound,
    seed: 1,
};
const MAX_REQUESTS: f64 = 300.0;
/// A site of all these isolates would have the most shards.
const SHARDS: u32 = 256;

fn main() -> ExitCode {
    let isolates = WORLD.locations * WORLD.isolates_per_location;
    println!("{isolates} isolates in {} locations, lease {} ms", WORLD.locations, WORLD.lease_ms);
    let outcome = run(WORLD);
    let start = outcome.clock_requests.iter().take(2).sum::<u64>();
    println!(
        "purge clock, mean        {:>8.1} requests a second (goal {MAX_REQUESTS})",
        outcome.mean_requests()
    );
    println!(
        "purge clock, most        {:>8} requests in a second",
        outcome.clock_requests.iter().skip(START_SECONDS).max().unwrap_or(&0)
    );
    println!("all isolates at once new {start:>8} requests in two seconds");
    println!(
        "without the relay        {:>8.1} requests a second",
        run(World { relay: Relay::Absent, duration_ms: 6_500, ..WORLD }).mean_requests()
    );
    println!(
        "lookups                  {:>8}, {} of them with a view that was too old",
        outcome.lookups, outcome.unknown
    );
    println!("staleness violations     {:>8} (goal 0)", outcome.violations);
    let (of_coordinator, most) = isolates_of_shards(isolates, SHARDS);
    println!("\n{SHARDS} shards of one site, before as many isolates that all begin at once");
    let mut are_calm = true;
    for (shard, isolates) in [("coordinator", of_coordinator), ("shard with most isolates", most)] {
        let outcome = report_model::run(isolates, 240, Pacing::Sound);
        are_calm &= outcome.mean_requests() <= report_model::MAX_REQUESTS;
        println!(
            "{shard:<24} {:>8.1} requests a second of {isolates} isolates (goal {}), {} at most, {} in the first second; a \
             count waits for {:.1} s at most",
            outcome.mean_requests(),
            report_model::MAX_REQUESTS,
            outcome.most_requests(),
            outcome.requests.first().unwrap_or(&0),
            outcome.longest_wait_ms as f64 / 1_000.0
        );
    }
    match outcome.violations == 0 && outcome.mean_requests() <= MAX_REQUESTS && are_calm {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
