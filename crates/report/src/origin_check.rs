//! The result of the origin's own health endpoint.

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

/// The origin's last health check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OriginCheck {
    /// The host of the checked address, with its port.
    #[serde(default)]
    pub name: String,
    /// The consecutive checks that failed, this one included.
    #[serde(default)]
    pub failures: u32,
    /// `true` if the origin is healthy.
    pub is_up: bool,
    /// The HTTP status; absent without a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Milliseconds until the response or the timeout.
    #[serde(rename = "took")]
    pub response_ms: f64,
    /// The time of the check.
    #[serde(rename = "asked_at")]
    pub checked_at: UnixMillis,
    /// The origin's information about its database, unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<serde_json::Value>,
}

impl OriginCheck {
    /// Evaluates the response: a 2xx status, unless the body reports a failure in `status`. The body may follow
    /// the RFC draft `application/health+json` or have a field `database`.
    #[must_use]
    pub fn from_response(
        url: &str,
        previous: Option<&Self>,
        status: Option<u16>,
        body: &[u8],
        response_ms: f64,
        checked_at: UnixMillis,
    ) -> Self {
        let text = std::str::from_utf8(body).ok();
        let document: Option<serde_json::Value> = text.and_then(|text| serde_json::from_str(text).ok());
        let reported = document.as_ref().and_then(|body| body.get("status")?.as_str()).unwrap_or_default();
        let is_failing =
            ["fail", "error", "down", "unhealthy"].contains(&reported.to_ascii_lowercase().as_str());
        let is_up = status.is_some_and(|status| (200..300).contains(&status)) && !is_failing;
        let name = traffic::origin_name(url);
        let before =
            previous.filter(|previous| previous.name == name).map_or(0, |previous| previous.failures);
        Self {
            name: name.to_owned(),
            failures: if is_up { 0 } else { before.saturating_add(1) },
            is_up,
            status,
            response_ms,
            checked_at,
            database: document.as_ref().and_then(database_status),
        }
    }

    /// Returns the state that the checks prove; `None` after a single failure, which may be chance.
    #[must_use]
    pub const fn confirmed(&self) -> Option<bool> {
        match self.failures {
            0 => Some(true),
            1 => None,
            _ => Some(false),
        }
    }
}

/// Finds the `checks` of the draft, such as `database:connections`, or else a field such as `database`.
fn database_status(document: &serde_json::Value) -> Option<serde_json::Value> {
    let is_named = |name: &str| {
        let name = name.split(':').next().unwrap_or_default().to_ascii_lowercase();
        ["database", "db", "postgres", "postgresql", "mysql", "sqlite"].contains(&name.as_str())
    };
    let database_field = |fields: &serde_json::Value| {
        let found = fields.as_object()?.iter().find(|(name, _)| is_named(name))?;
        Some(found.1.clone())
    };
    let found = document.get("checks").and_then(database_field).or_else(|| database_field(document))?;
    // Oversized information is dropped.
    (found.to_string().len() <= MAX_DATABASE_BYTES).then_some(found)
}
const MAX_DATABASE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URL: &str = "https://shop.example/health";

    #[test]
    fn a_single_failed_check_proves_nothing() {
        let check = |url: &str, previous: Option<&OriginCheck>, status: Option<u16>| {
            OriginCheck::from_response(url, previous, status, b"", 12.0, UnixMillis(1))
        };
        let up = check(URL, None, Some(200));
        let first = check(URL, Some(&up), None);
        let second = check(URL, Some(&first), Some(500));
        let other = check("https://other.example/health", Some(&second), None);
        let again = check(URL, Some(&second), Some(204));
        let confirmed = [&up, &first, &second, &other, &again].map(OriginCheck::confirmed);
        assert_eq!(confirmed, [Some(true), None, Some(false), None, Some(true)]);
        assert_eq!((second.name.as_str(), second.failures), ("shop.example", 2));
    }

    #[track_caller]
    fn check(status: Option<u16>, body: &str, is_up: bool, database: Option<serde_json::Value>) {
        let origin = OriginCheck::from_response(URL, None, status, body.as_bytes(), 12.0, UnixMillis(1));
        assert_eq!((origin.is_up, origin.database), (is_up, database), "{body}");
    }

    #[test]
    fn origin_health_is_read_from_status_and_body() {
        check(Some(200), "", true, None);
        check(Some(204), "ok", true, None);
        check(Some(503), r#"{"status":"pass"}"#, false, None);
        check(Some(200), r#"{"status":"fail"}"#, false, None);
        check(Some(200), r#"{"status":"DOWN"}"#, false, None);
        check(Some(200), r#"{"status":"warn"}"#, true, None);
        check(None, "", false, None);
    }

    #[test]
    fn only_the_origins_database_status_is_passed_on() {
        let check_of = json!([{ "status": "pass", "observedValue": 3, "observedUnit": "ms" }]);
        let document =
            json!({ "status": "pass", "checks": { "cpu:usage": [], "database:responseTime": check_of } });
        check(Some(200), &document.to_string(), true, Some(check_of));
        check(Some(200), r#"{"database":{"status":"ok"},"secret":1}"#, true, Some(json!({ "status": "ok" })));
        let long = json!({ "database": "x".repeat(5000) });
        check(Some(200), &long.to_string(), true, None);
    }
}
