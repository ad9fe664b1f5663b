//! How a query is answered.

use wire::{UnixMillis, Window, WindowSpan};

use crate::horizon::Horizon;
use crate::page::{BLOCK_MS, PageLabels, block_containing};
use crate::query::{BotFilter, Dimension, SeriesQuery};

/// Some whole days, and which sums they come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayRange {
    /// The first of them.
    pub from: UnixMillis,
    /// What follows the last of them; within a day, where the day is not over.
    pub to: UnixMillis,
}

/// Of one block: the last sum before a moment, less the last one before an earlier moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRange {
    /// The block, by its first millisecond.
    pub block: UnixMillis,
    /// The sums of days before this moment are taken away.
    pub from: UnixMillis,
    /// The sums are those of days before this moment.
    pub to: UnixMillis,
}

/// How a question is answered: from which days of pages, and from cells that began when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryPlan {
    /// Days of pages.
    pub days: Option<DayRange>,
    /// Cells whose windows begin from the first moment to before the second.
    pub cells: Vec<(UnixMillis, UnixMillis)>,
    /// The same, of cells that are the minutes of pages: what is known of those may answer for them.
    pub minutes: Option<(UnixMillis, UnixMillis)>,
}

impl DayRange {
    /// The parts of it that lie in one block.
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
    /// How to answer. A longer window belongs to the answer when any part of it does.
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
            return QueryPlan { days: None, cells: vec![(self.from, self.to)], minutes: None };
        }
        let (head, rest) = ((self.from, from), (to, self.to));
        let days = Some(DayRange { from, to });
        match to == horizon.minutes {
            true => QueryPlan { days, cells: vec![head], minutes: Some(rest) },
            false => QueryPlan { days, cells: vec![head, rest], minutes: None },
        }
    }

    /// Whether a page is asked for.
    #[must_use]
    pub fn accepts_page(&self, page: &PageLabels) -> bool {
        self.only.iter().all(|(dimension, value)| match dimension {
            Dimension::Route => page.route == *value,
            Dimension::Device => page.device.name() == value,
            _ => false,
        })
    }

    /// Whether pages say all that is asked.
    fn is_answerable_by_pages(&self) -> bool {
        let mut dimensions = self.by.iter().chain(self.only.iter().map(|(dimension, _)| dimension));
        self.bots == BotFilter::Exclude
            && self.step.is_none_or(|step| step == WindowSpan::Day)
            && dimensions.all(|dimension| matches!(dimension, Dimension::Route | Dimension::Device))
    }
}
