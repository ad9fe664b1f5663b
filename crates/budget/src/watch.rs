//! Looking again and again without crying wolf. A verdict is for one look; who looks after every
//! visit needs evidence that stays honest however often it is read. Raising the alarm with people
//! is left to the shells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::budgets::Limit;
use crate::verdict::{Tally, Verdict, share};

/// Whether people should know that a page breaks its budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alarm {
    /// Nothing is to be said.
    #[default]
    Quiet,
    /// The budget is broken, and not yet seen to be kept again.
    Raised,
}

/// What is remembered of a cell between one look and the next. Views of the last day may still be
/// corrected, so they are counted anew at each look; what lies behind is settled, and only its sum is
/// kept. Hours that no look has met are no evidence, whichever way they went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The limit that is watched, in wire units.
    pub max: u32,
    /// And its percentile.
    pub percentile: u8,
    /// The hour since which the evidence is gathered.
    pub since: UnixMillis,
    /// The evidence of the hours that are settled.
    settled: Tally,
    /// Up to this hour.
    settled_to: UnixMillis,
    /// The alarm.
    pub alarm: Alarm,
    /// Since when it is as it is.
    pub changed_at: UnixMillis,
}

/// What a look meets.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The moment.
    pub now: UnixMillis,
    /// The limit in force.
    pub limit: Limit,
    /// Views against it, by the hour in which they began.
    pub hours: &'a BTreeMap<UnixMillis, Tally>,
}

impl Watched {
    /// A cell that is watched for the first time: all that the look knows is evidence.
    #[must_use]
    pub fn first(look: &Look<'_>) -> Self {
        let since = look.hours.keys().next().copied().unwrap_or_else(|| hour(look.now));
        Self::begun(look, since)
    }

    /// The cell after a look, and the views that are now evidence.
    #[must_use]
    pub fn after(self, look: &Look<'_>) -> (Self, Tally) {
        let is_same = (self.max, self.percentile) == (look.limit.max, look.limit.percentile);
        // Another limit is another question.
        let mut next = if is_same { self } else { Self::begun(look, hour(look.now)) };
        let settles = hour(look.now.before(CORRECTED));
        let settling = look.hours.range(next.settled_to.max(next.since)..).filter(|(at, _)| **at < settles);
        next.settled = settling.fold(next.settled, |sum, (_, tally)| sum.and(*tally));
        next.settled_to = next.settled_to.max(settles);
        let evidence = next.settled.and(look.since(next.settled_to.max(next.since)));
        let day = look.since(hour(look.now).before(23 * HOUR));
        next.alarm = next.alarm.after(evidence, look.limit.verdict(day), look.limit.percentile);
        if next.alarm == self.alarm {
            return (next, evidence);
        }
        next.changed_at = look.now;
        if next.alarm == Alarm::Quiet {
            next = next.anew(look.now);
            return (next, look.since(next.since));
        }
        (next, evidence)
    }

    /// The cell with its evidence begun anew: another release is out. An alarm stays as it is.
    #[must_use]
    pub const fn anew(self, now: UnixMillis) -> Self {
        let since = hour(now);
        Self { since, settled: Tally { within: 0, over: 0 }, settled_to: since, ..self }
    }

    /// Whether it can be forgotten: nothing was seen of it for long, or for a while and nothing is to
    /// be said.
    #[must_use]
    pub fn is_over(&self, now: UnixMillis) -> bool {
        let kept = if self.alarm == Alarm::Quiet { QUIETLY_KEPT } else { LONGEST_KEPT };
        self.settled_to.max(self.since) < now.before(kept)
    }

    fn begun(look: &Look<'_>, since: UnixMillis) -> Self {
        Self {
            max: look.limit.max,
            percentile: look.limit.percentile,
            since,
            settled: Tally::default(),
            settled_to: since,
            alarm: Alarm::Quiet,
            changed_at: look.now,
        }
    }
}

impl Look<'_> {
    fn since(&self, hour: UnixMillis) -> Tally {
        self.hours.range(hour..).fold(Tally::default(), |sum, (_, tally)| sum.and(*tally))
    }
}

/// The release that leads, by the views that each had in the last hours. Another takes over once it
/// has twice the views of the one before, so that two that share the visitors do not take turns.
#[must_use]
pub fn leading<'a>(before: Option<&'a str>, views: &'a BTreeMap<String, u64>) -> Option<&'a str> {
    let of = |name: &str| views.get(name).copied().unwrap_or_default();
    let most = views.iter().max_by(|(a, ours), (b, theirs)| ours.cmp(theirs).then(b.cmp(a)));
    match (before, most) {
        (Some(before), Some((name, views))) if *views < of(before).saturating_mul(2) => {
            Some(if name == before { name } else { before })
        }
        (_, Some((name, _))) => Some(name),
        (before, None) => before,
    }
}

impl Alarm {
    /// The alarm after another look. The evidence is every visit since the release, or since an
    /// alarm last cleared; the verdict is of the window that people see. Raised by the one and
    /// cleared only by the other, an alarm does not flap.
    #[must_use]
    pub fn after(self, evidence: Tally, verdict: Verdict, percentile: u8) -> Self {
        match self {
            Self::Quiet if evidence.evidence(percentile) >= CONVINCING => Self::Raised,
            Self::Raised if verdict == Verdict::Met => Self::Quiet,
            unchanged => unchanged,
        }
    }
}

impl Tally {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { within: self.within.saturating_add(other.within), over: self.over.saturating_add(other.over) }
    }

    /// The e-value against "the budget is kept": however often and whenever it is read, a page
    /// that keeps its budget ever reaches E with a chance of at most 1/E (Ville's inequality).
    /// A mixture of bets on eight worse shares, so that slight and gross breaches both show.
    #[must_use]
    pub fn evidence(self, percentile: u8) -> f64 {
        let kept = share(percentile);
        let bet = |of_kept: f64| {
            let share = kept * of_kept;
            self.within as f64 * of_kept.ln() + self.over as f64 * ((1.0 - share) / (1.0 - kept)).ln()
        };
        let bets = BETS.map(|share| bet(share / 0.75));
        let best = bets.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = bets.iter().map(|bet| (bet - best).exp()).sum();
        (best + (sum / bets.len() as f64).ln()).exp()
    }
}

/// One false alarm in twenty pages that are watched for ever.
pub(crate) const CONVINCING: f64 = 20.0;

const HOUR: u64 = 3_600_000;
/// A view may be told of a day after it began, and corrected for a while after that.
const CORRECTED: u64 = 27 * HOUR;
const QUIETLY_KEPT: u64 = 4 * 24 * HOUR;
const LONGEST_KEPT: u64 = 35 * 24 * HOUR;

const fn hour(moment: UnixMillis) -> UnixMillis {
    UnixMillis(moment.0 - moment.0 % HOUR)
}

/// The shares of a p75; other percentiles are scaled to it.
const BETS: [f64; 8] = [0.74, 0.73, 0.72, 0.70, 0.67, 0.63, 0.55, 0.40];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_the_mean_of_eight_bets() {
        for (n, within, expect) in [(100, 60, 54.26), (200, 130, 38.31), (500, 350, 7.47)] {
            let found = Tally::of(n, within).evidence(75);
            assert!((found - expect).abs() < 0.005, "{found} is not {expect}");
        }
    }

    #[test]
    fn no_visits_are_no_evidence() {
        assert_eq!(Tally::default().evidence(75), 1.0);
    }

    #[test]
    fn evidence_of_a_billion_visits_is_a_number() {
        assert_eq!(Tally::of(1_000_000_000, 500_000_000).evidence(75), f64::INFINITY);
        assert_eq!(Tally::of(1_000_000_000, 999_000_000).evidence(75), 0.0);
    }

    /// The law behind Ville's inequality: one more visit does not raise the expected evidence.
    #[test]
    fn a_page_that_keeps_its_budget_gains_no_evidence() {
        for percentile in [50, 75, 90, 99] {
            for (n, within) in [(0, 0), (10, 4), (100, 60), (100, 90)] {
                let now = Tally::of(n, within);
                let kept = Tally::of(n + 1, within + 1).evidence(percentile);
                let broken = Tally::of(n + 1, within).evidence(percentile);
                let share = share(percentile);
                let next = share * kept + (1.0 - share) * broken;
                assert!((next / now.evidence(percentile) - 1.0).abs() < 1e-12);
            }
        }
    }

    const NOON: UnixMillis = UnixMillis(1_800_000 * HOUR);

    fn limit(max: u32) -> Limit {
        Limit { max, percentile: 75, severity: crate::Severity::Error, min_samples: 30, line: 1 }
    }

    /// The hours before noon, the latest first.
    fn hours(tallies: &[(u64, u64)]) -> BTreeMap<UnixMillis, Tally> {
        (0..)
            .zip(tallies)
            .map(|(ago, (n, within))| (NOON.before(ago * HOUR), Tally::of(*n, *within)))
            .collect()
    }

    #[test]
    fn evidence_is_every_view_since_the_first_look_though_only_three_days_are_read() {
        let all: Vec<(u64, u64)> = (0..200).map(|hour| (10 + hour % 7, 8)).collect();
        let mut watched: Option<Watched> = None;
        let mut evidence = Tally::default();
        for ago in (0..=100).rev() {
            // What is known at that hour, of the 72 hours up to it; the last day has less than it will.
            let known = hours(&all)
                .into_iter()
                .filter(|(at, _)| *at <= NOON.before(ago * HOUR) && *at > NOON.before((ago + 72) * HOUR));
            let known: BTreeMap<UnixMillis, Tally> = known.collect();
            let look = Look { now: NOON.before(ago * HOUR).after(1), limit: limit(9), hours: &known };
            let (next, found) = watched.unwrap_or_else(|| Watched::first(&look)).after(&look);
            (watched, evidence) = (Some(next), found);
        }
        // The first look knew 72 hours, and 100 have passed since.
        let expect =
            all.iter().take(172).fold(Tally::default(), |sum, (n, within)| sum.and(Tally::of(*n, *within)));
        assert_eq!(evidence, expect);
    }

    #[test]
    fn a_raised_alarm_outlives_a_release_and_another_limit_begins_anew() {
        let bad = hours(&[(100, 40)]);
        let look = Look { now: NOON.after(1), limit: limit(9), hours: &bad };
        let (raised, _) = Watched::first(&look).after(&look);
        assert_eq!((raised.alarm, raised.changed_at), (Alarm::Raised, NOON.after(1)));
        let few = hours(&[(5, 5)]);
        let (still, evidence) = raised.anew(NOON.after(HOUR)).after(&Look {
            now: NOON.after(HOUR),
            limit: limit(9),
            hours: &few,
        });
        assert_eq!((still.alarm, evidence), (Alarm::Raised, Tally::default()));
        let other = Look { now: NOON.after(HOUR), limit: limit(8), hours: &few };
        assert_eq!(raised.after(&other).0.alarm, Alarm::Quiet);
    }

    #[test]
    fn an_alarm_that_cleared_forgets_what_raised_it() {
        let bad = hours(&[(0, 0), (100, 40)]);
        let look = Look { now: NOON.after(1), limit: limit(9), hours: &bad };
        let (raised, _) = Watched::first(&look).after(&look);
        let good = hours(&[(900, 880), (100, 40)]);
        let (cleared, evidence) = raised.after(&Look { now: NOON.after(2), limit: limit(9), hours: &good });
        assert_eq!((cleared.alarm, evidence), (Alarm::Quiet, Tally::of(900, 880)));
    }

    #[test]
    fn two_releases_that_share_the_visitors_do_not_take_turns() {
        let views = |all: &[(&str, u64)]| all.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        assert_eq!(leading(None, &views(&[("1", 5), ("2", 7)])), Some("2"));
        assert_eq!(leading(Some("1"), &views(&[("1", 500), ("2", 700)])), Some("1"));
        assert_eq!(leading(Some("1"), &views(&[("1", 500), ("2", 1000)])), Some("2"));
        assert_eq!(leading(Some("1"), &views(&[])), Some("1"));
    }

    #[test]
    fn an_alarm_clears_only_when_the_budget_is_met_again() {
        let (calm, loud) = (Tally::of(500, 350), Tally::of(100, 60));
        let looks = [
            (calm, Verdict::Insufficient, Alarm::Quiet),
            (loud, Verdict::Violated, Alarm::Raised),
            (calm, Verdict::Insufficient, Alarm::Raised),
            (calm, Verdict::AtLimit, Alarm::Raised),
            (calm, Verdict::Unknown, Alarm::Raised),
            (calm, Verdict::Met, Alarm::Quiet),
        ];
        let mut alarm = Alarm::default();
        for (evidence, verdict, expect) in looks {
            alarm = alarm.after(evidence, verdict, 75);
            assert_eq!(alarm, expect, "after {verdict:?}");
        }
    }
}
