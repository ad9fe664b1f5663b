//! What the counts mean to people: how healthy a site is, what to wake somebody for, where visitors
//! lose time and what would help. Counting is the ledger's business and judging a budget the
//! budget's; this lays their answers side by side, and writes the documents that others read.
//! Sending these, and asking the time, are left to the shells.

pub mod advice;
pub mod anomaly;
pub mod backend_queries;
pub mod bottleneck;
pub mod health;
pub mod health_document;
pub mod operations;
pub mod origin_check;
pub mod page_evidence;
pub mod performance_document;
pub mod push_document;
pub mod release;
pub mod request_report;
pub mod signals;
pub mod stats_format;
pub mod status_history;
pub mod time_format;
pub mod trend;
pub mod window_document;
