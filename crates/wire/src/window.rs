//! Windows of time in UTC: minutes, hours and days. The ledger decides which span a moment has at its age.

use serde::{Deserialize, Serialize};

use crate::UnixMillis;

/// The span of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WindowSpan {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours of UTC.
    Day,
}

/// A window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The span.
    pub span: WindowSpan,
    /// Its first millisecond.
    pub start: UnixMillis,
}

impl WindowSpan {
    /// Every span, shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Returns the span in milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// Returns the stored code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Minute => 0,
            Self::Hour => 1,
            Self::Day => 2,
        }
    }

    /// Returns the span of a stored code.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|span| i64::from(span.code()) == code)
    }
}

impl Window {
    /// Returns the window of a span that contains the moment.
    #[must_use]
    pub const fn containing(span: WindowSpan, moment: UnixMillis) -> Self {
        Self { span, start: UnixMillis(moment.0 - moment.0 % span.millis()) }
    }
}
