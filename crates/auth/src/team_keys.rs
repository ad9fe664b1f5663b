//! The keys with which a team of Cloudflare Access signs, as an isolate knows them. They are fetched when they are old or
//! one is unknown; those that were fetched last count while the team does not answer.

use wire::UnixMillis;

/// The keys of a team.
#[derive(Debug, Default)]
pub struct TeamKeys {
    /// Numbers and keys in JSON.
    keys: Vec<(String, String)>,
    fetched_at: UnixMillis,
    /// The fetches under way, and the start of the last one.
    fetches: usize,
    fetching_since: UnixMillis,
}

impl TeamKeys {
    /// Creates a set without keys.
    #[must_use]
    pub const fn new() -> Self {
        Self { keys: Vec::new(), fetched_at: UnixMillis(0), fetches: 0, fetching_since: UnixMillis(0) }
    }

    /// Returns a key as a JSON Web Key.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&str> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key.as_str())
    }

    /// Begins a fetch, if one is due for this key. While there are keys, one caller fetches and the others use them;
    /// without any, the first callers fetch together, since none can wait for another's fetch.
    #[must_use]
    pub fn begin_fetch(&mut self, id: &str, now: UnixMillis) -> bool {
        let max_age_ms = if self.find(id).is_some() { MAX_AGE_MS } else { RETRY_AFTER_MS };
        if now.0.abs_diff(self.fetched_at.0) <= max_age_ms {
            return false;
        }
        // A fetch whose request was cut off ends by timeout.
        if now.0.abs_diff(self.fetching_since.0) > LOST_AFTER_MS {
            self.fetches = 0;
        }
        if self.fetches >= if self.keys.is_empty() { MAX_FIRST_FETCHES } else { 1 } {
            return false;
        }
        self.fetches = self.fetches.saturating_add(1);
        self.fetching_since = now;
        true
    }

    /// Ends a fetch. Without keys, those that are known stay.
    pub fn end_fetch(&mut self, keys: Option<Vec<(String, String)>>, now: UnixMillis) {
        self.fetches = self.fetches.saturating_sub(1);
        self.fetched_at = now;
        if let Some(keys) = keys {
            self.keys = keys;
        }
    }
}

/// Access changes its keys every six weeks.
const MAX_AGE_MS: u64 = 60 * 60_000;
/// Tokens with made-up keys cause no more requests than this.
const RETRY_AFTER_MS: u64 = 10_000;
/// Longer than the deadline of a fetch.
const LOST_AFTER_MS: u64 = 5_000;
const MAX_FIRST_FETCHES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn keys(id: &str) -> Option<Vec<(String, String)>> {
        Some(vec![(id.to_owned(), "{}".to_owned())])
    }

    fn with_keys() -> TeamKeys {
        let mut known = TeamKeys::new();
        assert!(known.begin_fetch("a", NOW));
        known.end_fetch(keys("a"), NOW);
        known
    }

    #[test]
    fn keys_are_fetched_once_an_hour_by_one_caller_and_last_while_the_team_is_down() {
        let mut known = with_keys();
        assert!(!known.begin_fetch("a", NOW.saturating_add(MAX_AGE_MS)));
        let old = NOW.saturating_add(MAX_AGE_MS + 1);
        assert!(known.begin_fetch("a", old) && !known.begin_fetch("a", old));
        known.end_fetch(None, old);
        assert!(known.find("a").is_some() && !known.begin_fetch("a", old));
    }

    #[test]
    fn made_up_keys_cause_one_fetch_in_ten_seconds() {
        let mut known = with_keys();
        let fetches = (0..60_000).filter(|millis| {
            let now = NOW.saturating_add(*millis);
            let begins = known.begin_fetch("made up", now);
            if begins {
                known.end_fetch(None, now);
            }
            begins
        });
        assert_eq!(fetches.count(), 5);
    }

    #[test]
    fn the_first_callers_fetch_together_and_no_crowd_does() {
        let mut known = TeamKeys::new();
        assert_eq!((0..100).filter(|_| known.begin_fetch("a", NOW)).count(), MAX_FIRST_FETCHES);
        known.end_fetch(keys("a"), NOW);
        assert!(known.find("a").is_some() && !known.begin_fetch("a", NOW));
    }

    #[test]
    fn a_fetch_that_was_cut_off_and_a_clock_that_was_set_back_hold_no_other() {
        let mut known = with_keys();
        let old = NOW.saturating_add(MAX_AGE_MS + 1);
        assert!(known.begin_fetch("a", old));
        assert!(!known.begin_fetch("a", old.saturating_add(LOST_AFTER_MS)));
        assert!(known.begin_fetch("a", old.saturating_add(LOST_AFTER_MS + 1)));
        assert!(with_keys().begin_fetch("a", UnixMillis(NOW.0 - MAX_AGE_MS - 1)));
    }
}
