//! Windows of time in UTC: minutes, hours and days. Which of them holds a moment once time has passed is the
//! ledger's to say.

use serde::{Deserialize, Serialize};

use crate::UnixMillis;

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WindowSpan {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours of UTC.
    Day,
}

/// A window: where it starts, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// Its length.
    pub span: WindowSpan,
    /// Its first millisecond.
    pub start: UnixMillis,
}

impl WindowSpan {
    /// Every span, shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// The number under which it is stored.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Minute => 0,
            Self::Hour => 1,
            Self::Day => 2,
        }
    }

    /// The span of a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|span| i64::from(span.code()) == code)
    }
}

impl Window {
    /// The window of a span that holds the moment.
    #[must_use]
    pub const fn containing(span: WindowSpan, moment: UnixMillis) -> Self {
        Self { span, start: UnixMillis(moment.0 - moment.0 % span.millis()) }
    }
}
