//! What the aggregate knows: views as they were told, and the cells they are counted in. Nothing in
//! here stores, waits or asks the time: a shell loads rows, calls [`fold`] or [`roll`], and stores
//! what comes back.
//!
//! A view is told by beacons, each of which carries the whole view again. The journal keeps the
//! latest one for each view, so that duplicates, resends and reordering change nothing. Folding takes
//! what was counted of a view out of its cell and puts what was told in, so that a correction moves a
//! count and never adds one.

mod budget_history;
pub mod cache_report;
mod cardinality;
pub mod causes;
mod cell;
mod fold;
mod journal_row;
mod limit_counts;
pub mod live;
mod minute_rollup;
pub mod outbox;
mod page_rollup;
mod query;
mod record;
mod rejection_counts;
mod route_template;
mod shard_layout;
pub mod traffic;
mod traffic_buffer;
mod window;

pub use budget_history::{BudgetHistory, BudgetSource, BudgetVersion, RejectedBudgetFile};
pub use cardinality::{
    CardinalityGuard, CardinalityLimits, LabelGranularity, OTHER_LABEL, RollupPlacement, SpaceSaving,
};
pub use cell::{Cell, CodecError, LimitCounts, MetricCell};
pub use fold::{CellEffect, CellKey, FoldedView, MetricLimits, UnfoldedView, cells_to_load, fold, roll_up};
pub use journal_row::{JournalRow, VIEW_SETTLED_AFTER_MS, has_late_rows};
pub use limit_counts::{HourlyLimitCounts, LimitHistory};
pub use minute_rollup::MinuteRollup;
pub use page_rollup::{BlockRange, DayRange, PageDeltas, PageEffect, PageKey, PageLabels, QueryPlan};
pub use query::{BotFilter, Dimension, Group, QueryResult, SeriesQuery, lookback_start};
pub use record::{ClientInfo, SeriesLabels, ViewRecord, report_key, view_key};
pub use rejection_counts::{RejectionCounts, UNKNOWN_SITE};
pub use route_template::{RouteTemplates, derive_template};
pub use shard_layout::{ShardLayout, shard_name};
pub use traffic_buffer::{BatchHeader, TrafficBatch, TrafficBuffer};
pub use window::{Horizon, Retention, Window, WindowSpan};
