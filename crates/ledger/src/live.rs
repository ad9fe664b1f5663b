//! The pace at which those who look on are told: at once after a silence, and then once a second at
//! most. Whoever calls waits; nothing in here does.

use wire::UnixMillis;
use wire::live::LiveDelta;

/// What was heard, and what of it was not said yet.
#[derive(Debug, Default)]
pub struct LiveThrottle {
    pending: LiveDelta,
    last_sent_at: Option<UnixMillis>,
    is_timer_set: bool,
}

/// What is to be done about something that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottleAction {
    /// Say this.
    Send(LiveDelta),
    /// Ask in so many milliseconds what is [`due`](Feed::due).
    Wait(u64),
    /// Nothing: there is nothing to say, or somebody waits already.
    Idle,
}

impl LiveThrottle {
    /// Takes what was heard.
    pub fn push(&mut self, delta: &LiveDelta, now: UnixMillis) -> ThrottleAction {
        self.pending.merge(delta);
        if self.pending.is_empty() || self.is_timer_set {
            return ThrottleAction::Idle;
        }
        // A clock that was set back must not silence it.
        let passed = self
            .last_sent_at
            .map_or(MIN_INTERVAL_MS, |said| now.0.checked_sub(said.0).unwrap_or(MIN_INTERVAL_MS));
        match MIN_INTERVAL_MS.saturating_sub(passed) {
            0 => ThrottleAction::Send(self.flush(now)),
            rest => {
                self.is_timer_set = true;
                ThrottleAction::Wait(rest)
            }
        }
    }

    /// What is to be said after a wait.
    pub fn flush(&mut self, now: UnixMillis) -> LiveDelta {
        self.is_timer_set = false;
        self.last_sent_at = Some(now);
        std::mem::take(&mut self.pending)
    }
}

/// Milliseconds between two sayings.
pub const MIN_INTERVAL_MS: u64 = 1000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn views(views: u64) -> LiveDelta {
        LiveDelta { views, ..LiveDelta::default() }
    }

    #[test]
    fn the_first_delta_is_sent_at_once_and_later_ones_are_batched() {
        let mut feed = LiveThrottle::default();
        assert_eq!(feed.push(&views(1), UnixMillis(5000)), ThrottleAction::Send(views(1)));
        assert_eq!(feed.push(&views(2), UnixMillis(5100)), ThrottleAction::Wait(900));
        assert_eq!(feed.push(&views(3), UnixMillis(5200)), ThrottleAction::Idle);
        assert_eq!(feed.flush(UnixMillis(6000)), views(5));
        assert_eq!(feed.push(&views(0), UnixMillis(9000)), ThrottleAction::Idle);
    }

    #[test]
    fn a_clock_set_back_does_not_block_sending() {
        let mut feed = LiveThrottle::default();
        feed.push(&views(1), UnixMillis(9_000_000));
        assert_eq!(feed.push(&views(1), UnixMillis(1)), ThrottleAction::Send(views(1)));
    }

    proptest! {
        #[test]
        fn whatever_is_heard_is_said_once_within_a_second_and_no_two_sayings_are_nearer(
            arrivals in prop::collection::vec((0_u64..1500, 1_u64..9), 1..60)
        ) {
            let (mut feed, mut now, mut wait) = (LiveThrottle::default(), 0, None);
            let mut said: Vec<(u64, u64)> = Vec::new();
            let total: u64 = arrivals.iter().map(|(_, count)| count).sum();
            for (after, count) in arrivals {
                now += after;
                if let Some(at) = wait.filter(|at| *at <= now) {
                    said.push((at, feed.flush(UnixMillis(at)).views));
                    wait = None;
                }
                match feed.push(&views(count), UnixMillis(now)) {
                    ThrottleAction::Send(lately) => said.push((now, lately.views)),
                    ThrottleAction::Wait(rest) => {
                        prop_assert!(rest <= MIN_INTERVAL_MS && wait.is_none());
                        wait = Some(now + rest);
                    }
                    ThrottleAction::Idle => prop_assert!(wait.is_some()),
                }
            }
            if let Some(at) = wait {
                said.push((at, feed.flush(UnixMillis(at)).views));
            }
            prop_assert_eq!(said.iter().map(|(_, views)| views).sum::<u64>(), total);
            prop_assert!(said.windows(2).all(|pair| pair[1].0 - pair[0].0 >= MIN_INTERVAL_MS));
        }
    }
}
