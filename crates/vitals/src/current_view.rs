//! The current view, and the rule that joins the two reports of one navigation: the application's
//! declaration, when it has rendered, and the browser's soft-navigation entry, after the first paint. They
//! come in either order, and each may come alone. The shell holds entries that started after a declaration
//! until the declared view has begun, so that each value belongs to the view in which it started.

/// The current view of a page.
#[derive(Debug)]
#[repr(C)]
pub struct CurrentView {
    start: f64,
    /// The page's number of interactions when the view began.
    count_at_start: f64,
    state: ReportState,
}

/// The reports of a view's navigation that may still come, with its number in calls from JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ReportState {
    /// None: a page load, a restore, or a navigation with both of its reports.
    Complete = 0,
    /// The application declared the view, and the browser may report it.
    Declared = 1,
    /// The view begins with a report of the browser, which is to be repeated now.
    Reported = 2,
    /// The browser reported the view, and the application may name it.
    Unnamed = 3,
}

/// The meaning of a soft-navigation entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoftNavigation {
    /// The entry is of the current view.
    Current,
    /// The entry is of a view that has not begun: the declared one that waits, if any. Once it has begun, the
    /// entry is reported again.
    New,
    /// The entry is of a view that another one has followed.
    Stale,
}

impl ReportState {
    /// The states in which a view may begin, in the order of their numbers.
    pub const INITIAL: [Self; 3] = [Self::Complete, Self::Declared, Self::Reported];

    /// Returns the initial state with this number.
    #[inline(always)]
    #[must_use]
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Complete,
            1 => Self::Declared,
            _ => Self::Reported,
        }
    }
}

impl CurrentView {
    pub(crate) const PAGE_LOAD: Self = Self { start: 0.0, count_at_start: 0.0, state: ReportState::Complete };

    /// Start of the view: of its declaration, or else of the interaction that led to it.
    #[inline(always)]
    pub(crate) fn start(&self) -> f64 {
        self.start
    }

    /// Begins another view. `count` is the page's number of interactions so far.
    #[inline(always)]
    pub fn begin(&mut self, start: f64, state: ReportState, count: f64) {
        *self = Self { start, count_at_start: count, state };
    }

    /// Returns true if a declaration only names the current view, which the browser has reported before.
    /// `is_current` compares the addresses. Otherwise a view begins, as soon as the browser reports it or
    /// the shell waits no longer.
    #[inline(always)]
    pub fn declare(&mut self, is_current: bool, count: f64) -> bool {
        let names = self.state == ReportState::Unnamed && is_current && count == self.count_at_start;
        if names {
            self.state = ReportState::Complete;
        }
        names
    }

    /// Returns the meaning of a soft-navigation entry with this start and address: the address of the
    /// current view, or that of the declaration that waits, or neither. An entry has the first address of
    /// its navigation, so after a redirect only the times tell to which view it belongs.
    #[inline(always)]
    pub fn report(&mut self, start: f64, is_current: bool, is_pending: bool) -> SoftNavigation {
        let is_past = start <= self.start;
        if is_current && is_past && matches!(self.state, ReportState::Declared | ReportState::Reported) {
            self.state = match self.state {
                ReportState::Reported => ReportState::Unnamed,
                _ => ReportState::Complete,
            };
            SoftNavigation::Current
        } else if is_pending || !is_past {
            SoftNavigation::New
        } else {
            SoftNavigation::Stale
        }
    }
}

impl SoftNavigation {
    /// The answer to JavaScript: not a number for a stale entry.
    #[inline(always)]
    #[must_use]
    pub const fn code(self) -> Option<u8> {
        match self {
            Self::Current => Some(0),
            Self::New => Some(1),
            Self::Stale => None,
        }
    }
}
