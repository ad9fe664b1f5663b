//! The meaning of the counts: a site's health, its bottlenecks and advice, trends, release comparisons, and
//! the documents that report them. Counting is done by `ledger`, verdicts by `budget`; queries and sending
//! are left to the shells.

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
