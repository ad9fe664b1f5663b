//! The sequential test of a budget: evidence that stays valid however often it is evaluated, unlike a verdict,
//! which is for a single look. The shells notify people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::budgets::Limit;
use crate::verdict::{BudgetTally, Verdict, required_share};

/// The alarm of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlarmState {
    /// No evidence of a violation.
    #[default]
    Quiet,
    /// The budget was violated, and has not been met since.
    Raised,
}

/// The state of a cell between observations. Views of the last day may still be corrected, so each observation
/// counts them again; of older hours only the sum is kept. Hours that no observation covers are not evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequentialTest {
    /// The tested limit, in wire units.
    pub max: u32,
    /// The percentile of the limit.
    pub percentile: u8,
    /// The first hour of the evidence.
    pub since: UnixMillis,
    /// The evidence of settled hours.
    settled: BudgetTally,
    /// The end of the settled hours.
    settled_to: UnixMillis,
    /// The alarm.
    pub alarm: AlarmState,
    /// The time of the last change of the alarm.
    pub changed_at: UnixMillis,
}

/// The input of one observation.
#[derive(Clone, Copy, Debug)]
pub struct TestObservation<'a> {
    /// The time of the observation.
    pub now: UnixMillis,
    /// The limit in force.
    pub limit: Limit,
    /// Views judged by the limit, by the hour in which they began.
    pub hours: &'a BTreeMap<UnixMillis, BudgetTally>,
    /// The views of the networks that sent most.
    pub top_views: &'a TopViews,
}

/// The views of the networks that sent most, from each of some times on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopViews(pub BTreeMap<UnixMillis, u64>);

impl TopViews {
    /// Returns the views from the last known time on that is no later.
    #[must_use]
    pub fn since(&self, at: UnixMillis) -> u64 {
        let earlier = self.0.range(..=at).next_back();
        earlier.or_else(|| self.0.first_key_value()).map(|(_, views)| *views).unwrap_or_default()
    }
}

impl SequentialTest {
    /// Starts the test of a cell; all hours of the observation are evidence.
    #[must_use]
    pub fn start(observation: &TestObservation<'_>) -> Self {
        let since =
            observation.hours.keys().next().copied().unwrap_or_else(|| start_of_hour(observation.now));
        Self::new(observation, since)
    }

    /// Returns the state after an observation, and the evidence.
    #[must_use]
    pub fn observe(self, observation: &TestObservation<'_>) -> (Self, BudgetTally) {
        let is_same = (self.max, self.percentile) == (observation.limit.max, observation.limit.percentile);
        // A changed limit restarts the test.
        let mut next = if is_same { self } else { Self::new(observation, start_of_hour(observation.now)) };
        let settles = start_of_hour(observation.now.saturating_sub(CORRECTION_WINDOW_MS));
        let settling =
            observation.hours.range(next.settled_to.max(next.since)..).filter(|(at, _)| **at < settles);
        next.settled = settling.fold(next.settled, |sum, (_, tally)| sum.plus(*tally));
        let top = next.settled.top.max(observation.top_views.since(next.since));
        if settles > next.settled_to {
            // The networks of settled views are no longer known.
            (next.settled_to, next.settled.top) = (settles, top);
        }
        let evidence =
            next.settled.plus(observation.tally_since(next.settled_to.max(next.since))).with_top(top);
        let day = observation.judged_tally_since(start_of_hour(observation.now).saturating_sub(23 * HOUR_MS));
        next.alarm =
            next.alarm.advance(evidence, observation.limit.verdict(day), observation.limit.percentile);
        if next.alarm == self.alarm {
            return (next, evidence);
        }
        next.changed_at = observation.now;
        if next.alarm == AlarmState::Quiet {
            next = next.restart(observation.now);
            return (next, observation.judged_tally_since(next.since));
        }
        (next, evidence)
    }

    /// Discards the evidence for a new release; the alarm stays.
    #[must_use]
    pub const fn restart(self, now: UnixMillis) -> Self {
        let since = start_of_hour(now);
        Self { since, settled: BudgetTally::new(0, 0), settled_to: since, ..self }
    }

    /// Returns true if the cell had no views for its retention, which is longer while an alarm is raised.
    #[must_use]
    pub fn is_expired(&self, now: UnixMillis) -> bool {
        let retention_ms =
            if self.alarm == AlarmState::Quiet { QUIET_RETENTION_MS } else { MAX_RETENTION_MS };
        self.settled_to.max(self.since) < now.saturating_sub(retention_ms)
    }

    fn new(observation: &TestObservation<'_>, since: UnixMillis) -> Self {
        Self {
            max: observation.limit.max,
            percentile: observation.limit.percentile,
            since,
            settled: BudgetTally::default(),
            settled_to: since,
            alarm: AlarmState::Quiet,
            changed_at: observation.now,
        }
    }
}

impl TestObservation<'_> {
    fn tally_since(&self, hour: UnixMillis) -> BudgetTally {
        self.hours.range(hour..).fold(BudgetTally::default(), |sum, (_, tally)| sum.plus(*tally))
    }

    /// Returns the views since a time with those of the networks that sent most.
    fn judged_tally_since(&self, hour: UnixMillis) -> BudgetTally {
        self.tally_since(hour).with_top(self.top_views.since(hour))
    }
}

/// Returns the leading release by views of the last hours. Another one takes over once it has twice the views
/// of the previous leader, so that two releases with equal traffic do not alternate.
#[must_use]
pub fn leading_release<'a>(before: Option<&'a str>, views: &'a BTreeMap<String, u64>) -> Option<&'a str> {
    let views_of = |name: &str| views.get(name).copied().unwrap_or_default();
    let most = views.iter().max_by(|(a, ours), (b, theirs)| ours.cmp(theirs).then(b.cmp(a)));
    match (before, most) {
        (Some(before), Some((name, views))) if *views < views_of(before).saturating_mul(2) => {
            Some(if name == before { name } else { before })
        }
        (_, Some((name, _))) => Some(name),
        (before, None) => before,
    }
}

impl AlarmState {
    /// Returns the alarm after another observation. The evidence covers every visit since the release, or since
    /// the alarm last cleared; the verdict is of the last day. The evidence raises the alarm unless the verdict clears
    /// it, so that it does not flap.
    #[must_use]
    pub fn advance(self, evidence: BudgetTally, verdict: Verdict, percentile: u8) -> Self {
        match self {
            Self::Quiet if verdict != Verdict::Met && evidence.e_value(percentile) >= E_VALUE_THRESHOLD => {
                Self::Raised
            }
            Self::Raised if verdict == Verdict::Met => Self::Quiet,
            unchanged => unchanged,
        }
    }
}

impl BudgetTally {
    /// Returns the sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            within: self.within.saturating_add(other.within),
            over: self.over.saturating_add(other.over),
            top: self.top.saturating_add(other.top),
        }
    }

    /// Returns the e-value against "the budget is met". A page that meets its budget ever reaches E with a
    /// probability of at most 1/E, however often it is evaluated (Ville's inequality). A mixture of bets on
    /// eight lower shares detects both slight and gross violations. The networks that sent most are no evidence.
    #[must_use]
    pub fn e_value(self, percentile: u8) -> f64 {
        let Self { within, over, .. } = self.without_top();
        let kept = required_share(percentile);
        let bet = |of_kept: f64| {
            let share = kept * of_kept;
            within as f64 * of_kept.ln() + over as f64 * ((1.0 - share) / (1.0 - kept)).ln()
        };
        let bets = BET_SHARES.map(|share| bet(share / 0.75));
        let best = bets.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = bets.iter().map(|bet| (bet - best).exp()).sum();
        (best + (sum / bets.len() as f64).ln()).exp()
    }
}

/// At most one false alarm in twenty pages that are tested forever.
pub(crate) const E_VALUE_THRESHOLD: f64 = 20.0;

const HOUR_MS: u64 = 3_600_000;
/// A view may be reported a day after it began, and corrected for some time after that.
const CORRECTION_WINDOW_MS: u64 = 27 * HOUR_MS;
const QUIET_RETENTION_MS: u64 = 4 * 24 * HOUR_MS;
const MAX_RETENTION_MS: u64 = 35 * 24 * HOUR_MS;

const fn start_of_hour(moment: UnixMillis) -> UnixMillis {
    UnixMillis(moment.0 - moment.0 % HOUR_MS)
}

/// The shares of a p75; other percentiles are scaled to it.
const BET_SHARES: [f64; 8] = [0.74, 0.73, 0.72, 0.70, 0.67, 0.63, 0.55, 0.40];

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &TopViews = &TopViews(BTreeMap::new());

    #[test]
    fn the_e_value_is_the_mean_of_eight_bets() {
        for (n, within, expect) in [(100, 60, 54.26), (200, 130, 38.31), (500, 350, 7.47)] {
            let found = BudgetTally::new(n, within).e_value(75);
            assert!((found - expect).abs() < 0.005, "{found} is not {expect}");
        }
    }

    #[test]
    fn the_e_value_without_visits_is_one() {
        assert_eq!(BudgetTally::default().e_value(75), 1.0);
    }

    #[test]
    fn the_e_value_of_a_billion_visits_is_not_nan() {
        assert_eq!(BudgetTally::new(1_000_000_000, 500_000_000).e_value(75), f64::INFINITY);
        assert_eq!(BudgetTally::new(1_000_000_000, 999_000_000).e_value(75), 0.0);
    }

    /// The e-value is a supermartingale: one more visit does not raise its expectation.
    #[test]
    fn the_expected_e_value_does_not_grow_within_budget() {
        for percentile in [50, 75, 90, 99] {
            for (n, within) in [(0, 0), (10, 4), (100, 60), (100, 90)] {
                let now = BudgetTally::new(n, within);
                let kept = BudgetTally::new(n + 1, within + 1).e_value(percentile);
                let broken = BudgetTally::new(n + 1, within).e_value(percentile);
                let share = required_share(percentile);
                let next = share * kept + (1.0 - share) * broken;
                assert!((next / now.e_value(percentile) - 1.0).abs() < 1e-12);
            }
        }
    }

    const NOON: UnixMillis = UnixMillis(1_800_000 * HOUR_MS);

    fn limit(max: u32) -> Limit {
        Limit { max, percentile: 75, severity: crate::Severity::Error, min_samples: 30, line: 1 }
    }

    /// The hours before noon, the latest first.
    fn hours(tallies: &[(u64, u64)]) -> BTreeMap<UnixMillis, BudgetTally> {
        (0..)
            .zip(tallies)
            .map(|(ago, (n, within))| (NOON.saturating_sub(ago * HOUR_MS), BudgetTally::new(*n, *within)))
            .collect()
    }

    #[test]
    fn evidence_includes_every_view_since_the_first_observation() {
        let all: Vec<(u64, u64)> = (0..200).map(|hour| (10 + hour % 7, 8)).collect();
        let mut test: Option<SequentialTest> = None;
        let mut evidence = BudgetTally::default();
        for ago in (0..=100).rev() {
            // The views known at that hour, of the preceding 72 hours; the last day is still incomplete.
            let known = hours(&all).into_iter().filter(|(at, _)| {
                *at <= NOON.saturating_sub(ago * HOUR_MS) && *at > NOON.saturating_sub((ago + 72) * HOUR_MS)
            });
            let known: BTreeMap<UnixMillis, BudgetTally> = known.collect();
            let observation = TestObservation {
                now: NOON.saturating_sub(ago * HOUR_MS).saturating_add(1),
                limit: limit(9),
                hours: &known,
                top_views: NONE,
            };
            let (next, found) =
                test.unwrap_or_else(|| SequentialTest::start(&observation)).observe(&observation);
            (test, evidence) = (Some(next), found);
        }
        // The first observation covered 72 hours, and 100 have passed since.
        let expect = all
            .iter()
            .take(172)
            .fold(BudgetTally::default(), |sum, (n, within)| sum.plus(BudgetTally::new(*n, *within)));
        assert_eq!(evidence, expect);
    }

    #[test]
    fn a_raised_alarm_survives_a_release_and_another_limit_restarts_the_test() {
        let bad = hours(&[(100, 40)]);
        let observation =
            TestObservation { now: NOON.saturating_add(1), limit: limit(9), hours: &bad, top_views: NONE };
        let (raised, _) = SequentialTest::start(&observation).observe(&observation);
        assert_eq!((raised.alarm, raised.changed_at), (AlarmState::Raised, NOON.saturating_add(1)));
        let few = hours(&[(5, 5)]);
        let (still, evidence) = raised.restart(NOON.saturating_add(HOUR_MS)).observe(&TestObservation {
            now: NOON.saturating_add(HOUR_MS),
            limit: limit(9),
            hours: &few,
            top_views: NONE,
        });
        assert_eq!((still.alarm, evidence), (AlarmState::Raised, BudgetTally::default()));
        let other = TestObservation {
            now: NOON.saturating_add(HOUR_MS),
            limit: limit(8),
            hours: &few,
            top_views: NONE,
        };
        assert_eq!(raised.observe(&other).0.alarm, AlarmState::Quiet);
    }

    #[test]
    fn a_cleared_alarm_discards_its_evidence() {
        let bad = hours(&[(0, 0), (100, 40)]);
        let observation =
            TestObservation { now: NOON.saturating_add(1), limit: limit(9), hours: &bad, top_views: NONE };
        let (raised, _) = SequentialTest::start(&observation).observe(&observation);
        let good = hours(&[(900, 880), (100, 40)]);
        let (cleared, evidence) = raised.observe(&TestObservation {
            now: NOON.saturating_add(2),
            limit: limit(9),
            hours: &good,
            top_views: NONE,
        });
        assert_eq!((cleared.alarm, evidence), (AlarmState::Quiet, BudgetTally::new(900, 880)));
    }

    #[test]
    fn two_releases_with_equal_traffic_do_not_alternate() {
        let views = |all: &[(&str, u64)]| all.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        assert_eq!(leading_release(None, &views(&[("1", 5), ("2", 7)])), Some("2"));
        assert_eq!(leading_release(Some("1"), &views(&[("1", 500), ("2", 700)])), Some("1"));
        assert_eq!(leading_release(Some("1"), &views(&[("1", 500), ("2", 1000)])), Some("2"));
        assert_eq!(leading_release(Some("1"), &views(&[])), Some("1"));
    }

    #[test]
    fn an_alarm_clears_only_when_the_budget_is_met_again() {
        let (calm, loud) = (BudgetTally::new(500, 350), BudgetTally::new(100, 60));
        let looks = [
            (calm, Verdict::Insufficient, AlarmState::Quiet),
            (loud, Verdict::Violated, AlarmState::Raised),
            (calm, Verdict::Insufficient, AlarmState::Raised),
            (calm, Verdict::AtLimit, AlarmState::Raised),
            (calm, Verdict::Unknown, AlarmState::Raised),
            (calm, Verdict::Met, AlarmState::Quiet),
        ];
        let mut alarm = AlarmState::default();
        for (evidence, verdict, expect) in looks {
            alarm = alarm.advance(evidence, verdict, 75);
            assert_eq!(alarm, expect, "after {verdict:?}");
        }
    }

    /// Four days without a view end a quiet test, five weeks one whose alarm is raised.
    #[test]
    fn a_test_expires_after_its_retention() {
        let day = 24 * HOUR_MS;
        let quiet = SequentialTest::start(&observation(&hours(&[(10, 10)])));
        let raised = SequentialTest { alarm: AlarmState::Raised, ..quiet };
        for (test, days) in [(quiet, 4), (raised, 35)] {
            assert!(!test.is_expired(NOON.saturating_add(days * day)));
            assert!(test.is_expired(NOON.saturating_add(days * day + 1)));
        }
    }

    /// The hours of the last 27 hours may still be corrected, so that only what is older is summed up.
    #[test]
    fn an_hour_is_settled_after_its_time_for_corrections() {
        let all = hours(&[(1, 1); 40]);
        let (test, evidence) = SequentialTest::start(&observation(&all)).observe(&observation(&all));
        assert_eq!(test.settled_to, NOON.saturating_sub(27 * HOUR_MS));
        assert_eq!((test.settled.n(), evidence.n()), (12, 40));
    }

    #[test]
    fn a_restart_begins_with_the_current_hour_and_forgets_the_rest() {
        let all = hours(&[(1, 1); 40]);
        let (test, _) = SequentialTest::start(&observation(&all)).observe(&observation(&all));
        let again = test.restart(NOON.saturating_add(HOUR_MS / 2));
        assert_eq!((again.since, again.settled_to, again.settled.n()), (NOON, NOON, 0));
        let (_, evidence) = again.observe(&observation(&all));
        assert_eq!(evidence.n(), 1, "the views of the current hour alone");
    }

    /// An alarm clears by the views of 24 hours, and not of one more or fewer.
    #[test]
    fn an_alarm_clears_by_the_views_of_a_whole_day() {
        let start = SequentialTest::start(&observation(&hours(&[(200, 20)])));
        let (raised, _) = start.observe(&observation(&hours(&[(200, 20)])));
        assert_eq!(raised.alarm, AlarmState::Raised);
        let with_bad_hour = |ago: usize| {
            let mut all = vec![(20, 20); 30];
            all[ago] = (2000, 0);
            raised.observe(&observation(&hours(&all))).0.alarm
        };
        assert_eq!([with_bad_hour(23), with_bad_hour(24)], [AlarmState::Raised, AlarmState::Quiet]);
    }

    fn observation(hours: &BTreeMap<UnixMillis, BudgetTally>) -> TestObservation<'_> {
        TestObservation { now: NOON, limit: limit(2500), hours, top_views: NONE }
    }
}
