//! Exports to monitoring and analytics systems. Cumulative totals become metric families, which each format
//! writes; sampled views, errors and spans have their own documents. Sending is left to the shell.

mod families;
mod family;
mod gauge;
mod histogram;
mod sampled_view;
mod totals;

pub mod analytics;
pub mod config;
pub mod otlp;
pub mod prometheus;
pub mod sentry;
pub mod totals_range;
pub mod trace;

pub use gauge::Gauge;
pub use histogram::{DURATION_EDGES_MS, LAYOUT_SHIFT_EDGES};
pub use sampled_view::SampledView;
pub use totals::Totals;
