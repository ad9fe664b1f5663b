//! The readings of budgets over the last day: verdicts for the push, observations for the alerts.

use std::collections::BTreeMap;

use budget::{Budgets, Verdict};
use ledger::HourlyLimitCounts;
use wire::{Device, Metric, UnixMillis, WindowSpan};

use crate::AlertObservation;
use crate::inputs::BudgetAlertInput;
use report::budget_report::burn_windows;
use report::budget_watch::{WatchInput, WatchKey, WatchOutcome, watch_inputs};
use wire::sorting::CollectOrdered;

/// Returns the readings of every budget on every route: verdict, evidence and burn rate.
#[must_use]
pub fn budget_observations(
    budgets: &Budgets,
    counts: &HourlyLimitCounts,
    watches: &[WatchOutcome],
    now: UnixMillis,
) -> Vec<AlertObservation> {
    let outcomes: BTreeMap<&WatchKey, &WatchOutcome> =
        watches.iter().map(|outcome| (&outcome.key, outcome)).collect_map();
    let day = now.saturating_sub(WindowSpan::Day.millis());
    let inputs = watch_inputs(budgets, counts);
    let of_cell = |(name, input): (&WatchKey, &WatchInput<'_>)| {
        let evidence = outcomes.get(name)?.evidence;
        let input = BudgetAlertInput {
            route: name.route.clone()?,
            device: name.device,
            metric: input.rule.metric,
            limit: input.rule.limit,
            verdict_tally: input.tally_since(day),
            since_release: evidence,
            windows: burn_windows(&input.history, Some(&input.networks), now),
        };
        Some(input.observations())
    };
    inputs.iter().filter_map(of_cell).flatten().collect()
}

/// Returns the verdict of every budget on every route over the last day.
#[must_use]
pub fn last_day_verdicts(
    budgets: &Budgets,
    counts: &HourlyLimitCounts,
    now: UnixMillis,
) -> Vec<(String, Device, Metric, Verdict)> {
    let day = now.saturating_sub(WindowSpan::Day.millis());
    let verdict = |(key, input): (WatchKey, WatchInput<'_>)| {
        let verdict = input.rule.limit.verdict(input.tally_since(day));
        Some((key.route?, key.device, input.rule.metric, verdict))
    };
    watch_inputs(budgets, counts).into_iter().filter_map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use ledger::{Cell, LimitHistory, PageLabels};
    use wire::LimitCounts;

    use super::*;
    use crate::observation::Assessment;
    use report::budget_watch::{WatchState, evaluate};

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const DAY_MS: u64 = 24 * 3_600_000;

    fn site() -> (Budgets, HourlyLimitCounts) {
        let file = r#"[{ "timings": [{ "metric": "largest-contentful-paint", "budget": 2500 }] }]"#;
        let hours = BTreeMap::from([
            (NOW.saturating_sub(2 * DAY_MS), LimitCounts { n: 1000, k: 1000 }),
            (NOW.saturating_sub(DAY_MS / 2), LimitCounts { n: 1000, k: 0 }),
        ]);
        let page = PageLabels { route: "/".into(), device: Device::Phone };
        let mut counts = HourlyLimitCounts::default();
        let history = LimitHistory { half_hour: LimitCounts::default(), hours };
        counts.histories.insert((page, "LCP".into(), 2500), history);
        (Budgets::parse(file).expect("a valid file"), counts)
    }

    #[test]
    fn verdicts_are_of_routes_and_of_the_last_day() {
        let (budgets, counts) = site();
        let verdicts = last_day_verdicts(&budgets, &counts, NOW);
        assert_eq!(verdicts, [("/".to_owned(), Device::Phone, Metric::Lcp, Verdict::Violated)]);
        let earlier = last_day_verdicts(&budgets, &counts, NOW.saturating_add(DAY_MS));
        assert_eq!(earlier.first().map(|(.., verdict)| *verdict), Some(Verdict::Unknown));
    }

    /// The levels of a page's three readings, if its slow views came from so many networks.
    fn levels(networks: u8) -> Vec<bool> {
        let (budgets, mut counts) = site();
        let hour = NOW.saturating_sub(3_600_000);
        let history = LimitHistory {
            half_hour: LimitCounts { n: 110, k: 0 },
            hours: BTreeMap::from([(hour, LimitCounts { n: 110, k: 0 })]),
        };
        let page = PageLabels { route: "/".into(), device: Device::Phone };
        counts.histories = [((page.clone(), "LCP".into(), 2500), history)].into();
        let mut cells = Cell::default();
        // Version 1 of counts by network: 110 views, spread evenly.
        let mut tail = vec![0, 0, 0, 0, 0, 0];
        tail.extend([1, networks]);
        if networks <= 16 {
            tail.extend(0..networks);
        } else {
            tail.extend(((1_u128 << networks) - 1).to_le_bytes());
        }
        tail.extend((0..networks).map(|index| 110 / networks + u8::from(index < 110 % networks)));
        let cell = [vec![1], tail].concat();
        cells.merge_encoded(&cell).expect("a stored cell");
        counts.networks.entry(page).or_default().add(hour, &cells.networks);
        let watches = evaluate(WatchState::default(), &counts, &budgets, NOW).outcomes;
        let observations = budget_observations(&budgets, &counts, &watches, NOW);
        observations.iter().map(|each| matches!(each.reading.assess(None), Assessment::Bad(_))).collect()
    }

    #[test]
    fn slow_views_of_few_networks_are_no_bad_observation() {
        for networks in 1..=4 {
            assert_eq!(levels(networks), [false, false, false], "{networks}");
        }
        assert_eq!(levels(110), [true, true, true]);
    }

    #[test]
    fn each_route_has_three_readings() {
        let (budgets, counts) = site();
        let watches = evaluate(WatchState::default(), &counts, &budgets, NOW).outcomes;
        let observations = budget_observations(&budgets, &counts, &watches, NOW);
        assert_eq!(observations.len(), 3);
        assert!(observations.iter().all(|observation| observation.route.as_deref() == Some("/")));
    }
}
