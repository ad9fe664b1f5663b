//! The plan of a query: which page sums and cells to read.

use wire::{UnixMillis, Window, WindowSpan};

use crate::horizon::Horizon;
use crate::page_key::{BLOCK_MS, PageLabels, block_containing};
use crate::query::{BotFilter, Dimension, SeriesQuery};

/// A range of whole days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayRange {
    /// The start of the first day.
    pub from: UnixMillis,
    /// The end of the last day; within a day if the day is not over.
    pub to: UnixMillis,
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

/// The page sums and cells that answer a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryPlan {
    /// The days to read from page sums.
    pub days: Option<DayRange>,
    /// Ranges of cells by the start of their windows; the ends are exclusive.
    pub cells: Vec<(UnixMillis, UnixMillis)>,
    /// The range after page sums, which the roll-up of recent windows may answer instead of cells.
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
        let day = |moment| Window::containing(WindowSpan::Day, moment).start;
        let next = |moment: UnixMillis| day(moment.saturating_add(WindowSpan::Day.millis() - 1));
        let from = self.from.max(horizon.days);
        let from = if from < horizon.hours { day(from) } else { next(from) };
        let to = match self.to {
            to if to >= horizon.pages => horizon.pages,
            to if to < horizon.hours => next(to),
            to => day(to),
        };
        if from >= to || !self.is_answerable_by_pages() {
            return QueryPlan { days: None, cells: vec![(self.from, self.to)], recent: None };
        }
        let (head, rest) = ((self.from, from), (to, self.to));
        let days = Some(DayRange { from, to });
        match to == horizon.pages && horizon.has_all_pages() {
            true => QueryPlan { days, cells: vec![head], recent: Some(rest) },
            false => QueryPlan { days, cells: vec![head, rest], recent: None },
        }
    }

    /// Returns true if the query includes the page.
    #[must_use]
    pub fn accepts_page(&self, page: &PageLabels) -> bool {
        self.only.iter().all(|(dimension, value)| match dimension {
            Dimension::Route => page.route == *value,
            Dimension::Device => page.device.name() == value,
            _ => false,
        })
    }

    /// Returns true if page sums have all dimensions of the query.
    fn is_answerable_by_pages(&self) -> bool {
        let mut dimensions = self.by.iter().chain(self.only.iter().map(|(dimension, _)| dimension));
        self.bots == BotFilter::Exclude
            && self.step.is_none_or(|step| step == WindowSpan::Day)
            && dimensions.all(|dimension| matches!(dimension, Dimension::Route | Dimension::Device))
    }
}
