//! The horizon between minutes, hours and days. Minutes are kept for the last hours, hours for a month, days for
//! a year. Only a roll-up moves the horizon.

use serde::{Deserialize, Serialize};
use wire::{UnixMillis, Window, WindowSpan};

/// The times before which windows have been rolled up. It is stored together with each roll-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// From this time on, views are in minute windows.
    pub minutes: UnixMillis,
    /// From this time up to `minutes`, views are in hour windows; before, in day windows.
    pub hours: UnixMillis,
    /// Nothing is kept before this time.
    pub days: UnixMillis,
    /// Views before this time are in page sums, too. It is the start of the day of `minutes` once the days before
    /// are added to page sums; a release that added hours to them may have left a later hour.
    #[serde(default)]
    pub pages: UnixMillis,
}

/// The retention of each kind of window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The retention of minute windows.
    pub minute_windows_ms: u64,
    /// The retention of hour windows.
    pub hour_windows_ms: u64,
    /// The retention of day windows.
    pub day_windows_ms: u64,
}

impl Horizon {
    /// Returns the window that contains the moment; `None` past the retention.
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

    /// Returns true if page sums have every day that is over and no longer has minutes.
    #[must_use]
    pub fn has_all_pages(&self) -> bool {
        self.pages >= self.last_page_day()
    }

    /// Returns true if cells of that span and start are counted there. Others are left of a roll-up that was
    /// interrupted, and are not read.
    #[must_use]
    pub fn counts_in(&self, span: WindowSpan, start: UnixMillis) -> bool {
        self.window_at(start).is_some_and(|window| window.span == span)
    }

    /// Returns the horizon after adding the day of `first` to page sums, the first cell that is not in them.
    #[must_use]
    pub fn after_adding_pages(&self, first: Option<UnixMillis>) -> Self {
        let next = first.map(|first| {
            Window::containing(WindowSpan::Day, first).start.saturating_add(WindowSpan::Day.millis())
        });
        let last = self.last_page_day().max(self.pages);
        Self { pages: next.map_or(last, |next| next.min(last)), ..*self }
    }

    /// Returns the horizon before the last day that page sums have only in part, which is added anew.
    #[must_use]
    pub const fn before_partial_page_day(&self) -> Self {
        Self { pages: Window::containing(WindowSpan::Day, self.pages).start, ..*self }
    }

    const fn last_page_day(&self) -> UnixMillis {
        Window::containing(WindowSpan::Day, self.minutes).start
    }

    /// Returns the horizon after rolling up everything older than the retention. It moves to the edges of the
    /// longer windows only, so that no window is rolled up in part, and it never moves back.
    #[must_use]
    pub fn advanced(&self, retention: &Retention, now: UnixMillis) -> Self {
        let edge = |retention_ms: u64, span: WindowSpan| {
            Window::containing(span, now.saturating_sub(retention_ms)).start
        };
        let minutes = self.minutes.max(edge(retention.minute_windows_ms, WindowSpan::Hour));
        Self {
            minutes,
            pages: self.pages,
            hours: self.hours.max(edge(retention.hour_windows_ms, WindowSpan::Day)),
            days: self.days.max(edge(retention.day_windows_ms, WindowSpan::Day)),
        }
    }
}

impl Retention {
    /// Returns a retention of `days` for day windows, and of up to 35 days for hour windows.
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

    #[test]
    fn minutes_are_kept_for_two_hours_and_hours_for_35_days_unless_days_are_kept_for_less() {
        const DAY_MS: u64 = WindowSpan::Day.millis();
        let kept = |days: u64| {
            let retention = Retention::from_days(days);
            (retention.hour_windows_ms / DAY_MS, retention.day_windows_ms / DAY_MS)
        };
        assert_eq!([1, 35, 36, 400].map(kept), [(1, 1), (35, 35), (35, 36), (35, 400)]);
        assert_eq!(Retention::default().minute_windows_ms, 2 * 3_600_000);
    }

    #[test]
    fn page_sums_grow_by_a_day_and_end_with_the_last_whole_day_without_minutes() {
        let now = UnixMillis(1_800_000_000_000);
        let horizon = Horizon::default().advanced(&Retention::default(), now);
        let day = |moment| Window::containing(WindowSpan::Day, moment).start;
        let first = now.saturating_sub(5 * WindowSpan::Day.millis());
        let pages_after = |first| horizon.after_adding_pages(first).pages;
        assert_eq!(pages_after(Some(first)), day(first).saturating_add(WindowSpan::Day.millis()));
        assert_eq!([pages_after(Some(now)), pages_after(None)], [day(horizon.minutes); 2]);
        assert!(!horizon.has_all_pages() && horizon.after_adding_pages(None).has_all_pages());
        assert_eq!(
            horizon.after_adding_pages(Some(first)),
            Horizon { pages: pages_after(Some(first)), ..horizon }
        );
    }
}
