//! Reading: which cells a question is about, and what they come to, group by group. Groups merge, so
//! the answers of several shards are one answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::{Device, UnixMillis};

use crate::cell::{Cell, Malformed};
use crate::told::Labels;

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
    /// Only this route.
    #[serde(default)]
    pub route: Option<String>,
    /// Only this device class.
    #[serde(default)]
    pub device: Option<Device>,
    /// Only this release.
    #[serde(default)]
    pub release: Option<String>,
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

/// What a group has in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    /// The route template.
    pub route: String,
    /// The device class.
    pub device: Device,
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
        visitor
            && self.route.as_ref().is_none_or(|route| *route == labels.route)
            && self.device.is_none_or(|device| device == labels.device)
            && self.release.as_ref().is_none_or(|release| labels.release.as_ref() == Some(release))
    }
}

impl Groups {
    /// Adds a cell to the group it belongs to.
    pub fn add(&mut self, labels: Labels, cell: &Cell) {
        let group = Group { route: labels.route, device: labels.device };
        self.cells.entry(group).or_default().merge(cell);
    }

    /// Adds what another shard knows.
    pub fn merge(&mut self, other: Self) {
        for (group, cell) in other.cells {
            self.cells.entry(group).or_default().merge(&cell);
        }
        self.heard_at = self.heard_at.max(other.heard_at);
        for (reason, count) in other.refused {
            let sum = self.refused.entry(reason).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// The bytes that one shard answers with.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let cells: Vec<(&Group, Vec<u8>)> =
            self.cells.iter().map(|(group, cell)| (group, cell.encode())).collect();
        postcard::to_stdvec(&(cells, self.heard_at, &self.refused)).unwrap_or_default()
    }

    /// Reads what a shard has answered.
    ///
    /// # Errors
    /// Refuses what no shard of this version writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (cells, heard_at, refused): (Vec<(Group, Vec<u8>)>, _, _) =
            postcard::from_bytes(bytes).map_err(|_| Malformed)?;
        let cells = cells
            .into_iter()
            .map(|(group, bytes)| Ok((group, Cell::decode(&bytes)?)))
            .collect::<Result<_, Malformed>>()?;
        Ok(Self { cells, heard_at, refused })
    }
}
