//! The times at which a site is evaluated: each minute while something arrives or an address is probed, budgets and
//! baselines at every fifth of these; otherwise by the cron alone.

use wire::UnixMillis;

/// The schedule of the object that speaks for a site. It is lost with the object, and begins again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvaluationSchedule {
    state: State,
    budgets_at: UnixMillis,
    evaluated_at: UnixMillis,
}

/// The parts of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// The signals of requests, queues and memory.
    Requests,
    /// All signals, and the status of the site.
    Everything,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The object has just begun.
    #[default]
    Unknown,
    /// Another object speaks for the site.
    Other,
    /// Nothing arrives.
    Idle,
    /// The next evaluation.
    At(UnixMillis),
}

impl EvaluationSchedule {
    /// Handles beacons or responses that arrived. Returns the time for which an alarm is needed.
    pub fn note_arrival(&mut self, now: UnixMillis) -> Option<UnixMillis> {
        match self.state {
            State::Unknown | State::Idle => {
                let at = now.saturating_add(INTERVAL_MS);
                self.state = State::At(at);
                Some(at)
            }
            // The alarm may have been lost.
            State::At(at) if now.0 > at.saturating_add(INTERVAL_MS).0 => {
                self.state = State::At(now);
                Some(now)
            }
            State::At(_) | State::Other => None,
        }
    }

    /// Returns the evaluation that is due at an alarm.
    #[must_use]
    pub fn due(&self, now: UnixMillis) -> Option<Evaluation> {
        let is_due = match self.state {
            State::Unknown => true,
            State::At(at) => at <= now,
            State::Other | State::Idle => false,
        };
        // The cron may have been here just now; a second look at the same counts proves nothing more.
        let is_fresh = now.0.saturating_sub(self.evaluated_at.0) < INTERVAL_MS / 2;
        let wanted = if self.budgets_at <= now { Evaluation::Everything } else { Evaluation::Requests };
        (is_due && !is_fresh).then_some(wanted)
    }

    /// Returns the time for which an alarm is needed, if the one that fired was for something else.
    #[must_use]
    pub const fn next(&self) -> Option<UnixMillis> {
        match self.state {
            State::At(at) => Some(at),
            State::Unknown | State::Other | State::Idle => None,
        }
    }

    /// Notes that another object speaks for the site.
    pub const fn stand_aside(&mut self) {
        self.state = State::Other;
    }

    /// Notes an evaluation. `is_busy` is true if something arrived within [`BUSY_MS`], or an address is probed. Returns
    /// the time of the next one; without one, the cron does it.
    pub fn finish(&mut self, done: Evaluation, is_busy: bool, now: UnixMillis) -> Option<UnixMillis> {
        self.evaluated_at = now;
        if done == Evaluation::Everything {
            // A little less, because alarms come late by some milliseconds.
            self.budgets_at = now.saturating_add(BUDGETS_INTERVAL_MS - INTERVAL_MS / 2);
        }
        self.state = if is_busy { State::At(now.saturating_add(INTERVAL_MS)) } else { State::Idle };
        self.next()
    }
}

/// The time for which a site stays busy after a beacon or a response.
pub const BUSY_MS: u64 = 15 * 60_000;
/// The interval of evaluations.
pub const INTERVAL_MS: u64 = 60_000;
/// The interval of those that include budgets, baselines and the status.
pub const BUDGETS_INTERVAL_MS: u64 = 5 * INTERVAL_MS;

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMillis = UnixMillis(1_800_000_000_000);

    fn at(minutes: u64) -> UnixMillis {
        START.saturating_add(minutes * INTERVAL_MS)
    }

    /// Lets the alarm fire as asked, and returns the evaluations of so many minutes.
    fn run(
        schedule: &mut EvaluationSchedule,
        minutes: u64,
        is_busy: impl Fn(u64) -> bool,
    ) -> Vec<Evaluation> {
        let mut all = Vec::new();
        for minute in 1..=minutes {
            if schedule.next().is_some_and(|next| next <= at(minute)) {
                let due = schedule.due(at(minute)).expect("the alarm is due");
                all.push(due);
                schedule.finish(due, is_busy(minute), at(minute));
            }
        }
        all
    }

    #[test]
    fn a_busy_site_is_evaluated_each_minute_and_its_budgets_at_every_fifth() {
        let mut schedule = EvaluationSchedule::default();
        assert_eq!(schedule.note_arrival(START), Some(at(1)));
        assert_eq!(schedule.note_arrival(START.saturating_add(10)), None, "one alarm for all arrivals");
        let all = run(&mut schedule, 60, |_| true);
        let everything = all.iter().filter(|one| **one == Evaluation::Everything).count();
        assert_eq!((all.len(), everything), (60, 12));
    }

    #[test]
    fn an_idle_site_is_left_to_the_cron_until_something_arrives() {
        let mut schedule = EvaluationSchedule::default();
        schedule.note_arrival(START);
        assert_eq!(run(&mut schedule, 60, |minute| minute < 15).len(), 15);
        assert_eq!((schedule.next(), schedule.due(at(61))), (None, None));
        assert_eq!(schedule.note_arrival(at(90)), Some(at(91)));
    }

    #[test]
    fn an_alarm_right_after_the_cron_is_no_second_look() {
        let mut schedule = EvaluationSchedule::default();
        schedule.note_arrival(START);
        schedule.finish(Evaluation::Everything, true, at(1));
        assert_eq!(schedule.due(at(1).saturating_add(5_000)), None);
        assert_eq!(schedule.due(at(2)), Some(Evaluation::Requests));
    }

    #[test]
    fn a_lost_alarm_is_asked_for_again() {
        let mut schedule = EvaluationSchedule::default();
        schedule.note_arrival(START);
        assert_eq!(schedule.note_arrival(at(2)), None);
        assert_eq!(schedule.note_arrival(at(3)), Some(at(3)));
    }

    #[test]
    fn a_shard_that_does_not_speak_for_its_site_evaluates_nothing() {
        let mut schedule = EvaluationSchedule::default();
        schedule.stand_aside();
        assert_eq!((schedule.note_arrival(START), schedule.due(START)), (None, None));
    }
}
