//! Requests to an origin by their result, whoever caused them: visitors, revalidations in the background, or repeated
//! requests. A response from the cache hides a failing origin; these counts do not.

/// Requests to one origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginStats {
    /// All requests.
    pub requests: u64,
    /// Requests that ended without a response, in time or at all.
    pub unreachable: u64,
    /// Responses with a 5xx status.
    pub server_errors: u64,
}

/// The result of one request to an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginOutcome {
    /// A response with another status than 5xx.
    Responded,
    /// A response with a 5xx status.
    ServerError,
    /// No response.
    Unreachable,
}

impl OriginOutcome {
    /// Returns the result of a response.
    #[must_use]
    pub const fn from_status(status: u16) -> Self {
        if status >= 500 { Self::ServerError } else { Self::Responded }
    }
}

impl OriginStats {
    /// Counts a request.
    pub const fn add(&mut self, outcome: OriginOutcome) {
        self.requests = self.requests.saturating_add(1);
        match outcome {
            OriginOutcome::Responded => {}
            OriginOutcome::ServerError => self.server_errors = self.server_errors.saturating_add(1),
            OriginOutcome::Unreachable => self.unreachable = self.unreachable.saturating_add(1),
        }
    }

    /// Adds other requests to the same origin.
    pub const fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.unreachable = self.unreachable.saturating_add(other.unreachable);
        self.server_errors = self.server_errors.saturating_add(other.server_errors);
    }

    /// Returns the number of requests that failed.
    #[must_use]
    pub const fn failures(&self) -> u64 {
        self.unreachable.saturating_add(self.server_errors)
    }
}

/// Returns the name under which an origin is counted: its address without scheme, user, path and query.
#[must_use]
pub fn origin_name(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_a_5xx_or_no_response() {
        let mut stats = OriginStats::default();
        for outcome in [200, 304, 404, 429, 500, 503].map(OriginOutcome::from_status) {
            stats.add(outcome);
        }
        stats.add(OriginOutcome::Unreachable);
        let mut twice = stats;
        twice.merge(&stats);
        assert_eq!((stats.requests, stats.failures(), twice.requests, twice.failures()), (7, 3, 14, 6));
    }

    #[test]
    fn an_origin_is_named_by_its_authority() {
        for (url, name) in [
            ("https://shop.example", "shop.example"),
            ("http://127.0.0.1:8080/health?deep=1", "127.0.0.1:8080"),
            ("https://user:secret@shop.example/x@y", "shop.example"),
            ("shop.example", "shop.example"),
        ] {
            assert_eq!(origin_name(url), name, "{url}");
        }
    }
}
