//! View records and their aggregates. The shell loads rows, calls [`fold`] or [`roll_up`], and stores the
//! effects; this crate neither stores nor reads a clock.
//!
//! Each beacon of a view carries the whole view. The [`journal`] merges the beacons of each view, so that
//! duplicates, resends and reordering change nothing. Folding removes the previous record of a view from its
//! cell and adds the latest one, so that a correction moves a count and never adds one.

mod budget_history;
mod cardinality;
pub mod causes;
mod cell;
mod cell_key;
mod cell_pack;
mod day_quota;
mod day_sums;
mod dimension;
mod fold;
mod folded_view;
mod horizon;
pub mod journal;
mod journal_row;
mod labels;
mod limit_counts;
mod listeners;
pub mod live;
mod network_counts;
mod network_history;
mod network_limiter;
mod query;
mod query_cost;
mod query_plan;
mod read_limiter;
mod recent_rollup;
mod record;
mod rejection_counts;
mod route_label;
mod route_template;
mod sampling;
mod shard_layout;
mod sum_key;
mod sum_rollup;
mod token_claims;
mod turns;

pub use budget_history::{BudgetHistory, BudgetSource, BudgetVersion, RejectedBudgetFile};
pub use cardinality::{CardinalityGuard, CardinalityLimits, FrequentRoutes, RollupPlacement};
pub use cell::{Cell, MetricCell};
pub use cell_key::CellKey;
pub use cell_pack::{CellPlace, OpenPacks, PackWrite, PackedCell};
pub use day_quota::{DayQuota, quota_retry_after, quota_share};
pub use day_sums::{DaySums, MAX_SLICE_VALUES};
pub use dimension::Dimension;
pub use fold::{CellEffect, cells_to_load, fold, roll_up};
pub use folded_view::{FoldedView, UnfoldedView};
pub use horizon::{CrowdedDimensions, Horizon, Retention, SumKind};
pub use journal_row::{JournalRow, VIEW_SETTLED_AFTER_MS};
pub use labels::{LabelGranularity, SeriesLabels};
pub use limit_counts::{HourlyLimitCounts, LimitHistory};
pub use listeners::{Listener, ListenerAdmission, admit_listener};
pub use network_counts::{NetworkCounts, TOP_NETWORKS};
pub use network_history::NetworkHistory;
pub use network_limiter::NetworkLimiter;
pub use query::{
    BotFilter, Group, NavigationFilter, QueryResult, ResultEncoder, SeriesQuery, lookback_start,
};
pub use query_cost::MAX_PUBLIC_ROWS;
pub use query_plan::{BlockRange, DayRange, QueryPlan, SumRange};
pub use read_limiter::{ReadAdmission, ReadLimiter};
pub use recent_rollup::{RecentRollup, RecentRollups};
pub use record::{ClientInfo, MetricLimits, ViewRecord, report_key, view_key};
pub use rejection_counts::{RejectionCounts, UNKNOWN_SITE};
pub use route_template::{RouteTemplates, derive_template};
pub use sampling::{SamplingRates, UNKNOWN_WEIGHT};
pub use shard_layout::{SHARD_COUNT_HELP, ShardLayout, shard_name};
pub use sum_key::{PageLabels, SliceLabels, SumKey, SumSeries, SumSource};
pub use sum_rollup::{SumDeltas, SumEffect};
pub use token_claims::TokenClaims;
pub use turns::{TurnId, TurnKind, TurnState, Turns};
