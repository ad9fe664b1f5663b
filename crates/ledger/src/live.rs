//! Throttling of live updates: the first delta after a pause is sent at once, later ones at most once a second.
//! The caller owns the timer.

use wire::UnixMillis;
use wire::live::LiveDelta;

/// The deltas that were not sent yet.
#[derive(Debug, Default)]
pub struct LiveThrottle {
    pending: LiveDelta,
    last_sent_at: Option<UnixMillis>,
    is_timer_set: bool,
}

/// The action after a delta was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottleAction {
    /// Send this delta.
    Send(LiveDelta),
    /// Call [`flush`](LiveThrottle::flush) after this many milliseconds.
    Wait(u64),
    /// Do nothing: there is nothing to send, or a timer is set already.
    Idle,
}

impl LiveThrottle {
    /// Adds a delta.
    pub fn push(&mut self, delta: &LiveDelta, now: UnixMillis) -> ThrottleAction {
        self.pending.merge(delta);
        if self.pending.is_empty() || self.is_timer_set {
            return ThrottleAction::Idle;
        }
        // A clock that was set back must not block sending.
        let passed = self
            .last_sent_at
            .map_or(MIN_INTERVAL_MS, |sent| now.0.checked_sub(sent.0).unwrap_or(MIN_INTERVAL_MS));
        match MIN_INTERVAL_MS.saturating_sub(passed) {
            0 => ThrottleAction::Send(self.flush(now)),
            rest => {
                self.is_timer_set = true;
                ThrottleAction::Wait(rest)
            }
        }
    }

    /// Returns the pending delta to send now.
    pub fn flush(&mut self, now: UnixMillis) -> LiveDelta {
        self.is_timer_set = false;
        self.last_sent_at = Some(now);
        std::mem::take(&mut self.pending)
    }
}

/// The minimum interval between two deltas.
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
        let mut throttle = LiveThrottle::default();
        assert_eq!(throttle.push(&views(1), UnixMillis(5000)), ThrottleAction::Send(views(1)));
        assert_eq!(throttle.push(&views(2), UnixMillis(5100)), ThrottleAction::Wait(900));
        assert_eq!(throttle.push(&views(3), UnixMillis(5200)), ThrottleAction::Idle);
        assert_eq!(throttle.flush(UnixMillis(6000)), views(5));
        assert_eq!(throttle.push(&views(0), UnixMillis(9000)), ThrottleAction::Idle);
    }

    #[test]
    fn a_clock_set_back_does_not_block_sending() {
        let mut throttle = LiveThrottle::default();
        throttle.push(&views(1), UnixMillis(9_000_000));
        assert_eq!(throttle.push(&views(1), UnixMillis(1)), ThrottleAction::Send(views(1)));
    }

    proptest! {
        #[test]
        fn every_delta_is_sent_once_within_a_second_and_sends_are_a_second_apart(
            arrivals in prop::collection::vec((0_u64..1500, 1_u64..9), 1..60)
        ) {
            let (mut throttle, mut now, mut wait) = (LiveThrottle::default(), 0, None);
            let mut sent: Vec<(u64, u64)> = Vec::new();
            let total: u64 = arrivals.iter().map(|(_, count)| count).sum();
            for (after, count) in arrivals {
                now += after;
                if let Some(at) = wait.filter(|at| *at <= now) {
                    sent.push((at, throttle.flush(UnixMillis(at)).views));
                    wait = None;
                }
                match throttle.push(&views(count), UnixMillis(now)) {
                    ThrottleAction::Send(delta) => sent.push((now, delta.views)),
                    ThrottleAction::Wait(rest) => {
                        prop_assert!(rest <= MIN_INTERVAL_MS && wait.is_none());
                        wait = Some(now + rest);
                    }
                    ThrottleAction::Idle => prop_assert!(wait.is_some()),
                }
            }
            if let Some(at) = wait {
                sent.push((at, throttle.flush(UnixMillis(at)).views));
            }
            prop_assert_eq!(sent.iter().map(|(_, views)| views).sum::<u64>(), total);
            prop_assert!(sent.windows(2).all(|pair| pair[1].0 - pair[0].0 >= MIN_INTERVAL_MS));
        }
    }
}
