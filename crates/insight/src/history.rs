//! How a site was, from one look to the next: runs of looks that said the same. A look speaks for a
//! quarter of an hour, until the next one; where nobody looked for longer there is a gap, and a gap is no
//! status. Looking is `health`'s, storing the shell's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::health::Status;

/// Looks that followed each other and said the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The first of them.
    pub from: UnixMillis,
    /// The last; of what is shown, up to when it speaks.
    pub to: UnixMillis,
    /// What they said.
    pub health: Status,
    /// The lowest score among them.
    pub score: u8,
}

/// How a span of time was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    /// The oldest first; what lies between two of them was seen by nobody.
    pub statuses: Vec<Run>,
    /// Milliseconds of each status.
    pub spent: BTreeMap<&'static str, u64>,
    /// Milliseconds that were seen by nobody.
    pub unseen: u64,
}

impl Run {
    /// What a look makes of the run before it: one that is longer, or a new one.
    #[must_use]
    pub fn after(before: Option<Self>, at: UnixMillis, health: Status, score: u8) -> Self {
        let look = Self { from: at, to: at, health, score };
        match before {
            Some(before) if before.health == health && at >= before.to && !before.is_gone(at) => {
                Self { to: at, score: before.score.min(score), ..before }
            }
            _ => look,
        }
    }

    /// Whether a look at that moment leaves a gap.
    const fn is_gone(&self, at: UnixMillis) -> bool {
        at.0.saturating_sub(self.to.0) > LONGEST_WAIT
    }
}

impl History {
    /// Of runs, the oldest first, what lies between two moments.
    #[must_use]
    pub fn between(runs: &[Run], from: UnixMillis, to: UnixMillis) -> Self {
        let speaks_until = |index: usize, run: &Run| match runs.get(index + 1) {
            Some(next) if !run.is_gone(next.from) => next.from,
            _ => run.to.after(LOOKS_EACH),
        };
        let within = |(index, run): (usize, &Run)| {
            let shown = Run { from: run.from.max(from), to: speaks_until(index, run).min(to), ..*run };
            (shown.from < shown.to).then_some(shown)
        };
        let statuses: Vec<Run> = runs.iter().enumerate().filter_map(within).collect();
        let mut spent = BTreeMap::new();
        let mut unseen = to.0.saturating_sub(from.0);
        for run in &statuses {
            let lasted = run.to.0.saturating_sub(run.from.0);
            let sum: &mut u64 = spent.entry(run.health.name()).or_default();
            *sum = sum.saturating_add(lasted);
            unseen = unseen.saturating_sub(lasted);
        }
        Self { statuses, spent, unseen }
    }
}

/// The cron's step.
const LOOKS_EACH: u64 = 15 * 60_000;
/// One look that failed is no gap, two are.
const LONGEST_WAIT: u64 = 40 * 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    /// Looks at these minutes.
    fn runs(looks: &[(u64, Status, u8)]) -> Vec<Run> {
        let mut all: Vec<Run> = Vec::new();
        for (minute, health, score) in looks {
            let run = Run::after(all.last().copied(), UnixMillis(minute * MINUTE), *health, *score);
            if all.last().is_some_and(|last| last.from == run.from) {
                all.pop();
            }
            all.push(run);
        }
        all
    }

    #[test]
    fn what_stays_as_it_is_makes_one_run_and_a_gap_ends_it() {
        use Status::{Degraded, Healthy};
        let looks =
            [(0, Healthy, 95), (15, Healthy, 91), (30, Degraded, 60), (45, Healthy, 92), (75, Healthy, 99)];
        let all = runs(&looks);
        let told: Vec<_> =
            all.iter().map(|run| (run.from.0 / MINUTE, run.to.0 / MINUTE, run.health, run.score)).collect();
        assert_eq!(told, [(0, 15, Healthy, 91), (30, 30, Degraded, 60), (45, 75, Healthy, 92)]);
        // Half an hour is one look that failed; an hour is a gap, though the status is the same.
        let all = runs(&[(0, Healthy, 95), (30, Healthy, 95), (90, Healthy, 95)]);
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn a_gap_is_no_status_and_all_time_is_accounted_for() {
        use Status::{Healthy, Unhealthy};
        let all = runs(&[(0, Healthy, 95), (15, Unhealthy, 20), (30, Unhealthy, 10), (120, Healthy, 95)]);
        let [from, to] = [5, 180].map(|minute| UnixMillis(minute * MINUTE));
        let history = History::between(&all, from, to);
        let told: Vec<_> =
            history.statuses.iter().map(|run| (run.from.0 / MINUTE, run.to.0 / MINUTE, run.health)).collect();
        assert_eq!(told, [(5, 15, Healthy), (15, 45, Unhealthy), (120, 135, Healthy)]);
        assert_eq!(history.spent, [("healthy", 25 * MINUTE), ("unhealthy", 30 * MINUTE)].into());
        assert_eq!(history.unseen, 120 * MINUTE);
        assert_eq!(History::between(&[], from, to).unseen, 175 * MINUTE);
    }

    #[test]
    fn a_clock_that_goes_back_begins_anew() {
        let all = runs(&[(60, Status::Healthy, 95), (30, Status::Healthy, 90)]);
        assert_eq!(all.len(), 2);
    }
}
