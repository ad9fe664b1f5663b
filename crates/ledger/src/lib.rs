//! What the aggregate knows: views as they were told, and the cells they are counted in. Nothing in
//! here stores, waits or asks the time: a shell loads rows, calls [`fold`] or [`roll`], and stores
//! what comes back.
//!
//! A view is told by beacons, each of which carries the whole view again. The journal keeps the
//! latest one for each view, so that duplicates, resends and reordering change nothing. Folding takes
//! what was counted of a view out of its cell and puts what was told in, so that a correction moves a
//! count and never adds one.

mod budget_history;
mod cardinality;
pub mod causes;
mod cell;
mod cell_key;
mod fold;
mod folded_view;
mod horizon;
mod labels;
mod limit_counts;
pub mod live;
mod minute_rollup;
mod page;
mod page_rollup;
mod query;
mod query_plan;
mod record;
mod route_template;

pub use budget_history::{BudgetHistory, BudgetSource, BudgetVersion, RejectedBudgetFile};
pub use cardinality::{CardinalityGuard, CardinalityLimits, FrequentRoutes, RollupPlacement};
pub use cell::{Cell, MetricCell};
pub use cell_key::CellKey;
pub use fold::{CellEffect, cells_to_load, fold, roll_up};
pub use folded_view::{FoldedView, UnfoldedView};
pub use horizon::{Horizon, Retention};
pub use labels::{LabelGranularity, SeriesLabels};
pub use limit_counts::{HourlyLimitCounts, LimitHistory};
pub use minute_rollup::MinuteRollup;
pub use page::{PageKey, PageLabels};
pub use page_rollup::{PageDeltas, PageEffect};
pub use query::{BotFilter, Dimension, Group, QueryResult, SeriesQuery, lookback_start};
pub use query_plan::{BlockRange, DayRange, QueryPlan};
pub use record::{ClientInfo, MetricLimits, ViewRecord, report_key, view_key};
pub use route_template::{RouteTemplates, derive_template};
