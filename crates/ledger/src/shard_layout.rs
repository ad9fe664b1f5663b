//! The number of shards of a site over time. A view belongs to a shard of the layout in force when the view
//! began, so that corrections find it and no history is lost when the number changes.

use std::ops::Range;

use serde::Deserialize;
use sketch::stable_hash::fnv1a_32;

/// Numbers of shards, each with the moment since which it holds; the first has always held.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ShardSetting")]
pub struct ShardLayout(Vec<(u64, u32)>);

impl ShardLayout {
    /// Parses a setting such as `4`, or `1,4@1800000000000` for 4 shards since that Unix time in milliseconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut all: Vec<(u64, u32)> = Vec::new();
        for part in text.split(',') {
            let (count, since) = part.trim().split_once('@').unwrap_or((part.trim(), "0"));
            let (since, count) = (since.parse().ok()?, count.parse().ok()?);
            let follows = all.last().map_or(since == 0, |(last, _)| since > *last);
            if !(1..=MAX_SHARDS).contains(&count) || !follows {
                return None;
            }
            all.push((since, count));
        }
        Some(Self(all))
    }

    /// Returns the shard of a page load that began at `start_ms`.
    #[must_use]
    pub fn shard_of(&self, page_load_id: &str, start_ms: u64) -> u32 {
        let count = self.0.iter().rev().find(|(since, _)| *since <= start_ms).map_or(1, |(_, count)| *count);
        fnv1a_32(page_load_id.bytes()).checked_rem(count).unwrap_or_default()
    }

    /// Returns the shard that stores the request statistics of an isolate. It does not depend on time: a batch that
    /// is sent again must reach the shard that knows its number.
    #[must_use]
    pub fn shard_of_isolate(&self, isolate: &str) -> u32 {
        fnv1a_32(isolate.bytes()).checked_rem(self.indices().end).unwrap_or_default()
    }

    /// Returns the shards that hold any data.
    #[must_use]
    pub fn indices(&self) -> Range<u32> {
        0..self.0.iter().map(|(_, count)| *count).max().unwrap_or(1)
    }
}

impl Default for ShardLayout {
    fn default() -> Self {
        Self(vec![(0, 1)])
    }
}

/// A number of shards in a table of settings, or a text as [`ShardLayout::parse`] reads it.
#[derive(Deserialize)]
#[serde(untagged)]
enum ShardSetting {
    Number(u32),
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl TryFrom<ShardSetting> for ShardLayout {
    type Error = String;

    fn try_from(setting: ShardSetting) -> Result<Self, String> {
        let layout = match setting {
            ShardSetting::Number(count) => Self::parse(&count.to_string()),
            ShardSetting::Text(text) => Self::parse(&text),
            ShardSetting::Other(_) => None,
        };
        layout.ok_or_else(|| format!("shards must be {SHARD_COUNT_HELP}"))
    }
}

/// The rest of an error that says what the setting must be.
pub const SHARD_COUNT_HELP: &str = "a number from 1 to 256, or like \"1,4@1800000000000\": 4 since that Unix time \
                                in milliseconds, and 1 before";

/// Returns the name of the object that holds a shard.
#[must_use]
pub fn shard_name(site: &str, shard: u32) -> String {
    format!("{site}/{shard}")
}

const MAX_SHARDS: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_begins_at_zero_and_grows_in_time() {
        for text in ["1", " 256 ", "1,4@1800000000000", "4, 1@5, 8@6"] {
            assert!(ShardLayout::parse(text).is_some(), "{text}");
        }
        for text in ["", "0", "257", "4@5", "1,4", "1,4@5,8@5", "1,x@5", "-1"] {
            assert_eq!(ShardLayout::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_setting_of_a_site_is_a_number_or_a_text() {
        let parse = |json: &str| serde_json::from_str::<ShardLayout>(json).map_err(|error| error.to_string());
        assert_eq!(parse("4"), Ok(ShardLayout(vec![(0, 4)])));
        assert_eq!(parse("\"1,4@1000\""), Ok(ShardLayout(vec![(0, 1), (1000, 4)])));
        for json in ["0", "257", "-1", "1.5", "\"4@5\"", "null", "[4]", "{}"] {
            let mistake = parse(json).expect_err(json);
            assert!(
                mistake.starts_with("shards must be a number from 1 to 256, or like"),
                "{json}: {mistake}"
            );
        }
    }

    #[test]
    fn a_view_stays_in_the_layout_in_which_it_began() {
        let layout = ShardLayout::parse("1,4@1000").expect("valid");
        let shards = |start_ms| (0..100).map(|id| layout.shard_of(&id.to_string(), start_ms)).max();
        assert_eq!((shards(999), shards(1000)), (Some(0), Some(3)));
        assert_eq!((layout.indices(), ShardLayout::default().indices()), (0..4, 0..1));
    }

    #[test]
    fn the_statistics_of_isolates_are_spread_over_all_shards_and_stay_where_they_are() {
        let layout = ShardLayout::parse("1,4@1000").expect("valid");
        let shards: std::collections::BTreeSet<u32> =
            (0..100).map(|isolate| layout.shard_of_isolate(&format!("{isolate:026x}"))).collect();
        assert_eq!(shards, (0..4).collect());
        assert_eq!(ShardLayout::default().shard_of_isolate("a"), 0);
    }

    #[test]
    fn a_page_load_never_moves_between_releases() {
        // A change of the hash would split the history of a view.
        let layout = ShardLayout::parse("7").expect("valid");
        assert_eq!(["a", "b", "0123456789abcdef"].map(|id| layout.shard_of(id, 0)), [5, 6, 6]);
        assert_eq!(shard_name("shop", 2), "shop/2");
    }
}
