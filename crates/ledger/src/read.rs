//! Reading: which cells a question is about, and what they come to, group by group. Groups merge, so
//! the answers of several shards are one answer.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::{Device, UnixMillis};

use crate::cell::{Cell, Malformed};
use crate::fold::CellKey;
use crate::pages::{Page, PageKey};
use crate::rulings::Rulings;
use crate::told::Labels;
use crate::window::{Span, Window};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// From this moment, brought down to the start of the window that holds it.
    pub from: UnixMillis,
    /// To before this moment.
    pub to: UnixMillis,
    /// Whether programs are counted: left out unless asked for.
    #[serde(default)]
    pub bots: Bots,
    /// Only series with these values.
    #[serde(default)]
    pub only: Vec<(Dimension, String)>,
    /// What groups have in common.
    #[serde(default)]
    pub by: Vec<Dimension>,
    /// The length of time that is one group; all of it where there is none.
    #[serde(default)]
    pub step: Option<Span>,
}

/// Which visitors are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bots {
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
    Own(String),
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
pub struct Groups {
    /// The cells, merged by group.
    pub cells: BTreeMap<Group, Cell>,
    /// When a beacon was last heard.
    pub heard_at: Option<UnixMillis>,
    /// What was refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The budgets by which views are judged.
    pub rulings: Rulings,
}

/// When a span of so many milliseconds begins that goes up to a moment. One of a week or more begins with
/// a day: it is read from whole days, however many visits they had.
#[must_use]
pub const fn reaching_back(to: UnixMillis, millis: u64) -> UnixMillis {
    let from = to.before(millis);
    if millis < 7 * Span::Day.millis() { from } else { Window::of(Span::Day, from).start }
}

impl Dimension {
    /// Those that every series has a place for.
    pub const COMMON: [Self; 8] = [
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
            Self::Own(name) => return Cow::Owned(format!("dim.{name}")),
        })
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.strip_prefix("dim.") {
            Some(own) => (!own.is_empty()).then(|| Self::Own(own.to_owned())),
            None => Self::COMMON.into_iter().find(|dimension| dimension.name() == name),
        }
    }

    /// What a series has for it.
    #[must_use]
    pub fn of<'a>(&self, labels: &'a Labels) -> Option<&'a str> {
        match self {
            Self::Route => Some(&labels.route),
            Self::Device => Some(labels.device.name()),
            Self::Navigation => Some(labels.navigation.name()),
            Self::Cache => labels.cache.map(|cache| cache.name()),
            Self::Network => labels.network.map(|network| network.name()),
            Self::Release => labels.release.as_deref(),
            Self::Country => labels.country.as_deref(),
            Self::Bot => Some(if labels.bot { "yes" } else { "no" }),
            Self::Own(name) => labels.dimensions.get(name).map(String::as_str),
        }
    }
}

impl Query {
    /// Whether a series is asked for.
    #[must_use]
    pub fn accepts(&self, labels: &Labels) -> bool {
        let visitor = match self.bots {
            Bots::Exclude => !labels.bot,
            Bots::Include => true,
            Bots::Only => labels.bot,
        };
        visitor && self.only.iter().all(|(dimension, value)| dimension.of(labels) == Some(value))
    }

    /// What the stored name of each series has in it that is asked for, and of few others.
    #[must_use]
    pub fn marks(&self) -> Vec<String> {
        let quoted = |name: &str, value: &str| {
            let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
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
            Dimension::Own(name) => quoted(name, value),
            // It is not written where it is `no`.
            Dimension::Bot => String::new(),
        };
        self.only.iter().map(mark).filter(|mark| !mark.is_empty()).collect()
    }

    /// The group that a series of a window belongs to. A window that is longer than a step is a step
    /// of its own.
    #[must_use]
    pub fn group(&self, window: Window, labels: &Labels) -> Group {
        let value = |dimension: &Dimension| dimension.of(labels).map(str::to_owned);
        Group { values: self.by.iter().map(value).collect(), at: self.at(window) }
    }

    /// The group that a page belongs to, on a day.
    fn group_of_page(&self, day: UnixMillis, page: &Page) -> Group {
        let value = |dimension: &Dimension| match dimension {
            Dimension::Route => Some(page.route.clone()),
            Dimension::Device => Some(page.device.name().to_owned()),
            _ => None,
        };
        let at = self.at(Window { span: Span::Day, start: day });
        Group { values: self.by.iter().map(value).collect(), at }
    }

    fn at(&self, window: Window) -> Option<UnixMillis> {
        self.step.map(|step| Window::of(step.max(window.span), window.start).start)
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
        let device = Device::named(self.value(by, &Dimension::Device)?)?;
        Some((self.value(by, &Dimension::Route)?, device))
    }
}

impl Groups {
    /// Adds a cell to a group.
    pub fn add(&mut self, group: Group, cell: &Cell) {
        self.cells.entry(group).or_default().merge(cell);
    }

    /// Adds a stored cell to its group.
    ///
    /// # Errors
    /// Refuses what no version of ours has written.
    pub fn add_stored(&mut self, query: &Query, key: &CellKey, cell: &[u8]) -> Result<(), Malformed> {
        let group = query.group(key.window, &key.labels);
        self.cells.entry(group).or_default().merge_encoded(cell)
    }

    /// Adds days of a page to their group: a stored sum, less an earlier one of the same block.
    ///
    /// # Errors
    /// Refuses what no version of ours has written.
    pub fn add_days(
        &mut self,
        query: &Query,
        PageKey { page, day }: &PageKey,
        sum: &[u8],
        less: Option<&[u8]>,
    ) -> Result<(), Malformed> {
        let group = query.group_of_page(*day, page);
        let cell = self.cells.entry(group).or_default();
        cell.merge_encoded(sum)?;
        match less {
            Some(less) => cell.subtract_encoded(less),
            None => Ok(()),
        }
    }

    /// Adds what a page has counted on a day.
    pub(crate) fn add_page(&mut self, query: &Query, PageKey { page, day }: &PageKey, sum: &Cell) {
        self.add(query.group_of_page(*day, page), sum);
    }

    /// Adds what another shard knows.
    pub fn merge(&mut self, other: Self) {
        for (group, cell) in other.cells {
            self.add(group, &cell);
        }
        self.heard_at = self.heard_at.max(other.heard_at);
        self.rulings = std::mem::take(&mut self.rulings).later(other.rulings);
        for (reason, count) in other.refused {
            let sum = self.refused.entry(reason).or_default();
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
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let cells: Vec<(&Group, Vec<u8>)> =
            self.cells.iter().map(|(group, cell)| (group, cell.encode())).collect();
        postcard::to_stdvec(&(cells, self.heard_at, &self.refused, &self.rulings)).unwrap_or_default()
    }

    /// Reads what a shard has answered.
    ///
    /// # Errors
    /// Refuses what no shard of this version writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (cells, heard_at, refused, rulings): (Vec<(Group, Vec<u8>)>, _, _, _) =
            postcard::from_bytes(bytes).map_err(|_| Malformed)?;
        let cells = cells
            .into_iter()
            .map(|(group, bytes)| Ok((group, Cell::decode(&bytes)?)))
            .collect::<Result<_, Malformed>>()?;
        Ok(Self { cells, heard_at, refused, rulings })
    }
}
