//! The bodies and answers of the calls below `/api/sites`.

use auth::TokenEntry;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wire::routes::Right;
use wire::{ApiError, UnixMillis, WindowSpan};

/// The sites of a deployment.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteList {
    /// By name.
    pub sites: Vec<SiteEntry>,
}

/// A site with its settings.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteEntry {
    /// The name.
    pub site: String,
    /// The place of its settings.
    pub source: SiteSource,
    /// The settings that a call has sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub settings: Option<Box<RawValue>>,
    /// The moment of the latest call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<UnixMillis>,
    /// The holder who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
}

/// The place of a site's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SiteSource {
    /// `SITES` in wrangler.toml.
    Deployment,
    /// A call.
    Call,
}

/// The answer to new settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteResponse {
    /// The site.
    pub site: String,
    /// True for a new site.
    pub created: bool,
    /// The time after which every isolate has the settings.
    pub effective_within_seconds: u64,
}

/// The answer to an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EraseResponse {
    /// The site.
    pub site: String,
    /// The Durable Objects that were emptied.
    pub objects: u32,
    /// True if its settings and tokens were removed; false if they are in wrangler.toml.
    pub settings_removed: bool,
    /// The places outside this deployment that have received data of the site, which this call does not reach.
    pub copies: Vec<String>,
}

/// The answer to a page of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RestoreResponse {
    /// The rows that the page added; 0 if it had arrived before.
    pub rows: u64,
    /// True once the shard is whole.
    pub complete: bool,
}

/// The body of a call that creates a token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenRequest {
    /// The holder, as the audit log names it.
    pub name: String,
    /// The rights.
    pub rights: Vec<Right>,
    /// The days for which it is valid, from 1 to 400; 90 if absent.
    #[serde(default)]
    pub days: Option<u16>,
}

impl TokenRequest {
    /// Describes the token that is issued for the request.
    ///
    /// # Errors
    /// The lifetime is out of range.
    pub fn entry(&self, token: &str, now: UnixMillis) -> Result<TokenEntry, ApiError> {
        let days = self.days.unwrap_or(DEFAULT_TOKEN_DAYS);
        if !(1..=MAX_TOKEN_DAYS).contains(&days) {
            return Err(ApiError::OutOfRange { field: "days", expected: "a whole number from 1 to 400" });
        }
        let expires = now.saturating_add(u64::from(days).saturating_mul(WindowSpan::Day.millis()));
        Ok(TokenEntry::new(&self.name, &self.rights, token, expires))
    }
}

const DEFAULT_TOKEN_DAYS: u16 = 90;
const MAX_TOKEN_DAYS: u16 = 400;

/// A new token, which is told only once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenResponse {
    /// The token.
    pub token: String,
    /// The first day on which it is not valid any more.
    pub expires: String,
    /// The time after which every isolate knows it.
    pub effective_within_seconds: u64,
}

/// The tokens of a site that calls have created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenList {
    /// In the order of their creation.
    pub tokens: Vec<ListedToken>,
}

/// A token without its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedToken {
    /// The holder.
    pub name: String,
    /// The rights.
    pub rights: Vec<Right>,
    /// The first day on which it is not valid any more.
    pub expires: String,
}

impl TokenList {
    /// Lists tokens without their hashes.
    #[must_use]
    pub fn new(tokens: &[TokenEntry]) -> Self {
        let listed = tokens.iter().map(|entry| ListedToken {
            name: entry.name().to_owned(),
            rights: entry.rights().to_vec(),
            expires: entry.expires().to_owned(),
        });
        Self { tokens: listed.collect() }
    }
}

/// The answer to the revocation of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenRevocation {
    /// The tokens that were revoked.
    pub revoked: usize,
    /// The time after which no isolate knows them.
    pub effective_within_seconds: u64,
}
