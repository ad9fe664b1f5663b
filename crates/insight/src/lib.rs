//! What the counts mean to people: how healthy a site is, what to wake somebody for, where visitors
//! lose time and what would help. Counting is the ledger's business and judging a budget the
//! budget's; this lays their answers side by side, and writes the documents that others read.
//! Sending these, and asking the time, are left to the shells.

pub mod advice;
pub mod alert;
pub mod alert_document;
pub mod alert_inputs;
pub mod alert_requests;
pub mod alert_rules;
pub mod anomaly;
pub mod backend_queries;
pub mod beacon_verdicts;
pub mod bottleneck;
pub mod budget_badge;
pub mod budget_observations;
pub mod budget_report;
pub mod budget_watch;
pub mod cause_report;
pub mod channel;
pub mod export;
pub mod health;
pub mod health_document;
pub mod health_inputs;
pub mod hourly_range;
pub mod notification;
pub mod page_evidence;
pub mod performance_report;
pub mod pushed_window;
pub mod query_csv;
pub mod query_parameters;
pub mod query_response;
pub mod release;
pub mod stats_format;
pub mod status_history;
pub mod time_format;
pub mod trend;
pub mod window_document;
