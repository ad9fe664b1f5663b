//! The meaning of the counts: a site's health, its bottlenecks and advice, trends, release comparisons, and
//! the documents that report them. Counting is done by `ledger`, verdicts by `budget`; queries and sending
//! are left to the shells.

pub mod advice;
mod alert_bounds;
pub mod anomaly;
pub mod backend_queries;
pub mod beacon_verdicts;
pub mod bottleneck;
pub mod budget_badge;
pub mod budget_report;
pub mod budget_watch;
mod burn_counts;
pub mod cause_report;
mod edge_health;
pub mod endpoint_findings;
pub mod health;
pub mod health_document;
pub mod health_inputs;
mod health_status;
pub mod hourly_range;
pub mod network_evidence;
pub mod operations;
pub mod origin_check;
pub mod origin_evidence;
pub mod page_evidence;
pub mod partial_read;
pub mod performance_document;
pub mod performance_report;
pub mod public_answers;
pub mod push_document;
pub mod pushed_window;
pub mod query_csv;
pub mod query_parameters;
pub mod query_response;
pub mod release;
pub mod request_report;
mod signal_score;
pub mod signals;
pub mod stats_format;
pub mod status_history;
pub mod time_format;
pub mod trend;
pub mod uptime;
pub mod window_document;
