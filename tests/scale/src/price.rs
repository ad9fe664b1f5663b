//! The platform's list prices in US dollars, as read in 2026-11, per million units; storage per gigabyte-month. The
//! included volume of the plan is negligible at this scale.
//! <https://developers.cloudflare.com/workers/platform/pricing/>
//! <https://developers.cloudflare.com/durable-objects/platform/pricing/>

/// Requests to the Worker.
pub const REQUESTS: f64 = 0.30;
/// Milliseconds of processor.
pub const CPU_MS: f64 = 0.02;
/// Requests to objects, and alarms.
pub const OBJECT_REQUESTS: f64 = 0.15;
/// Gigabyte-seconds of objects that are not idle. An idle object that could hibernate is not billed, whether or not it is
/// still in memory.
pub const OBJECT_GIGABYTE_SECONDS: f64 = 12.50;
/// Rows read.
pub const ROWS_READ: f64 = 0.001;
/// Rows written; also each alarm that is set.
pub const ROWS_WRITTEN: f64 = 1.00;
/// Stored gigabyte-months.
pub const STORED_GIGABYTE_MONTH: f64 = 0.20;
/// The month in which they were read.
pub const READ_IN: &str = "2026-11";
