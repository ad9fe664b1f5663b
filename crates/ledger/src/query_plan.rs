//! The plan of a query: which daily sums and cells to read.

use wire::{UnixMillis, Window, WindowSpan};

use crate::dimension::Dimension;
use crate::horizon::Horizon;
use crate::query::{BotFilter, Group, NavigationFilter, SeriesQuery};
use crate::sum_key::{
    BLOCK_MS, PageLabels, SliceLabels, SumKey, SumSeries, SumSource, block_containing, slice_prefix,
};

/// A range of whole days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayRange {
    /// The start of the first day.
    pub from: UnixMillis,
    /// The end of the last day; within a day if the day is not over.
    pub to: UnixMillis,
}

/// The stored sums of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumRange {
    /// The sums that have the dimensions of the query.
    pub source: SumSource,
    /// The days.
    pub days: DayRange,
}

/// The part of a range in one block: the last sum before `to` minus the last sum before `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRange {
    /// The start of the block.
    pub block: UnixMillis,
    /// The sum of the days before this time is subtracted.
    pub from: UnixMillis,
    /// The sum is of the days before this time.
    pub to: UnixMillis,
}

/// The sums and cells that answer a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryPlan {
    /// The days to read from sums.
    pub days: Option<SumRange>,
    /// Ranges of cells by the start of their windows; the ends are exclusive.
    pub cells: Vec<(UnixMillis, UnixMillis)>,
    /// The range after stored sums, which the roll-up of recent windows may answer instead of cells.
    pub recent: Option<(UnixMillis, UnixMillis)>,
}

impl DayRange {
    /// Splits the range at the edges of blocks.
    pub fn block_ranges(self) -> impl Iterator<Item = BlockRange> {
        let starts = std::iter::successors(Some(block_containing(self.from)), |start| {
            Some(start.saturating_add(BLOCK_MS))
        });
        starts.take_while(move |start| *start < self.to).map(move |start| BlockRange {
            block: start,
            from: start.max(self.from),
            to: start.saturating_add(BLOCK_MS).min(self.to),
        })
    }
}

impl SeriesQuery {
    /// Plans the query. A window that overlaps the range is read as a whole.
    #[must_use]
    pub fn plan(&self, horizon: &Horizon) -> QueryPlan {
        let all_cells = QueryPlan { days: None, cells: vec![(self.from, self.to)], recent: None };
        let Some(source) = self.sum_source() else { return all_cells };
        let (sums_start, sums_end) = (source.start(horizon), horizon.sums_end(source.kind()));
        let day = |moment| Window::containing(WindowSpan::Day, moment).start;
        let next = |moment: UnixMillis| day(moment.saturating_add(WindowSpan::Day.millis() - 1));
        let from = self.from.max(horizon.days);
        let from = if from < horizon.hours { day(from) } else { next(from) }.max(sums_start);
        let to = match self.to {
            to if to >= sums_end => sums_end,
            to if to < horizon.hours => next(to),
            to => day(to),
        };
        if from >= to {
            return all_cells;
        }
        let (head, rest) = ((self.from, from), (to, self.to));
        let is_last = to == sums_end && horizon.has_all_sums(source.kind());
        let days = Some(SumRange { source, days: DayRange { from, to } });
        match is_last {
            true => QueryPlan { days, cells: vec![head], recent: Some(rest) },
            false => QueryPlan { days, cells: vec![head, rest], recent: None },
        }
    }

    /// Returns the sums that have all dimensions of the query; `None` if no sums have.
    #[must_use]
    pub fn sum_source(&self) -> Option<SumSource> {
        // Sums have loads of documents alone, but for those of each type of navigation.
        let has_soft = self.navigations != NavigationFilter::Hard && !self.asks_for(&Dimension::Navigation);
        if has_soft
            || self.bots != BotFilter::Exclude
            || self.step.is_some_and(|step| step != WindowSpan::Day)
        {
            return None;
        }
        let all = || self.by.iter().chain(self.only.iter().map(|(dimension, _)| dimension));
        let Some(sliced) = all().find(|dimension| dimension.is_sliced()) else {
            let is_of_pages =
                |dimension: &Dimension| matches!(dimension, Dimension::Route | Dimension::Device);
            return all().all(is_of_pages).then_some(SumSource::Pages);
        };
        let is_of_slices = |dimension: &Dimension| dimension == sliced || *dimension == Dimension::Device;
        all().all(is_of_slices).then(|| SumSource::Slices(sliced.clone()))
    }

    /// Returns true if the query includes the views of a sum of its source.
    #[must_use]
    pub fn accepts_series(&self, series: &SumSeries) -> bool {
        let has_value = |(dimension, value): &(Dimension, String)| match (dimension, series) {
            (Dimension::Device, _) => series.device().name() == value,
            (Dimension::Route, SumSeries::Page(PageLabels { route, .. })) => route == value,
            (_, SumSeries::Slice(SliceLabels { value: own, .. })) => {
                own.as_ref().is_some_and(|(own, of_own)| own == dimension && of_own == value)
            }
            _ => false,
        };
        let is_of_source = match (series, self.sum_source()) {
            (
                SumSeries::Slice(SliceLabels { value: Some((own, _)), .. }),
                Some(SumSource::Slices(dimension)),
            ) => *own == dimension,
            // Every view has a type of navigation, and the slice of all views is not of all types.
            (SumSeries::Slice(_), Some(SumSource::Slices(Dimension::Navigation))) => false,
            _ => true,
        };
        is_of_source && self.only.iter().all(has_value)
    }

    /// Returns the group of the views without a value, which a slice of a value is no part of: the slice of all views is
    /// added to it first.
    pub(crate) fn rest_of(&self, key: &SumKey) -> Option<Group> {
        let SumSeries::Slice(SliceLabels { value: Some(_), device }) = key.series else { return None };
        let all = SumKey { series: SumSeries::Slice(SliceLabels { value: None, device }), day: key.day };
        self.accepts_series(&all.series).then(|| self.group_of_sum(&all))
    }

    /// Returns the stored names of sums that the query needs: ranges from one name to before another.
    #[must_use]
    pub fn sum_names(&self, source: &SumSource) -> Vec<(String, String)> {
        let range = |prefix: String| {
            // The comma at the end of the prefix is followed by the dash.
            let end = prefix.strip_suffix(',').map(|start| format!("{start}-"));
            (prefix, end.unwrap_or_default())
        };
        let SumSource::Slices(dimension) = source else { return vec![(String::new(), LAST_NAME.to_owned())] };
        let name = dimension.name();
        match self.only.iter().find(|(only, _)| only == dimension) {
            Some((_, value)) => vec![range(slice_prefix(&[&name, value]))],
            None if *dimension == Dimension::Navigation => vec![range(slice_prefix(&[&name]))],
            None => vec![range(slice_prefix(&["", ""])), range(slice_prefix(&[&name]))],
        }
    }
}

impl SumSource {
    /// Returns the time from which days have all their sums.
    fn start(&self, horizon: &Horizon) -> UnixMillis {
        match self {
            Self::Pages => UnixMillis(0),
            Self::Slices(dimension) => horizon.crowded.until(dimension),
        }
    }
}

/// After every name, because names are UTF-8.
const LAST_NAME: &str = "\u{10ffff}";
