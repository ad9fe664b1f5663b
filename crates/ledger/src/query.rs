//! Queries of cells by labels and time. Results are grouped, and merge over shards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::beacon::Navigation;
use wire::sorting::CollectOrdered;
use wire::{CodecError, Device, LimitCounts, Metric, UnixMillis, Window, WindowSpan};

use crate::budget_history::BudgetHistory;
use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::dimension::Dimension;
use crate::labels::SeriesLabels;
use crate::sum_key::{SliceLabels, SumKey, SumSeries};

/// A query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesQuery {
    /// The start of the range, extended to the start of the window that contains it.
    pub from: UnixMillis,
    /// The exclusive end of the range.
    pub to: UnixMillis,
    /// The treatment of bots, which are excluded by default.
    #[serde(default)]
    pub bots: BotFilter,
    /// The navigations of views; those within a document are left out by default.
    #[serde(default)]
    pub navigations: NavigationFilter,
    /// The required values of series.
    #[serde(default)]
    pub only: Vec<(Dimension, String)>,
    /// The dimensions to group by.
    #[serde(default)]
    pub by: Vec<Dimension>,
    /// The span of time to group by; `None` for the whole range.
    #[serde(default)]
    pub step: Option<WindowSpan>,
}

/// A filter of visitors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BotFilter {
    /// Visitors without bots.
    #[default]
    Exclude,
    /// All visitors.
    Include,
    /// Bots.
    Only,
}

/// A filter of navigations. A query that filters or groups by the type of navigation includes every type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NavigationFilter {
    /// Loads and restores of documents, as in the Chrome UX Report: navigations within a document have no first byte,
    /// and their paints begin with an interaction.
    #[default]
    Hard,
    /// Navigations within documents: soft navigations and declared views.
    Soft,
    /// All navigations.
    All,
}

/// The key of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    /// The value of each dimension of the query; `None` if the series has none.
    pub values: Vec<Option<String>>,
    /// The start of its time span, if the query has a step.
    pub at: Option<UnixMillis>,
}

/// The result of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryResult {
    /// The cells, merged by group.
    pub cells: BTreeMap<Group, Cell>,
    /// The time of the last beacon.
    pub last_beacon_at: Option<UnixMillis>,
    /// Rejected requests by reason.
    pub rejections: BTreeMap<String, u64>,
    /// The budgets in effect.
    pub budget_history: BudgetHistory,
}

/// The encoding of a result, some cells at a time.
#[derive(Debug)]
pub struct ResultEncoder {
    /// The cells that are not encoded yet are in `result`.
    result: QueryResult,
    cells: Vec<(Group, Vec<u8>)>,
}

/// Returns the start of the last `millis` before `to`. A range of a week or more starts with a day, so that it is
/// read from whole days at a cost independent of the number of visits.
#[must_use]
pub const fn lookback_start(to: UnixMillis, millis: u64) -> UnixMillis {
    let from = to.saturating_sub(millis);
    if millis < 7 * WindowSpan::Day.millis() { from } else { Window::containing(WindowSpan::Day, from).start }
}

impl SeriesQuery {
    /// Returns true if the query includes the series.
    #[must_use]
    pub fn accepts(&self, labels: &SeriesLabels) -> bool {
        let is_accepted = match self.bots {
            BotFilter::Exclude => !labels.bot,
            BotFilter::Include => true,
            BotFilter::Only => labels.bot,
        };
        // Unverified views are counted apart, for those who ask for them.
        let is_accepted = is_accepted && (!labels.unverified || self.asks_for(&Dimension::Evidence));
        let is_accepted = is_accepted && self.accepts_navigation(labels.navigation);
        is_accepted && self.only.iter().all(|(dimension, value)| dimension.value_in(labels) == Some(value))
    }

    fn accepts_navigation(&self, navigation: Navigation) -> bool {
        match self.navigations {
            _ if self.asks_for(&Dimension::Navigation) => true,
            NavigationFilter::All => true,
            NavigationFilter::Hard => navigation.is_hard(),
            NavigationFilter::Soft => !navigation.is_hard(),
        }
    }

    /// Returns the required values by the names of their dimensions, without that of one dimension.
    #[must_use]
    pub fn filters_without(&self, dimension: &Dimension) -> BTreeMap<String, String> {
        let others = self.only.iter().filter(|(other, _)| other != dimension);
        others.map(|(other, value)| (other.name().into_owned(), value.clone())).collect_map()
    }

    /// Returns the query of the same views by the type of their navigation, and of those within documents, too.
    #[must_use]
    pub fn by_navigation(&self) -> Self {
        Self { by: vec![Dimension::Navigation], step: None, ..self.clone() }
    }

    pub(crate) fn asks_for(&self, dimension: &Dimension) -> bool {
        self.by.contains(dimension) || self.only.iter().any(|(other, _)| other == dimension)
    }

    /// Returns fragments that the stored name of each included series contains, to filter in SQL. The names of a
    /// few other series may contain them, too.
    #[must_use]
    pub fn label_fragments(&self) -> Vec<String> {
        let quoted = |name: &str, value: &str| {
            let text = |text: &str| serde_json::Value::from(text).to_string();
            format!("{}:{}", text(name), text(value))
        };
        let fragment = |(dimension, value): &(Dimension, String)| match dimension {
            Dimension::Route => quoted("r", value),
            Dimension::Device => quoted("d", value),
            Dimension::Navigation => quoted("n", value),
            Dimension::Cache => quoted("c", value),
            Dimension::Network => quoted("e", value),
            Dimension::Release => quoted("v", value),
            Dimension::Country => quoted("g", value),
            Dimension::Browser => quoted("w", value),
            Dimension::BrowserFamily => quoted("w", value).trim_end_matches('"').to_owned(),
            Dimension::Os => quoted("o", value),
            Dimension::Custom(name) => quoted(name, value),
            // The name omits the value `no`.
            Dimension::Bot | Dimension::Evidence => String::new(),
        };
        self.only.iter().map(fragment).filter(|fragment| !fragment.is_empty()).collect()
    }

    /// Returns the group of a series in a window. A window that is longer than the step is a group of its own.
    #[must_use]
    pub fn group_of(&self, window: Window, labels: &SeriesLabels) -> Group {
        let value = |dimension: &Dimension| dimension.value_in(labels).map(str::to_owned);
        Group { values: self.by.iter().map(value).collect(), at: self.group_start(window) }
    }

    /// Returns the group of a sum on a day.
    pub(crate) fn group_of_sum(&self, SumKey { series, day }: &SumKey) -> Group {
        let value = |dimension: &Dimension| match (dimension, series) {
            (Dimension::Device, _) => Some(series.device().name().to_owned()),
            (Dimension::Route, SumSeries::Page(page)) => Some(page.route.clone()),
            (_, SumSeries::Slice(SliceLabels { value: Some((own, value)), .. })) if own == dimension => {
                Some(value.clone())
            }
            _ => None,
        };
        let at = self.group_start(Window { span: WindowSpan::Day, start: *day });
        Group { values: self.by.iter().map(value).collect(), at }
    }

    fn group_start(&self, window: Window) -> Option<UnixMillis> {
        self.step.map(|step| Window::containing(step.max(window.span), window.start).start)
    }
}

impl Group {
    /// Returns the value of a dimension of the query.
    #[must_use]
    pub fn value(&self, by: &[Dimension], dimension: &Dimension) -> Option<&str> {
        let index = by.iter().position(|other| other == dimension)?;
        self.values.get(index)?.as_deref()
    }

    /// Returns the route and device class, if the query groups by both.
    #[must_use]
    pub fn page(&self, by: &[Dimension]) -> Option<(&str, Device)> {
        let device = Device::from_name(self.value(by, &Dimension::Device)?)?;
        Some((self.value(by, &Dimension::Route)?, device))
    }
}

impl QueryResult {
    /// Returns the counts of a group's metric against a limit.
    #[must_use]
    pub fn limit_counts(&self, group: &Group, metric: Metric, limit: u32) -> LimitCounts {
        self.cells.get(group).map(|cell| cell.limit_counts(metric, limit)).unwrap_or_default()
    }

    /// Adds a cell to a group.
    pub fn add(&mut self, group: Group, cell: &Cell) {
        self.cells.entry(group).or_default().merge(cell);
    }

    /// Adds a stored cell to its group.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn add_encoded(&mut self, query: &SeriesQuery, key: &CellKey, cell: &[u8]) -> Result<(), CodecError> {
        let group = query.group_of(key.window, &key.labels);
        self.cells.entry(group).or_default().merge_encoded(cell)
    }

    /// Adds days of a series to their group: a stored sum minus an earlier one of the same block. The slice of all views
    /// comes before the others.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn add_days(
        &mut self,
        query: &SeriesQuery,
        key: &SumKey,
        sum: &[u8],
        less: Option<&[u8]>,
    ) -> Result<(), CodecError> {
        if !query.accepts_series(&key.series) {
            return Ok(());
        }
        let cell = self.cells.entry(query.group_of_sum(key)).or_default();
        cell.merge_encoded(sum)?;
        if let Some(less) = less {
            cell.subtract_encoded(less)?;
        }
        if let Some(rest) = query.rest_of(key) {
            let cell = self.cells.entry(rest.clone()).or_default();
            // First, because a count is never negative.
            if let Some(less) = less {
                cell.merge_encoded(less)?;
            }
            cell.subtract_encoded(sum)?;
            self.remove_if_empty(&rest);
        }
        Ok(())
    }

    /// Adds the sum of a series on a day. The slice of all views comes before the others.
    pub(crate) fn add_sum(&mut self, query: &SeriesQuery, key: &SumKey, sum: &Cell) {
        if !query.accepts_series(&key.series) {
            return;
        }
        self.add(query.group_of_sum(key), sum);
        if let Some(rest) = query.rest_of(key) {
            self.cells.entry(rest.clone()).or_default().subtract(sum);
            self.remove_if_empty(&rest);
        }
    }

    fn remove_if_empty(&mut self, group: &Group) {
        if self.cells.get(group).is_some_and(Cell::is_empty) {
            self.cells.remove(group);
        }
    }

    /// Adds the result of another shard.
    pub fn merge(&mut self, other: Self) {
        for (group, cell) in other.cells {
            self.add(group, &cell);
        }
        self.last_beacon_at = self.last_beacon_at.max(other.last_beacon_at);
        self.budget_history = std::mem::take(&mut self.budget_history).later(other.budget_history);
        for (reason, count) in other.rejections {
            let sum = self.rejections.entry(reason).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// Returns the sum of all groups.
    #[must_use]
    pub fn total(&self) -> Cell {
        let mut total = Cell::default();
        self.cells.values().for_each(|cell| total.merge(cell));
        total
    }

    /// Encodes the response of a shard.
    ///
    /// # Errors
    /// Returns an error if the result cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let mut encoder = ResultEncoder::new(self.clone());
        while encoder.encode_some()? {}
        encoder.finish()
    }

    /// Decodes the response of a shard.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (cells, last_beacon_at, rejections, budget_history): (Vec<(Group, Vec<u8>)>, _, _, _) =
            postcard::from_bytes(bytes).map_err(|_| CodecError)?;
        let cells = cells
            .into_iter()
            .map(|(group, bytes)| Ok((group, Cell::decode(&bytes)?)))
            .collect::<Result<_, CodecError>>()?;
        Ok(Self { cells, last_beacon_at, rejections, budget_history })
    }
}

impl ResultEncoder {
    /// Begins to encode a result.
    #[must_use]
    pub const fn new(result: QueryResult) -> Self {
        Self { result, cells: Vec::new() }
    }

    /// Encodes some cells, and returns true if there are more.
    ///
    /// # Errors
    /// Returns an error if a cell cannot be encoded.
    pub fn encode_some(&mut self) -> Result<bool, CodecError> {
        for _ in 0..MAX_ENCODED_CELLS {
            let Some((group, cell)) = self.result.cells.pop_first() else { return Ok(false) };
            self.cells.push((group, cell.encode()?));
        }
        Ok(!self.result.cells.is_empty())
    }

    /// Returns the bytes, with the cells that were encoded.
    ///
    /// # Errors
    /// Returns an error if the result cannot be encoded.
    pub fn finish(self) -> Result<Vec<u8>, CodecError> {
        let QueryResult { last_beacon_at, rejections, budget_history, .. } = &self.result;
        postcard::to_stdvec(&(self.cells, last_beacon_at, rejections, budget_history)).map_err(|_| CodecError)
    }
}

/// Cells that are encoded without a pause, which takes some milliseconds.
const MAX_ENCODED_CELLS: usize = 250;
