//! The pace at which those who look on are told: at once after a silence, and then once a second at
//! most. Whoever calls waits; nothing in here does.

use wire::UnixMillis;
use wire::live::Lately;

/// What was heard, and what of it was not said yet.
#[derive(Debug, Default)]
pub struct Feed {
    unsaid: Lately,
    said_at: Option<UnixMillis>,
    is_waited_for: bool,
}

/// What is to be done about something that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Say this.
    Say(Lately),
    /// Ask in so many milliseconds what is [`due`](Feed::due).
    Wait(u64),
    /// Nothing: there is nothing to say, or somebody waits already.
    Rest,
}

impl Feed {
    /// Takes what was heard.
    pub fn hear(&mut self, lately: &Lately, now: UnixMillis) -> Next {
        self.unsaid.merge(lately);
        if self.unsaid.is_empty() || self.is_waited_for {
            return Next::Rest;
        }
        // A clock that was set back must not silence it.
        let passed = self.said_at.map_or(PACE, |said| now.0.checked_sub(said.0).unwrap_or(PACE));
        match PACE.saturating_sub(passed) {
            0 => Next::Say(self.due(now)),
            rest => {
                self.is_waited_for = true;
                Next::Wait(rest)
            }
        }
    }

    /// What is to be said after a wait.
    pub fn due(&mut self, now: UnixMillis) -> Lately {
        self.is_waited_for = false;
        self.said_at = Some(now);
        std::mem::take(&mut self.unsaid)
    }
}

/// Milliseconds between two sayings.
pub const PACE: u64 = 1000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn views(views: u64) -> Lately {
        Lately { views, ..Lately::default() }
    }

    #[test]
    fn the_first_is_said_at_once_and_what_follows_together() {
        let mut feed = Feed::default();
        assert_eq!(feed.hear(&views(1), UnixMillis(5000)), Next::Say(views(1)));
        assert_eq!(feed.hear(&views(2), UnixMillis(5100)), Next::Wait(900));
        assert_eq!(feed.hear(&views(3), UnixMillis(5200)), Next::Rest);
        assert_eq!(feed.due(UnixMillis(6000)), views(5));
        assert_eq!(feed.hear(&views(0), UnixMillis(9000)), Next::Rest);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nobody() {
        let mut feed = Feed::default();
        feed.hear(&views(1), UnixMillis(9_000_000));
        assert_eq!(feed.hear(&views(1), UnixMillis(1)), Next::Say(views(1)));
    }

    proptest! {
        #[test]
        fn whatever_is_heard_is_said_once_within_a_second_and_no_two_sayings_are_nearer(
            arrivals in prop::collection::vec((0_u64..1500, 1_u64..9), 1..60)
        ) {
            let (mut feed, mut now, mut wait) = (Feed::default(), 0, None);
            let mut said: Vec<(u64, u64)> = Vec::new();
            let total: u64 = arrivals.iter().map(|(_, count)| count).sum();
            for (after, count) in arrivals {
                now += after;
                if let Some(at) = wait.filter(|at| *at <= now) {
                    said.push((at, feed.due(UnixMillis(at)).views));
                    wait = None;
                }
                match feed.hear(&views(count), UnixMillis(now)) {
                    Next::Say(lately) => said.push((now, lately.views)),
                    Next::Wait(rest) => {
                        prop_assert!(rest <= PACE && wait.is_none());
                        wait = Some(now + rest);
                    }
                    Next::Rest => prop_assert!(wait.is_some()),
                }
            }
            if let Some(at) = wait {
                said.push((at, feed.due(UnixMillis(at)).views));
            }
            prop_assert_eq!(said.iter().map(|(_, views)| views).sum::<u64>(), total);
            prop_assert!(said.windows(2).all(|pair| pair[1].0 - pair[0].0 >= PACE));
        }
    }
}
