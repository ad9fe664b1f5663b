//! The meaning of a backend's response for the document that was sent, and for the queue behind it. The queue
//! decides when to retry.

use std::time::UNIX_EPOCH;

use wire::UnixMillis;

use crate::state::DeliveryError;

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// A response.
    Response {
        /// Its status.
        status: u16,
        /// Its `Retry-After`, if present and valid.
        retry_after: Option<RetryAfter>,
    },
    /// No response: connection refused or reset, or a timeout.
    NoResponse,
}

/// A parsed `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// A delay in milliseconds.
    Delay(u64),
    /// A time on the backend's clock.
    At(UnixMillis),
}

/// The consequence of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// The backend has the document.
    Delivered,
    /// The backend will never accept this document, but may accept the next one.
    Rejected(u16),
    /// The backend accepts no documents at present.
    RetryLater { error: DeliveryError, retry_after: Option<RetryAfter> },
}

impl AttemptOutcome {
    pub(crate) const fn disposition(self) -> Disposition {
        let Self::Response { status, retry_after } = self else {
            return Disposition::RetryLater { error: DeliveryError::Unreachable, retry_after: None };
        };
        match status {
            200..=299 => Disposition::Delivered,
            // Timeout, concurrent duplicate, too early, too many requests: all are temporary.
            408 | 409 | 425 | 429 | 500..=599 => {
                Disposition::RetryLater { error: DeliveryError::Failing(status), retry_after }
            }
            // These concern the bytes that were sent.
            400 | 413 | 415 | 422 => Disposition::Rejected(status),
            // These concern the URL, the key or a proxy, and thus every document. Dead-lettering all of them
            // would turn one wrong setting into manual work for each window.
            _ => Disposition::RetryLater { error: DeliveryError::Refusing(status), retry_after },
        }
    }
}

impl RetryAfter {
    /// Parses the header: seconds or a date (RFC 9110 §10.2.3).
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Delay(value.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1000)));
        }
        let since = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self::At(UnixMillis(u64::try_from(since.as_millis()).ok()?)))
    }

    /// Returns the delay from `now` in milliseconds.
    pub(crate) const fn delay_ms(self, now: UnixMillis) -> u64 {
        match self {
            Self::Delay(span) => span,
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
        check("120", Some(RetryAfter::Delay(120_000)));
        check(" 0 ", Some(RetryAfter::Delay(0)));
        check("Wed, 21 Oct 2015 07:28:00 GMT", at);
        check("Wednesday, 21-Oct-15 07:28:00 GMT", at);
        check("Wed Oct 21 07:28:00 2015", at);
    }

    #[test]
    fn an_unparsable_retry_after_is_ignored() {
        for value in ["", "-5", "1.5", "soon", "Wed, 99 Oct 2015 07:28:00 GMT"] {
            check(value, None);
        }
        check("99999999999999999999999", Some(RetryAfter::Delay(u64::MAX)));
    }

    #[test]
    fn only_errors_about_the_body_reject_a_document() {
        let never = |status: &u16| {
            matches!(
                AttemptOutcome::Response { status: *status, retry_after: None }.disposition(),
                Disposition::Rejected(_)
            )
        };
        assert_eq!((100..600).filter(never).collect::<Vec<_>>(), [400, 413, 415, 422]);
    }
}
