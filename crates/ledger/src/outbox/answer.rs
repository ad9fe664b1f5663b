//! What a backend's answer means for the document it answers, and for the ones behind it. When to try
//! again is the outbox's business.

use std::time::UNIX_EPOCH;

use wire::UnixMillis;

use super::Trouble;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With an answer.
    Status {
        /// Its status.
        status: u16,
        /// Its `Retry-After`, if it had one that can be read.
        retry_after: Option<RetryAfter>,
    },
    /// Without one: no connection, a reset, a time-out.
    None,
}

/// When a backend wants to be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// After so many milliseconds.
    Span(u64),
    /// At that moment by its own clock.
    At(UnixMillis),
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The backend has the document.
    Delivered,
    /// It will never take this document, and may well take the next one.
    Never(u16),
    /// It takes no document now.
    NotNow { trouble: Trouble, retry_after: Option<RetryAfter> },
}

impl Answer {
    pub(super) const fn meaning(self) -> Meaning {
        let Self::Status { status, retry_after } = self else {
            return Meaning::NotNow { trouble: Trouble::Unreachable, retry_after: None };
        };
        match status {
            200..=299 => Meaning::Delivered,
            // A time-out, a twin of this request at work, too early, too many: all pass.
            408 | 409 | 425 | 429 | 500..=599 => {
                Meaning::NotNow { trouble: Trouble::Failing(status), retry_after }
            }
            // These speak of the bytes that were sent.
            400 | 413 | 415 | 422 => Meaning::Never(status),
            // These speak of the address, the key, or whoever sits between: of every document alike.
            // To put all of them aside would turn one wrong setting into work for each window.
            _ => Meaning::NotNow { trouble: Trouble::Refusing(status), retry_after },
        }
    }
}

impl RetryAfter {
    /// Reads the header: RFC 9110 §10.2.3, seconds or a date.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Span(value.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1000)));
        }
        let since = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self::At(UnixMillis(u64::try_from(since.as_millis()).ok()?)))
    }

    /// Milliseconds from now.
    pub(super) const fn span(self, now: UnixMillis) -> u64 {
        match self {
            Self::Span(span) => span,
            Self::At(at) => at.0.saturating_sub(now.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expect: Option<RetryAfter>) {
        assert_eq!(RetryAfter::parse(value), expect, "{value:?}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let at = Some(RetryAfter::At(UnixMillis(1_445_412_480_000)));
        check("120", Some(RetryAfter::Span(120_000)));
        check(" 0 ", Some(RetryAfter::Span(0)));
        check("Wed, 21 Oct 2015 07:28:00 GMT", at);
        check("Wednesday, 21-Oct-15 07:28:00 GMT", at);
        check("Wed Oct 21 07:28:00 2015", at);
    }

    #[test]
    fn a_retry_after_that_cannot_be_read_asks_for_nothing() {
        for value in ["", "-5", "1.5", "soon", "Wed, 99 Oct 2015 07:28:00 GMT"] {
            check(value, None);
        }
        check("99999999999999999999999", Some(RetryAfter::Span(u64::MAX)));
    }

    #[test]
    fn only_what_speaks_of_the_bytes_puts_a_document_aside() {
        let never = |status: &u16| {
            matches!(Answer::Status { status: *status, retry_after: None }.meaning(), Meaning::Never(_))
        };
        assert_eq!((100..600).filter(never).collect::<Vec<_>>(), [400, 413, 415, 422]);
    }
}
