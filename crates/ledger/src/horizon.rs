//! The horizon: minutes are kept while the last hours are looked at closely, hours for a month, days for
//! a year. The window that holds a moment changes by rolling up alone.

use serde::{Deserialize, Serialize};
use wire::{UnixMillis, Window, WindowSpan};

/// Up to where windows have been rolled up. Stored, and moved only together with the roll-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// From here on, minutes hold what happened; before, hours.
    pub minutes: UnixMillis,
    /// From here on, hours hold what minutes no longer do; before, days.
    pub hours: UnixMillis,
    /// Before this, nothing is kept.
    pub days: UnixMillis,
    /// Before this, what is kept stands in pages too: where minutes end, once all that was stored before
    /// there were pages is in them.
    #[serde(default)]
    pub pages: UnixMillis,
}

/// How long each kind of window is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds that minutes are kept.
    pub minute_windows_ms: u64,
    /// Milliseconds that hours are kept.
    pub hour_windows_ms: u64,
    /// Milliseconds that days are kept.
    pub day_windows_ms: u64,
}

impl Horizon {
    /// The window that holds what happened at the moment; none when it is no longer kept.
    #[must_use]
    pub fn window_at(&self, moment: UnixMillis) -> Option<Window> {
        let span = match moment {
            _ if moment < self.days => return None,
            _ if moment < self.hours => WindowSpan::Day,
            _ if moment < self.minutes => WindowSpan::Hour,
            _ => WindowSpan::Minute,
        };
        Some(Window::containing(span, moment))
    }

    /// Whether pages hold all that they can.
    #[must_use]
    pub fn has_all_pages(&self) -> bool {
        self.pages == self.minutes
    }

    /// Where it stands once a day more is in pages: the one of the first cell that is not.
    #[must_use]
    pub fn after_backfilling(&self, first: Option<UnixMillis>) -> Self {
        let next = first.map(|first| {
            Window::containing(WindowSpan::Day, first).start.saturating_add(WindowSpan::Day.millis())
        });
        Self { pages: next.map_or(self.minutes, |next| next.min(self.minutes)), ..*self }
    }

    /// Where the horizon stands once everything older than the retention is rolled up. It stops at the
    /// edges of the longer windows, so that no window is ever half rolled, and it never moves back.
    #[must_use]
    pub fn advanced(&self, retention: &Retention, now: UnixMillis) -> Self {
        let edge = |kept: u64, span: WindowSpan| Window::containing(span, now.saturating_sub(kept)).start;
        let minutes = self.minutes.max(edge(retention.minute_windows_ms, WindowSpan::Hour));
        Self {
            minutes,
            pages: if self.has_all_pages() { minutes } else { self.pages },
            hours: self.hours.max(edge(retention.hour_windows_ms, WindowSpan::Day)),
            days: self.days.max(edge(retention.day_windows_ms, WindowSpan::Day)),
        }
    }
}

impl Retention {
    /// So many days in all; the short windows as long as they are of use, and no longer.
    #[must_use]
    pub const fn from_days(days: u64) -> Self {
        let days = days.saturating_mul(WindowSpan::Day.millis());
        let hours = 35 * WindowSpan::Day.millis();
        Self {
            minute_windows_ms: 2 * WindowSpan::Hour.millis(),
            hour_windows_ms: if days < hours { days } else { hours },
            day_windows_ms: days,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::from_days(400)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_one_window_at_every_horizon() {
        let at = UnixMillis(1_800_000_123_456);
        let fresh = Horizon::default();
        assert_eq!(fresh.window_at(at), Some(Window::containing(WindowSpan::Minute, at)));
        let later = fresh.advanced(&Retention::default(), at.saturating_add(3 * WindowSpan::Hour.millis()));
        assert_eq!(later.window_at(at), Some(Window::containing(WindowSpan::Hour, at)));
        let much_later =
            later.advanced(&Retention::default(), at.saturating_add(40 * WindowSpan::Day.millis()));
        assert_eq!(much_later.window_at(at), Some(Window::containing(WindowSpan::Day, at)));
        let gone = later.advanced(&Retention::default(), at.saturating_add(402 * WindowSpan::Day.millis()));
        assert_eq!(gone.window_at(at), None);
    }

    #[test]
    fn a_week_of_retention_ends_after_a_week() {
        let at = UnixMillis(1_800_000_123_456);
        let after = |days: u64| {
            let now = at.saturating_add(days * WindowSpan::Day.millis());
            Horizon::default().advanced(&Retention::from_days(7), now).window_at(at)
        };
        assert_eq!(after(6), Some(Window::containing(WindowSpan::Hour, at)));
        assert_eq!(after(8), None);
    }

    #[test]
    fn a_clock_set_back_does_not_move_the_horizon_back() {
        let now = UnixMillis(1_800_000_000_000);
        let ahead = Horizon::default().advanced(&Retention::default(), now);
        assert_eq!(
            ahead.advanced(&Retention::default(), now.saturating_sub(WindowSpan::Day.millis())),
            ahead
        );
    }
}
