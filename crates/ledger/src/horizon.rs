//! The horizon between minutes, hours and days. Minutes are kept for the last hours, hours for a month, days for
//! a year. Only a roll-up moves the horizon.

use serde::{Deserialize, Serialize};
use wire::{UnixMillis, Window, WindowSpan};

use crate::dimension::Dimension;

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
    /// Views before this time are in sums of slices, too. It is the start of a day.
    #[serde(default)]
    pub slices: UnixMillis,
    /// The dimensions that have no sums of slices before a time.
    #[serde(default)]
    pub crowded: CrowdedDimensions,
}

/// A dimension of slices with any number of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OpenDimension {
    Release,
    Country,
    Browser,
    /// All custom dimensions together.
    Custom,
}

/// The ends of the last days on which dimensions had more values than have sums of slices. Until then their views are
/// in no slice but that of all views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrowdedDimensions {
    /// That of releases.
    release: UnixMillis,
    /// That of countries.
    country: UnixMillis,
    /// That of browsers with their versions.
    browser: UnixMillis,
    /// That of all custom dimensions together.
    custom: UnixMillis,
}

/// The kind of daily sums. Each has a table of its own, and may have fewer days than the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SumKind {
    /// Sums of pages.
    Pages,
    /// Sums of each value of a dimension that pages do not have, over all routes.
    Slices,
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

    /// Returns the time before which views are in sums of a kind.
    #[must_use]
    pub const fn sums_end(&self, kind: SumKind) -> UnixMillis {
        match kind {
            SumKind::Pages => self.pages,
            SumKind::Slices => self.slices,
        }
    }

    const fn with_sums_end(self, kind: SumKind, end: UnixMillis) -> Self {
        match kind {
            SumKind::Pages => Self { pages: end, ..self },
            SumKind::Slices => Self { slices: end, ..self },
        }
    }

    /// Returns true if the sums of a kind have every day that is over and no longer has minutes.
    #[must_use]
    pub fn has_all_sums(&self, kind: SumKind) -> bool {
        self.sums_end(kind) >= self.last_summed_day()
    }

    /// Returns true if cells of that span and start are counted there. Others are left of a roll-up that was
    /// interrupted, and are not read.
    #[must_use]
    pub fn counts_in(&self, span: WindowSpan, start: UnixMillis) -> bool {
        self.window_at(start).is_some_and(|window| window.span == span)
    }

    /// Returns the horizon after adding the day of `first` to the sums of a kind, the first cell that is not in them.
    #[must_use]
    pub fn after_adding_day(&self, kind: SumKind, first: Option<UnixMillis>) -> Self {
        let next = first.map(|first| {
            Window::containing(WindowSpan::Day, first).start.saturating_add(WindowSpan::Day.millis())
        });
        let last = self.last_summed_day().max(self.sums_end(kind));
        self.with_sums_end(kind, next.map_or(last, |next| next.min(last)))
    }

    /// Returns the horizon before the last day that the sums of a kind have only in part, which is added anew.
    #[must_use]
    pub const fn before_partial_day(&self, kind: SumKind) -> Self {
        self.with_sums_end(kind, Window::containing(WindowSpan::Day, self.sums_end(kind)).start)
    }

    const fn last_summed_day(&self) -> UnixMillis {
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
            hours: self.hours.max(edge(retention.hour_windows_ms, WindowSpan::Day)),
            days: self.days.max(edge(retention.day_windows_ms, WindowSpan::Day)),
            ..*self
        }
    }
}

impl SumKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Pages, Self::Slices];
}

impl CrowdedDimensions {
    /// Returns the time before which a dimension has no slices.
    #[must_use]
    pub fn until(&self, dimension: &Dimension) -> UnixMillis {
        match OpenDimension::from_dimension(dimension) {
            Some(OpenDimension::Release) => self.release,
            Some(OpenDimension::Country) => self.country,
            Some(OpenDimension::Browser) => self.browser,
            Some(OpenDimension::Custom) => self.custom,
            None => UnixMillis(0),
        }
    }

    /// Notes that a dimension had too many values before that time.
    pub(crate) fn note(&mut self, dimension: OpenDimension, end: UnixMillis) {
        let until = match dimension {
            OpenDimension::Release => &mut self.release,
            OpenDimension::Country => &mut self.country,
            OpenDimension::Browser => &mut self.browser,
            OpenDimension::Custom => &mut self.custom,
        };
        *until = end.max(*until);
    }
}

impl OpenDimension {
    /// Returns `None` for a dimension whose values are few.
    pub(crate) const fn from_dimension(dimension: &Dimension) -> Option<Self> {
        match dimension {
            Dimension::Release => Some(Self::Release),
            Dimension::Country => Some(Self::Country),
            Dimension::Browser => Some(Self::Browser),
            Dimension::Custom(_) => Some(Self::Custom),
            Dimension::Route
            | Dimension::Device
            | Dimension::Navigation
            | Dimension::Cache
            | Dimension::Network
            | Dimension::BrowserFamily
            | Dimension::Os
            | Dimension::Bot
            | Dimension::Evidence => None,
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
    fn sums_grow_by_a_day_and_end_with_the_last_whole_day_without_minutes() {
        let now = UnixMillis(1_800_000_000_000);
        let horizon = Horizon::default().advanced(&Retention::default(), now);
        let day = |moment| Window::containing(WindowSpan::Day, moment).start;
        let first = now.saturating_sub(5 * WindowSpan::Day.millis());
        for kind in SumKind::ALL {
            let end_after = |first| horizon.after_adding_day(kind, first).sums_end(kind);
            assert_eq!(end_after(Some(first)), day(first).saturating_add(WindowSpan::Day.millis()));
            assert_eq!([end_after(Some(now)), end_after(None)], [day(horizon.minutes); 2]);
            assert!(!horizon.has_all_sums(kind) && horizon.after_adding_day(kind, None).has_all_sums(kind));
            assert_eq!(
                horizon.after_adding_day(kind, Some(first)),
                horizon.with_sums_end(kind, end_after(Some(first))),
                "the other kind has its own end"
            );
        }
    }

    #[test]
    fn a_horizon_of_an_earlier_release_has_no_slices() {
        let stored = r#"{"minutes":9,"hours":3,"days":1,"pages":8}"#;
        let horizon: Horizon = serde_json::from_str(stored).unwrap();
        assert_eq!((horizon.pages, horizon.slices), (UnixMillis(8), UnixMillis(0)));
        assert_eq!(
            serde_json::to_string(&horizon).unwrap(),
            r#"{"minutes":9,"hours":3,"days":1,"pages":8,"slices":0,"crowded":{"release":0,"country":0,"browser":0,"custom":0}}"#
        );
    }
}
