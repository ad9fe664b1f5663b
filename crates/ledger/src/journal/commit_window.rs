//! The time for which the rows of a commit are collected. A commit is a written row, and the platform bills it. While
//! beacons are few, a longer wait would collect nothing; while they are many, and nobody waits for a response, it saves
//! most rows.

use wire::UnixMillis;

/// The recent arrivals of rows.
#[derive(Clone, Copy, Debug)]
pub struct CommitWindow {
    /// The rows of the last moments, each of which counts less as time passes.
    recent: f64,
    last_at: UnixMillis,
    /// The end of the last long window, and the rows that joined it after its first.
    ends_at: UnixMillis,
    joined: u32,
    /// The average of the latter: a sender that awaits each of its responses never joins its own.
    usual: f64,
    /// Short windows since the last long one.
    short: u32,
}

impl CommitWindow {
    /// Notes rows that arrived, and returns the milliseconds after which a commit that begins with them is written.
    pub fn delay_ms(&mut self, rows: usize, is_awaited: bool, now: UnixMillis) -> u32 {
        let passed = now.saturating_sub(self.last_at.0).0 as f64;
        self.last_at = now;
        self.recent = self.recent.mul_add((-passed / MEMORY_MS).exp(), rows as f64);
        if is_awaited {
            return IDLE_DELAY_MS;
        }
        // A clock that was set back keeps no window open.
        if (1..=BUSY_DELAY_MS.into()).contains(&self.ends_at.saturating_sub(now.0).0) {
            self.joined = self.joined.saturating_add(1);
            return BUSY_DELAY_MS;
        }
        if self.ends_at > UnixMillis(0) {
            self.usual = self.usual.mul_add(0.8, 0.2 * f64::from(self.joined));
            (self.joined, self.ends_at) = (0, UnixMillis(0));
        }
        let is_worth_it = self.usual >= MIN_JOINED || self.short >= MAX_SHORT_WINDOWS;
        if self.recent < BUSY_ROWS || !is_worth_it {
            self.short = self.short.saturating_add(1);
            return IDLE_DELAY_MS;
        }
        (self.short, self.ends_at) = (0, now.saturating_add(BUSY_DELAY_MS.into()));
        BUSY_DELAY_MS
    }
}

impl Default for CommitWindow {
    fn default() -> Self {
        let (recent, last_at, ends_at, joined, short) = Default::default();
        Self { recent, last_at, ends_at, joined, usual: 1.0, short }
    }
}

/// The shortest wait, and the longest for a response that somebody waits for.
const IDLE_DELAY_MS: u32 = 2;
/// A page that is hidden or left does not notice it.
const BUSY_DELAY_MS: u32 = 50;
const MEMORY_MS: f64 = 1_000.0;
/// With ten rows a second, every other long window saves a row.
const BUSY_ROWS: f64 = 10.0;
/// If fewer rows join, one window in some is long, to find out.
const MIN_JOINED: f64 = 0.25;
const MAX_SHORT_WINDOWS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMillis = UnixMillis(1_800_000_000_000);

    /// Returns the rows and the commits of rows at regular intervals.
    fn commits(rows: u64, interval_ms: u64) -> u64 {
        let (mut window, mut commits, mut open_until) = (CommitWindow::default(), 0, UnixMillis(0));
        for row in 0..rows {
            let now = START.saturating_add(row * interval_ms);
            let delay = window.delay_ms(1, false, now);
            if now >= open_until {
                (commits, open_until) = (commits + 1, now.saturating_add(delay.into()));
            }
        }
        commits
    }

    #[test]
    fn a_commit_waits_for_more_rows_while_they_are_many() {
        assert_eq!([commits(100, 1_000), commits(100, 200)], [100; 2], "each alone");
        assert!(commits(1_000, 20) < 400, "fifty a second: {}", commits(1_000, 20));
        assert!(commits(10_000, 2) < 450, "five hundred a second: {}", commits(10_000, 2));
    }

    #[test]
    fn a_response_that_somebody_waits_for_does_not_wait_for_more_rows() {
        let mut window = CommitWindow::default();
        assert_eq!(window.delay_ms(500, true, START), IDLE_DELAY_MS);
        assert_eq!(window.delay_ms(1, false, START), BUSY_DELAY_MS);
        assert_eq!(window.delay_ms(1, true, START.saturating_add(1)), IDLE_DELAY_MS);
        assert_eq!(
            window.delay_ms(1, false, START.saturating_add(20_000)),
            IDLE_DELAY_MS,
            "it was idle since"
        );
        assert_eq!(window.delay_ms(1, false, UnixMillis(5)), IDLE_DELAY_MS, "a clock that was set back");
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_no_window_open() {
        let mut window = CommitWindow::default();
        assert_eq!(window.delay_ms(500, true, START), IDLE_DELAY_MS);
        assert_eq!(window.delay_ms(1, false, START), BUSY_DELAY_MS);
        let day_before = START.saturating_sub(24 * 60 * 60 * 1000);
        let mut alone = (1..20).map(|row| window.delay_ms(1, false, day_before.saturating_add(row * 20_000)));
        alone.next();
        assert!(alone.all(|delay| delay == IDLE_DELAY_MS));
    }

    #[test]
    fn a_sender_that_awaits_its_responses_seldom_waits_long() {
        let (mut window, mut now, mut long) = (CommitWindow::default(), START, 0);
        for _ in 0..200 {
            let delay = window.delay_ms(1, false, now);
            long += u32::from(delay == BUSY_DELAY_MS);
            now = now.saturating_add(u64::from(delay) + 1);
        }
        assert!(long < 30, "{long} of 200");
    }
}
