//! Sequential tests of a site's budgets: which cells are tested, and how each evaluation moves the stored
//! tests. Every shard counts, one of them remembers; when an alarm is raised is up to `budget`.

use std::collections::BTreeMap;

use budget::{BudgetRule, BudgetTally, Budgets, SequentialTest, TestObservation, TopViews, leading_release};
use ledger::{HourlyLimitCounts, LimitHistory, NetworkCounts, NetworkHistory, PageLabels};
use serde::{Deserialize, Serialize};
use wire::sorting::SortSlice;
use wire::{Device, Metric, OTHER_LABEL, UnixMillis};

use crate::network_evidence::tally_with_networks;

/// A budget on one route, or on the whole site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WatchKey {
    /// The route; `None` for the whole site.
    pub route: Option<String>,
    /// The device class.
    pub device: Device,
    /// The metric's name.
    pub metric: String,
    /// The pattern of a site-wide budget; empty on a route.
    pub pattern: String,
}

/// A [`WatchKey`] that is borrowed, for one lookup per cell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WatchName<'a> {
    pub(crate) route: Option<&'a str>,
    pub(crate) device: Device,
    pub(crate) metric: &'a str,
    pub(crate) pattern: &'a str,
}

impl<'a> From<&'a WatchKey> for WatchName<'a> {
    fn from(key: &'a WatchKey) -> Self {
        let WatchKey { route, device, metric, pattern } = key;
        Self { route: route.as_deref(), device: *device, metric, pattern }
    }
}

/// A tested cell with its views of the last days.
#[derive(Clone, Debug)]
pub struct WatchInput<'a> {
    /// The budget.
    pub rule: BudgetRule<'a>,
    /// The views against its limit.
    pub history: LimitHistory,
    /// The networks that sent them.
    pub networks: NetworkHistory,
}

/// A cell after an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchOutcome {
    /// The cell.
    #[serde(rename = "name")]
    pub key: WatchKey,
    /// The test, as it is stored.
    #[serde(rename = "watched")]
    pub test: SequentialTest,
    /// The views that the test has taken into account.
    pub evidence: BudgetTally,
}

/// The stored state of a site's tests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchState {
    /// The release that most recent views belong to.
    pub release: Option<String>,
    /// Every test by its cell.
    pub tests: BTreeMap<WatchKey, SequentialTest>,
}

/// The result of one evaluation of a site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchEvaluation {
    /// The leading release, to be stored.
    pub release: Option<String>,
    /// Every tested cell, those with most views first.
    pub outcomes: Vec<WatchOutcome>,
    /// The changes to the stored tests.
    pub changes: Vec<WatchChange>,
}

/// A change to a stored test.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchChange {
    /// Store the test under its cell.
    Store(WatchKey, SequentialTest),
    /// Delete the test of a cell.
    Remove(WatchKey),
}

/// Evaluates every budget of a site against the counts of all its shards.
#[must_use]
pub fn evaluate(
    state: WatchState,
    counts: &HourlyLimitCounts,
    budgets: &Budgets,
    now: UnixMillis,
) -> WatchEvaluation {
    let WatchState { release: before, tests: mut known } = state;
    let release = match before.as_deref() {
        // A release that few networks name must not restart the tests.
        Some(before) => {
            leading_release(Some(before), &releases_of_many_networks(counts, before)).map(str::to_owned)
        }
        None => leading_release(None, &counts.releases).map(str::to_owned),
    };
    let is_new_release = before.is_some() && before != release;
    let outcomes = observe(&known, watch_inputs(budgets, counts), now, is_new_release);
    let mut changes = Vec::new();
    for WatchOutcome { key, test, .. } in &outcomes {
        if known.remove(key).as_ref() != Some(test) {
            changes.push(WatchChange::Store(key.clone(), *test));
        }
    }
    // Cells without recent views.
    for (key, test) in known {
        if test.is_expired(now) {
            changes.push(WatchChange::Remove(key));
        } else if is_new_release {
            changes.push(WatchChange::Store(key, test.restart(now)));
        }
    }
    WatchEvaluation { release, outcomes, changes }
}

/// Returns the cells with views, by the budgets in force.
#[must_use]
pub fn watch_inputs<'a>(
    budgets: &'a Budgets,
    counts: &HourlyLimitCounts,
) -> BTreeMap<WatchKey, WatchInput<'a>> {
    let mut all: BTreeMap<WatchKey, WatchInput<'a>> = BTreeMap::new();
    for (page, rule, history) in histories_in_force(budgets, counts) {
        let mut add = |route: Option<&String>, pattern: &str| {
            let (route, metric, pattern) =
                (route.cloned(), rule.metric.name().to_owned(), pattern.to_owned());
            let key = WatchKey { route, device: page.device, metric, pattern };
            all.entry(key)
                .or_insert_with(|| WatchInput {
                    rule,
                    history: LimitHistory::default(),
                    networks: NetworkHistory::default(),
                })
                .add(history, counts.networks.get(page));
        };
        if page.route != OTHER_LABEL {
            add(Some(&page.route), "");
        }
        if rule.is_sitewide() {
            add(None, rule.pattern);
        }
    }
    all
}

impl WatchInput<'_> {
    fn add(&mut self, history: &LimitHistory, networks: Option<&NetworkHistory>) {
        self.history.merge(history);
        networks.into_iter().for_each(|networks| self.networks.merge(networks));
    }

    /// Returns the views that began in an hour or later, with those of the networks that sent most.
    #[must_use]
    pub fn tally_since(&self, at: UnixMillis) -> BudgetTally {
        tally_with_networks(self.history.since(at), &self.networks.since(at))
    }
}

/// Returns the counts against the limits in force, each with its page and budget.
pub(crate) fn histories_in_force<'a, 'c>(
    budgets: &'a Budgets,
    counts: &'c HourlyLimitCounts,
) -> impl Iterator<Item = (&'c PageLabels, BudgetRule<'a>, &'c LimitHistory)> {
    counts.histories.iter().filter_map(|((page, metric, limit), history)| {
        let rule = rule_for(budgets, &page.route, page.device, Metric::from_name(metric)?)?;
        (rule.limit.max == *limit).then_some((page, rule, history))
    })
}

/// Returns the budget of a route. Views beyond the cardinality limit count for site-wide budgets only.
#[must_use]
pub fn rule_for<'a>(
    budgets: &'a Budgets,
    route: &str,
    device: Device,
    metric: Metric,
) -> Option<BudgetRule<'a>> {
    if route != OTHER_LABEL {
        return budgets.rule(route, device, metric);
    }
    let is_for =
        |rule: &BudgetRule<'_>| rule.metric == metric && rule.device.is_none_or(|only| only == device);
    budgets.rules().filter(|rule| rule.is_sitewide() && is_for(rule)).last()
}

/// Returns the views by release, without those of the networks that sent most. Releases without other views are
/// left out, unless one is the release before.
fn releases_of_many_networks(counts: &HourlyLimitCounts, before: &str) -> BTreeMap<String, u64> {
    let views = counts.releases.iter().map(|(release, views)| {
        let top = counts.release_networks.get(release).map(NetworkCounts::top_views).unwrap_or_default();
        let is_before = release == before;
        (release.clone(), if is_before { *views } else { views.saturating_sub(top) })
    });
    views.filter(|(release, views)| *views > 0 || release == before).collect()
}

fn observe(
    previous: &BTreeMap<WatchKey, SequentialTest>,
    inputs: BTreeMap<WatchKey, WatchInput<'_>>,
    now: UnixMillis,
    is_new_release: bool,
) -> Vec<WatchOutcome> {
    let mut all: Vec<(u64, WatchKey, WatchInput<'_>)> =
        inputs.into_iter().map(|(key, input)| (input.history.since(UnixMillis(0)).n, key, input)).collect();
    // Beacons with random routes must not displace a visited one.
    all.order_by(|(a, ours, _), (b, theirs, _)| b.cmp(a).then(ours.cmp(theirs)));
    all.truncate(MAX_WATCHED);
    let outcome = |(_, key, input): (u64, WatchKey, WatchInput<'_>)| {
        let hours = input
            .history
            .hours
            .iter()
            .map(|(hour, counts)| (*hour, budget::BudgetTally::from(*counts)))
            .collect();
        let top_views = &TopViews(input.networks.top_views());
        let observation = TestObservation { now, limit: input.rule.limit, hours: &hours, top_views };
        let before = previous.get(&key).copied();
        let before = before.map(|test| if is_new_release { test.restart(now) } else { test });
        let (test, evidence) =
            before.unwrap_or_else(|| SequentialTest::start(&observation)).observe(&observation);
        WatchOutcome { key, test, evidence }
    };
    all.into_iter().map(outcome).collect()
}

/// Tests of one site.
const MAX_WATCHED: usize = 2000;

#[cfg(test)]
mod tests {
    use wire::LimitCounts;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const HOUR_MS: u64 = 3_600_000;

    fn budgets() -> Budgets {
        let file = r#"[{ "timings": [{ "metric": "largest-contentful-paint", "budget": 2500 }] },
            { "path": "/shop/*", "timings": [{ "metric": "largest-contentful-paint", "budget": 1000 }] }]"#;
        Budgets::parse(file).expect("a valid file")
    }

    fn counts(pages: &[(&str, u32, u64)], release: &str) -> HourlyLimitCounts {
        let mut counts = HourlyLimitCounts::default();
        for (route, limit, n) in pages {
            let page = PageLabels { route: (*route).to_owned(), device: Device::Phone };
            let hour = NOW.saturating_sub(HOUR_MS);
            let hours = BTreeMap::from([(hour, LimitCounts { n: *n, k: 0 })]);
            let history = LimitHistory { half_hour: LimitCounts::default(), hours };
            counts.histories.insert((page, "LCP".to_owned(), *limit), history);
        }
        counts.releases.insert(release.to_owned(), 1000);
        counts
    }

    fn keys(counts: &HourlyLimitCounts) -> Vec<(Option<String>, u64)> {
        let total = |input: WatchInput<'_>| input.history.since(UnixMillis(0)).n;
        let budgets = budgets();
        watch_inputs(&budgets, counts).into_iter().map(|(key, input)| (key.route, total(input))).collect()
    }

    #[test]
    fn a_site_wide_budget_sums_the_routes_that_it_rules() {
        let counts = counts(&[("/", 2500, 10), ("/about", 2500, 5), ("/shop/a", 1000, 7)], "1");
        let expected =
            [(None, 15), (Some("/".into()), 10), (Some("/about".into()), 5), (Some("/shop/a".into()), 7)];
        assert_eq!(keys(&counts), expected);
    }

    #[test]
    fn views_beyond_the_cardinality_limit_count_for_the_site_alone() {
        assert_eq!(keys(&counts(&[(OTHER_LABEL, 2500, 3)], "1")), [(None, 3)]);
    }

    #[test]
    fn counts_against_another_limit_are_ignored() {
        assert_eq!(keys(&counts(&[("/", 3000, 10)], "1")), []);
    }

    #[test]
    fn an_unchanged_test_is_not_stored_again() {
        let counts = counts(&[("/", 2500, 10)], "1");
        let first = evaluate(WatchState::default(), &counts, &budgets(), NOW);
        assert_eq!((first.outcomes.len(), first.changes.len()), (2, 2));
        let tests = first.outcomes.iter().map(|outcome| (outcome.key.clone(), outcome.test)).collect();
        let second = evaluate(WatchState { release: first.release, tests }, &counts, &budgets(), NOW);
        assert_eq!((second.outcomes, second.changes), (first.outcomes, Vec::new()));
    }

    #[test]
    fn a_new_release_restarts_every_test_and_an_expired_one_is_removed() {
        let before = evaluate(WatchState::default(), &counts(&[("/", 2500, 10)], "1"), &budgets(), NOW);
        let tests: BTreeMap<_, _> =
            before.outcomes.iter().map(|outcome| (outcome.key.clone(), outcome.test)).collect();
        let state = WatchState { release: Some("1".into()), tests };
        let after = evaluate(state.clone(), &counts(&[], "2"), &budgets(), NOW.saturating_add(HOUR_MS));
        assert_eq!(after.release.as_deref(), Some("2"));
        let restarted = |change: &WatchChange| matches!(change, WatchChange::Store(..));
        assert!(after.changes.len() == 2 && after.changes.iter().all(restarted), "{:?}", after.changes);
        let much_later = NOW.saturating_add(400 * 24 * HOUR_MS);
        let expired = evaluate(state, &counts(&[], "1"), &budgets(), much_later);
        let removed = |change: &WatchChange| matches!(change, WatchChange::Remove(_));
        assert!(expired.changes.len() == 2 && expired.changes.iter().all(removed), "{:?}", expired.changes);
    }
}
