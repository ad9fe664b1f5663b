//! What goes out to where people look already. Totals that only grow, made into families of samples
//! once; each format writes the same families. Sampled views and errors have documents of their own.
//! Asking, sending and secrets are the shells'.

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
pub mod trace;

pub use gauge::Gauge;
pub use histogram::{DURATION_EDGES_MS, LAYOUT_SHIFT_EDGES};
pub use sampled_view::SampledView;
pub use totals::Totals;
