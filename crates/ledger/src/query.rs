//! Reading: which cells a question is about, and what they come to, group by group. Groups merge, so
//! the answers of several shards are one answer.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::{Device, UnixMillis};

use crate::budget_history::BudgetHistory;
use crate::cell::{Cell, CodecError};
use crate::fold::CellKey;
use crate::page_rollup::{PageKey, PageLabels};
use crate::record::SeriesLabels;
use crate::window::{Window, WindowSpan};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesQuery {
    /// From this moment, brought down to the start of the window that holds it.
    pub from: UnixMillis,
    /// To before this moment.
    pub to: UnixMillis,
    /// Whether programs are counted: left out unless asked for.
    #[serde(default)]
    pub bots: BotFilter,
    /// Only series with these values.
    #[serde(default)]
    pub only: Vec<(Dimension, String)>,
    /// What groups have in common.
    #[serde(default)]
    pub by: Vec<Dimension>,
    /// The length of time that is one group; all of it where there is none.
    #[serde(default)]
    pub step: Option<WindowSpan>,
}

/// Which visitors are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BotFilter {
    /// People.
    #[default]
    Exclude,
    /// Everybody.
    Include,
    /// Programs.
    Only,
}

/// What series differ in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dimension {
    /// The route template.
    Route,
    /// The device class.
    Device,
    /// How the visitor came.
    Navigation,
    /// What the edge cache said.
    Cache,
    /// The effective connection type.
    Network,
    /// The release.
    Release,
    /// The visitor's country.
    Country,
    /// Whether a program drove the browser.
    Bot,
    /// One of the team's own.
    #[serde(rename = "Own")]
    Custom(String),
}

/// What a group has in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    /// The value of each dimension of the question; none where the series has none.
    pub values: Vec<Option<String>>,
    /// When its time begins, where there is a step.
    pub at: Option<UnixMillis>,
}

/// What a question comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryResult {
    /// The cells, merged by group.
    pub cells: BTreeMap<Group, Cell>,
    /// When a beacon was last heard.
    pub last_beacon_at: Option<UnixMillis>,
    /// What was refused, by reason.
    pub rejections: BTreeMap<String, u64>,
    /// The budgets by which views are judged.
    pub budget_history: BudgetHistory,
}

/// When a span of so many milliseconds begins that goes up to a moment. One of a week or more begins with
/// a day: it is read from whole days, however many visits they had.
#[must_use]
pub const fn lookback_start(to: UnixMillis, millis: u64) -> UnixMillis {
    let from = to.saturating_sub(millis);
    if millis < 7 * WindowSpan::Day.millis() { from } else { Window::containing(WindowSpan::Day, from).start }
}

impl Dimension {
    /// Those that every series has a place for.
    pub const BUILT_IN: [Self; 8] = [
        Self::Route,
        Self::Device,
        Self::Navigation,
        Self::Cache,
        Self::Network,
        Self::Release,
        Self::Country,
        Self::Bot,
    ];

    /// The name in questions and answers; a team's own is `dim.` and its name.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Route => "route",
            Self::Device => "device",
            Self::Navigation => "nav",
            Self::Cache => "cache",
            Self::Network => "net",
            Self::Release => "release",
            Self::Country => "country",
            Self::Bot => "bot",
            Self::Custom(name) => return Cow::Owned(format!("dim.{name}")),
        })
    }

    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.strip_prefix("dim.") {
            Some(own) => (!own.is_empty()).then(|| Self::Custom(own.to_owned())),
            None => Self::BUILT_IN.into_iter().find(|dimension| dimension.name() == name),
        }
    }

    /// What a series has for it.
    #[must_use]
    pub fn value_in<'a>(&self, labels: &'a SeriesLabels) -> Option<&'a str> {
        match self {
            Self::Route => Some(&labels.route),
            Self::Device => Some(labels.device.name()),
            Self::Navigation => Some(labels.navigation.name()),
            Self::Cache => labels.cache.map(|cache| cache.name()),
            Self::Network => labels.network.map(|network| network.name()),
            Self::Release => labels.release.as_deref(),
            Self::Country => labels.country.as_deref(),
            Self::Bot => Some(if labels.bot { "yes" } else { "no" }),
            Self::Custom(name) => labels.dimensions.get(name).map(String::as_str),
        }
    }
}

impl SeriesQuery {
    /// Whether a series is asked for.
    #[must_use]
    pub fn accepts(&self, labels: &SeriesLabels) -> bool {
        let visitor = match self.bots {
            BotFilter::Exclude => !labels.bot,
            BotFilter::Include => true,
            BotFilter::Only => labels.bot,
        };
        visitor && self.only.iter().all(|(dimension, value)| dimension.value_in(labels) == Some(value))
    }

    /// What the stored name of each series has in it that is asked for, and of few others.
    #[must_use]
    pub fn label_fragments(&self) -> Vec<String> {
        let quoted = |name: &str, value: &str| {
            let text = |text: &str| serde_json::Value::from(text).to_string();
            format!("{}:{}", text(name), text(value))
        };
        let mark = |(dimension, value): &(Dimension, String)| match dimension {
            Dimension::Route => quoted("r", value),
            Dimension::Device => quoted("d", value),
            Dimension::Navigation => quoted("n", value),
            Dimension::Cache => quoted("c", value),
            Dimension::Network => quoted("e", value),
            Dimension::Release => quoted("v", value),
            Dimension::Country => quoted("g", value),
            Dimension::Custom(name) => quoted(name, value),
            // It is not written where it is `no`.
            Dimension::Bot => String::new(),
        };
        self.only.iter().map(mark).filter(|mark| !mark.is_empty()).collect()
    }

    /// The group that a series of a window belongs to. A window that is longer than a step is a step
    /// of its own.
    #[must_use]
    pub fn group_of(&self, window: Window, labels: &SeriesLabels) -> Group {
        let value = |dimension: &Dimension| dimension.value_in(labels).map(str::to_owned);
        Group { values: self.by.iter().map(value).collect(), at: self.group_start(window) }
    }

    /// The group that a page belongs to, on a day.
    fn group_of_page(&self, day: UnixMillis, page: &PageLabels) -> Group {
        let value = |dimension: &Dimension| match dimension {
            Dimension::Route => Some(page.route.clone()),
            Dimension::Device => Some(page.device.name().to_owned()),
            _ => None,
        };
        let at = self.group_start(Window { span: WindowSpan::Day, start: day });
        Group { values: self.by.iter().map(value).collect(), at }
    }

    fn group_start(&self, window: Window) -> Option<UnixMillis> {
        self.step.map(|step| Window::containing(step.max(window.span), window.start).start)
    }
}

impl Group {
    /// Its value for a dimension of the question.
    #[must_use]
    pub fn value(&self, by: &[Dimension], dimension: &Dimension) -> Option<&str> {
        let index = by.iter().position(|other| other == dimension)?;
        self.values.get(index)?.as_deref()
    }

    /// Its route and device class, where the question asks for groups of these.
    #[must_use]
    pub fn page(&self, by: &[Dimension]) -> Option<(&str, Device)> {
        let device = Device::from_name(self.value(by, &Dimension::Device)?)?;
        Some((self.value(by, &Dimension::Route)?, device))
    }
}

impl QueryResult {
    /// Adds a cell to a group.
    pub fn add(&mut self, group: Group, cell: &Cell) {
        self.cells.entry(group).or_default().merge(cell);
    }

    /// Adds a stored cell to its group.
    ///
    /// # Errors
    /// Refuses what no version of ours has written.
    pub fn add_encoded(&mut self, query: &SeriesQuery, key: &CellKey, cell: &[u8]) -> Result<(), CodecError> {
        let group = query.group_of(key.window, &key.labels);
        self.cells.entry(group).or_default().merge_encoded(cell)
    }

    /// Adds days of a page to their group: a stored sum, less an earlier one of the same block.
    ///
    /// # Errors
    /// Refuses what no version of ours has written.
    pub fn add_days(
        &mut self,
        query: &SeriesQuery,
        PageKey { page, day }: &PageKey,
        sum: &[u8],
        less: Option<&[u8]>,
    ) -> Result<(), CodecError> {
        let group = query.group_of_page(*day, page);
        let cell = self.cells.entry(group).or_default();
        cell.merge_encoded(sum)?;
        match less {
            Some(less) => cell.subtract_encoded(less),
            None => Ok(()),
        }
    }

    /// Adds what a page has counted on a day.
    pub(crate) fn add_page(&mut self, query: &SeriesQuery, PageKey { page, day }: &PageKey, sum: &Cell) {
        self.add(query.group_of_page(*day, page), sum);
    }

    /// Adds what another shard knows.
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

    /// All groups as one.
    #[must_use]
    pub fn total(&self) -> Cell {
        let mut total = Cell::default();
        self.cells.values().for_each(|cell| total.merge(cell));
        total
    }

    /// The bytes that one shard answers with.
    ///
    /// # Errors
    /// Fails if it cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let encoded = |(group, cell)| Ok((group, Cell::encode(cell)?));
        let cells: Vec<(&Group, Vec<u8>)> = self.cells.iter().map(encoded).collect::<Result<_, _>>()?;
        postcard::to_stdvec(&(cells, self.last_beacon_at, &self.rejections, &self.budget_history))
            .map_err(|_| CodecError)
    }

    /// Reads what a shard has answered.
    ///
    /// # Errors
    /// Refuses what no shard of this version writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (cells, heard_at, refused, rulings): (Vec<(Group, Vec<u8>)>, _, _, _) =
            postcard::from_bytes(bytes).map_err(|_| CodecError)?;
        let cells = cells
            .into_iter()
            .map(|(group, bytes)| Ok((group, Cell::decode(&bytes)?)))
            .collect::<Result<_, CodecError>>()?;
        Ok(Self { cells, last_beacon_at: heard_at, rejections: refused, budget_history: rulings })
    }
}
