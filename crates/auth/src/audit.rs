//! The audit log: who made which management call, when, from which network, and with what outcome.

use serde::{Deserialize, Serialize};
use wire::{ApiError, UnixMillis};

/// The version of the document and of a stored entry.
pub const VERSION: u8 = 1;

/// A management call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditEntry {
    /// The version of the entry.
    pub v: u8,
    /// The time of the call.
    pub at: UnixMillis,
    /// The name of the token.
    pub by: String,
    /// The path.
    pub call: String,
    /// The beginning of the body.
    pub detail: String,
    /// The client's network: an IPv4 address, or the /64 of an IPv6 address.
    pub network: String,
    /// The HTTP status of the answer.
    pub status: u16,
}

/// An entry with its number, by which a page of the log continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NumberedEntry {
    /// The number, which grows with each call.
    pub number: u64,
    /// The call.
    #[serde(flatten)]
    pub entry: AuditEntry,
}

/// A page of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditReport {
    /// The version of the document.
    pub v: u8,
    /// The site; `*` for the cache of the deployment.
    pub site: String,
    /// The newest first.
    pub calls: Vec<NumberedEntry>,
    /// The `before` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// The formats of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFormat {
    /// One document.
    Json,
    /// An entry on each line.
    Ndjson,
    /// A table (RFC 4180).
    Csv,
}

/// A page of the log as a request asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// Only entries with lower numbers.
    pub before: Option<u64>,
    /// The maximum number of entries.
    pub limit: usize,
    /// The format.
    pub format: AuditFormat,
}

impl AuditEntry {
    /// Makes an entry. Texts of the caller are cut to their bounds.
    #[must_use]
    pub fn new(at: UnixMillis, by: &str, call: &str, detail: &str, network: &str, status: u16) -> Self {
        let cut = |text: &str, max| text.chars().take(max).collect();
        Self {
            v: VERSION,
            at,
            by: cut(by, 64),
            call: cut(call, 64),
            detail: cut(detail, MAX_DETAIL_LENGTH),
            network: cut(network, 64),
            status,
        }
    }
}

impl AuditPage {
    /// Parses the parameters `before`, `limit` and `format`.
    ///
    /// # Errors
    /// Names the parameter and its valid values.
    pub fn from_parameters<'p>(get: impl Fn(&str) -> Option<&'p str>) -> Result<Self, ApiError> {
        let before = match get("before") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| ApiError::BadQuery {
                name: "before",
                expected: "a whole number, the `next` of the page before",
            })?),
        };
        let want = ApiError::BadQuery { name: "limit", expected: "a whole number from 1 to 1000" };
        let limit =
            get("limit").map_or(Ok(100), str::parse).ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
        let format = match get("format") {
            None | Some("json") => AuditFormat::Json,
            Some("ndjson") => AuditFormat::Ndjson,
            Some("csv") => AuditFormat::Csv,
            Some(_) => return Err(ApiError::BadQuery { name: "format", expected: "json, ndjson or csv" }),
        };
        Ok(Self { before, limit: limit.ok_or(want)?, format })
    }

    /// Makes the document of entries, of which one more than the limit was read.
    #[must_use]
    pub fn report(&self, site: String, mut calls: Vec<NumberedEntry>) -> AuditReport {
        let has_more = calls.len() > self.limit;
        calls.truncate(self.limit);
        let next = calls.last().map(|last| last.number).filter(|_| has_more);
        AuditReport { v: VERSION, site, calls, next }
    }
}

impl AuditReport {
    /// Writes the entries as lines of JSON.
    ///
    /// # Errors
    /// Never for entries of this crate.
    pub fn to_ndjson(&self) -> Result<String, serde_json::Error> {
        let lines: Result<Vec<String>, _> =
            self.calls.iter().map(|call| Ok(serde_json::to_string(call)? + "\n")).collect();
        Ok(lines?.concat())
    }

    /// Writes the entries as CSV (RFC 4180) under a header. A cell that a spreadsheet would take for a formula begins
    /// with an apostrophe.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let row = |NumberedEntry { number, entry }: &NumberedEntry| {
            let AuditEntry { at, by, call, detail, network, status, .. } = entry;
            let texts = [by, call, detail, network].map(|text| csv_text(text)).join(",");
            format!("{number},{},{texts},{status}\r\n", at.0)
        };
        let rows: String = self.calls.iter().map(row).collect();
        format!("number,at,by,call,detail,network,status\r\n{rows}")
    }
}

/// Writes a text (OWASP, CSV Injection).
fn csv_text(text: &str) -> String {
    let apostrophe = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
}

/// The characters of a body in an entry.
pub const MAX_DETAIL_LENGTH: usize = 500;
/// The entries that a site keeps; the oldest make room.
pub const MAX_ENTRIES: u64 = 10_000;
const MAX_PAGE: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, detail: &str) -> NumberedEntry {
        let at = UnixMillis(1_800_000_000_000 + number);
        NumberedEntry {
            number,
            entry: AuditEntry::new(at, "ci", "/api/push/retry", detail, "192.0.2.1", 200),
        }
    }

    fn page(limit: usize) -> AuditPage {
        AuditPage { before: None, limit, format: AuditFormat::Json }
    }

    #[test]
    fn an_entry_is_stored_under_these_names() {
        assert_eq!(
            serde_json::to_string(&entry(7, "{}")).expect("JSON"),
            r#"{"number":7,"v":1,"at":1800000000007,"by":"ci","call":"/api/push/retry","detail":"{}","network":"192.0.2.1","status":200}"#
        );
    }

    #[test]
    fn a_body_is_cut_at_a_character() {
        assert_eq!(entry(1, &"é".repeat(9000)).entry.detail.chars().count(), MAX_DETAIL_LENGTH);
    }

    #[test]
    fn a_page_names_the_next_one_unless_it_is_the_last() {
        let calls = [9, 7, 4].map(|number| entry(number, "")).to_vec();
        let next = |limit| page(limit).report("shop".into(), calls.clone()).next;
        assert_eq!([next(1), next(2), next(3), next(4)], [Some(9), Some(7), None, None]);
    }

    #[test]
    fn exports_have_each_call_and_no_formula() {
        let report = page(10).report("shop".into(), vec![entry(2, "=1+1"), entry(1, "a \"b\",\nc")]);
        let ndjson = report.to_ndjson().expect("NDJSON");
        let read: Vec<NumberedEntry> =
            ndjson.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
        assert_eq!(read, report.calls);
        assert_eq!(
            report.to_csv(),
            "number,at,by,call,detail,network,status\r\n\
             2,1800000000002,\"ci\",\"/api/push/retry\",\"'=1+1\",\"192.0.2.1\",200\r\n\
             1,1800000000001,\"ci\",\"/api/push/retry\",\"a \"\"b\"\",\nc\",\"192.0.2.1\",200\r\n"
        );
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        let read = |name: &'static str, value: &'static str| {
            AuditPage::from_parameters(|asked| (asked == name).then_some(value))
        };
        for (name, value) in [("before", "-1"), ("limit", "0"), ("limit", "1001"), ("format", "xml")] {
            assert_eq!(read(name, value).expect_err(value).field(), Some(name));
        }
        assert_eq!(read("", ""), Ok(page(100)));
        let csv = AuditPage { format: AuditFormat::Csv, ..page(100) };
        assert_eq!(read("format", "csv"), Ok(csv));
    }
}
