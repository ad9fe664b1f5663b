//! The settings of a site, in `SITES` of wrangler.toml and in the body of a call alike.

use std::num::NonZeroU32;

use ledger::{RouteTemplates, SamplingRates, ShardLayout};
use serde::Deserialize;

/// The settings of a site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSettings {
    /// The origins whose pages may send, besides the Worker's own; `*` for any.
    #[serde(default)]
    pub origins: Vec<String>,
    /// True if reads need no token; otherwise they need the secret READ_TOKEN.
    #[serde(default)]
    pub public: bool,
    /// True if the visitor's country is stored as a label.
    #[serde(default)]
    pub countries: bool,
    /// True if the visitor's browser and operating system are stored as labels.
    #[serde(default = "default_browsers")]
    pub browsers: bool,
    /// The templates of its paths, for pages that tell none.
    #[serde(default)]
    pub routes: RouteTemplates,
    /// Its shards; those of `SHARDS` if absent.
    #[serde(default)]
    pub shards: Option<ShardLayout>,
    /// True if reports of web-vitals are taken from holders of a token alone: a backend sends them, not pages.
    #[serde(default)]
    pub reports_need_token: bool,
    /// The beacons of one client network in a minute; as many as `INGEST_RATE` admits if absent.
    #[serde(default)]
    pub network_limit: Option<NonZeroU32>,
    /// The beacons of one day that it accepts, by UTC; any number if absent.
    #[serde(default)]
    pub beacons_per_day: Option<NonZeroU32>,
    /// The sample weights that its pages send.
    #[serde(default)]
    pub sampling: SamplingRates,
    /// The treatment of views without a page token.
    #[serde(default)]
    pub evidence: EvidencePolicy,
    /// The place that its objects do not leave; anywhere if absent.
    #[serde(default)]
    pub jurisdiction: Option<Jurisdiction>,
}

/// The treatment of views without a page token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidencePolicy {
    /// Documents have no tokens.
    #[default]
    Off,
    /// Documents have tokens; beacons without one are counted, and their views count as before.
    Counted,
    /// Their views are unverified, too.
    Required,
}

/// A jurisdiction of Durable Objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Jurisdiction {
    /// The European Union.
    Eu,
    /// FedRAMP-compliant data centres.
    Fedramp,
}

impl Jurisdiction {
    /// The name in the platform's interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eu => "eu",
            Self::Fedramp => "fedramp",
        }
    }
}

impl SiteSettings {
    /// Parses settings in JSON.
    ///
    /// # Errors
    /// Names the setting, and what it must be.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        // A list would be read as the settings in their order.
        if !text.trim_start().starts_with('{') {
            return Err(serde::de::Error::custom("settings are an object"));
        }
        serde_json::from_str(text)
    }

    /// Checks that the deployment has the secrets that the settings need.
    ///
    /// # Errors
    /// Returns a sentence that says what to set.
    pub fn check_secrets(&self, has_evidence_secret: bool) -> Result<(), &'static str> {
        match self.evidence {
            EvidencePolicy::Counted | EvidencePolicy::Required if !has_evidence_secret => Err(
                "`evidence` needs the secret EVIDENCE_SECRET; set it by `npx wrangler secret put EVIDENCE_SECRET`",
            ),
            _ => Ok(()),
        }
    }

    /// Returns true if this site accepts beacons from this origin.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }
}

/// Returns the address of the object that holds a shard: its name, after its jurisdiction and a colon if it has one.
#[must_use]
pub fn shard_address(jurisdiction: Option<Jurisdiction>, site: &str, shard: u32) -> String {
    let name = ledger::shard_name(site, shard);
    match jurisdiction {
        Some(jurisdiction) => format!("{}:{name}", jurisdiction.name()),
        None => name,
    }
}

/// Returns true for a name that a beacon can carry.
#[must_use]
pub fn is_site_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=MAX_NAME_LENGTH).contains(&name.len()) && name.bytes().all(is_plain)
}

const fn default_browsers() -> bool {
    true
}

const MAX_NAME_LENGTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_left_out_are_the_cautious_ones() {
        let settings: SiteSettings = serde_json::from_str("{}").expect("all are optional");
        assert!(!settings.public && !settings.countries && settings.origins.is_empty());
        assert!(settings.browsers, "families tell nobody apart");
        assert!(!settings.allows_origin("https://a.example"));
        assert_eq!((settings.evidence, settings.jurisdiction), (EvidencePolicy::Off, None));
    }

    #[test]
    fn evidence_needs_its_secret() {
        for (evidence, needs_secret) in [("off", false), ("counted", true), ("required", true)] {
            let settings = SiteSettings::parse(&format!(r#"{{"evidence":"{evidence}"}}"#)).expect("settings");
            assert_eq!(settings.check_secrets(false).is_err(), needs_secret, "{evidence}");
            assert_eq!(settings.check_secrets(true), Ok(()), "{evidence}");
        }
    }

    #[test]
    fn a_setting_of_another_name_is_a_mistake() {
        let mistake = serde_json::from_str::<SiteSettings>(r#"{"publik":true}"#).expect_err("a typing error");
        assert!(mistake.to_string().contains("publik"));
        assert!(SiteSettings::parse("[]").is_err(), "a list names no setting");
        let mistake =
            serde_json::from_str::<SiteSettings>(r#"{"jurisdiction":"mars"}"#).expect_err("no such place");
        assert!(mistake.to_string().contains("eu"), "{mistake}");
    }

    #[test]
    fn an_object_without_a_jurisdiction_keeps_its_name() {
        assert_eq!(shard_address(None, "shop", 2), "shop/2");
        assert_eq!(shard_address(Some(Jurisdiction::Eu), "shop", 2), "eu:shop/2");
        assert!(!is_site_name("eu:shop"), "no site's own name reads as a jurisdiction");
    }

    #[test]
    fn a_name_of_a_site_is_one_that_a_beacon_carries() {
        let longest = "a".repeat(64);
        for name in ["shop", "a.b-c_D9", longest.as_str()] {
            assert!(is_site_name(name), "{name}");
        }
        for name in ["", "*", "a/b", "a b", "ä", &"a".repeat(65)] {
            assert!(!is_site_name(name), "{name}");
        }
    }
}
