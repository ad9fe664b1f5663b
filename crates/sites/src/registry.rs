//! The registry: sites and tokens that calls have created. One object holds it; every isolate has a copy that is some
//! seconds old at most.

use std::collections::BTreeMap;
use std::fmt;

use auth::{TokenEntry, TokenTable};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wire::UnixMillis;

use crate::settings::{SiteSettings, is_site_name};

/// Sites and tokens that calls have created.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Registry {
    /// Grows with each change.
    revision: u64,
    sites: BTreeMap<String, RegisteredSite>,
    /// Hashes of tokens by site.
    tokens: BTreeMap<String, Vec<TokenEntry>>,
}

/// A site that a call has created.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisteredSite {
    /// The settings as they were sent.
    pub settings: Box<RawValue>,
    /// The moment of its first settings.
    pub created_at: UnixMillis,
    /// The moment of its latest settings.
    pub changed_at: UnixMillis,
    /// The holder who sent them.
    pub changed_by: String,
}

/// A change by a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RegistryChange {
    /// Create a site, or replace its settings.
    PutSite {
        /// The site.
        site: String,
        /// The settings.
        settings: Box<RawValue>,
        /// The moment of the call.
        at: UnixMillis,
        /// The holder who makes it.
        by: String,
    },
    /// Remove a site with its tokens.
    RemoveSite {
        /// The site.
        site: String,
    },
    /// Store the hash of a new token.
    AddToken {
        /// The site.
        site: String,
        /// The hash, with rights and expiry.
        entry: TokenEntry,
    },
    /// Remove the tokens of a name.
    RevokeTokens {
        /// The site.
        site: String,
        /// The name.
        name: String,
        /// True to remove only the one that expires first.
        oldest: bool,
    },
}

/// The outcome of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryOutcome {
    /// The settings are stored; true for a new site.
    SitePut(bool),
    /// False if no call had created the site.
    SiteRemoved(bool),
    /// The token is stored.
    TokenAdded,
    /// The tokens that were removed.
    TokensRevoked(usize),
}

/// An error of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryError {
    /// The name is none of a site.
    Name,
    /// The settings are invalid, for this reason.
    Settings(String),
    /// There are as many sites as a deployment may have, or their settings are too long.
    Full,
    /// The token cannot be issued, for this reason.
    Token(String),
    /// The site has no token of that name.
    NoToken,
}

impl Registry {
    /// Parses a stored registry.
    ///
    /// # Errors
    /// It is not one of this release.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The number of changes so far.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The sites, by name.
    #[must_use]
    pub const fn sites(&self) -> &BTreeMap<String, RegisteredSite> {
        &self.sites
    }

    /// Makes a change.
    ///
    /// # Errors
    /// The registry is unchanged.
    pub fn apply(&mut self, change: RegistryChange) -> Result<RegistryOutcome, RegistryError> {
        match change {
            RegistryChange::PutSite { site, settings, at, by } => {
                self.put_site(&site, settings, at, &by).map(RegistryOutcome::SitePut)
            }
            RegistryChange::RemoveSite { site } => Ok(RegistryOutcome::SiteRemoved(self.remove_site(&site))),
            RegistryChange::AddToken { site, entry } => {
                self.add_token(site, entry).map(|()| RegistryOutcome::TokenAdded)
            }
            RegistryChange::RevokeTokens { site, name, oldest } => {
                self.revoke_tokens(&site, &name, oldest).map(RegistryOutcome::TokensRevoked)
            }
        }
    }

    fn put_site(
        &mut self,
        name: &str,
        settings: Box<RawValue>,
        now: UnixMillis,
        by: &str,
    ) -> Result<bool, RegistryError> {
        if !is_site_name(name) {
            return Err(RegistryError::Name);
        }
        // The settings of SITES are read in the same way.
        SiteSettings::parse(settings.get()).map_err(|error| RegistryError::Settings(error.to_string()))?;
        let known = self.sites.get(name);
        let length = |site: &RegisteredSite| site.settings.get().len();
        let others: usize =
            self.sites.iter().filter(|(other, _)| *other != name).map(|(_, site)| length(site)).sum();
        let is_full = known.is_none() && self.sites.len() >= MAX_SITES;
        if is_full || others.saturating_add(settings.get().len()) > MAX_SETTINGS_BYTES {
            return Err(RegistryError::Full);
        }
        let created_at = known.map_or(now, |site| site.created_at);
        let site = RegisteredSite { settings, created_at, changed_at: now, changed_by: by.to_owned() };
        let is_new = self.sites.insert(name.to_owned(), site).is_none();
        self.revision = self.revision.saturating_add(1);
        Ok(is_new)
    }

    fn remove_site(&mut self, name: &str) -> bool {
        let had_tokens = self.tokens.remove(name).is_some();
        let is_removed = self.sites.remove(name).is_some();
        if is_removed || had_tokens {
            self.revision = self.revision.saturating_add(1);
        }
        is_removed
    }

    fn add_token(&mut self, site: String, entry: TokenEntry) -> Result<(), RegistryError> {
        let mut tokens = self.tokens.clone();
        tokens.entry(site).or_default().push(entry);
        // The rules of ACCESS_TOKENS hold here, too.
        TokenTable::from_entries(tokens.clone()).map_err(|error| RegistryError::Token(error.to_string()))?;
        self.tokens = tokens;
        self.revision = self.revision.saturating_add(1);
        Ok(())
    }

    fn revoke_tokens(&mut self, site: &str, name: &str, oldest: bool) -> Result<usize, RegistryError> {
        let tokens = self.tokens.get_mut(site).ok_or(RegistryError::NoToken)?;
        let of_name = |(_, entry): &(usize, &TokenEntry)| entry.name() == name;
        let first = tokens.iter().enumerate().filter(of_name).min_by_key(|(_, entry)| entry.expires());
        let (first, _) = first.ok_or(RegistryError::NoToken)?;
        let before = tokens.len();
        match oldest {
            true => drop(tokens.remove(first)),
            false => tokens.retain(|entry| entry.name() != name),
        }
        let revoked = before.saturating_sub(tokens.len());
        if tokens.is_empty() {
            self.tokens.remove(site);
        }
        self.revision = self.revision.saturating_add(1);
        Ok(revoked)
    }

    /// The tokens of a site.
    #[must_use]
    pub fn tokens(&self, site: &str) -> &[TokenEntry] {
        self.tokens.get(site).map_or(&[], Vec::as_slice)
    }

    /// Adds its sites to those of wrangler.toml, which keep their settings. A site whose settings this release cannot
    /// read is left out, and returned.
    pub fn add_sites(&self, sites: &mut BTreeMap<String, SiteSettings>) -> Vec<&str> {
        let mut unreadable = Vec::new();
        for (name, site) in &self.sites {
            match SiteSettings::parse(site.settings.get()) {
                Ok(settings) => {
                    sites.entry(name.clone()).or_insert(settings);
                }
                Err(_) => unreadable.push(name.as_str()),
            }
        }
        unreadable
    }

    /// Adds its tokens to those of the secret `ACCESS_TOKENS`.
    pub fn add_tokens(&self, tokens: &mut TokenTable) {
        if let Ok(own) = TokenTable::from_entries(self.tokens.clone()) {
            tokens.append(own);
        }
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => {
                f.write_str("the name must be 1 to 64 letters, digits, dots, dashes or underscores")
            }
            Self::Settings(reason) | Self::Token(reason) => f.write_str(reason),
            Self::Full => write!(
                f,
                "calls may create {MAX_SITES} sites with {MAX_SETTINGS_BYTES} bytes of settings; erase one first"
            ),
            Self::NoToken => f.write_str("the site has no token of that name"),
        }
    }
}

/// The registry is one value, which every isolate reads.
const MAX_SITES: usize = 1_000;
const MAX_SETTINGS_BYTES: usize = 500_000;
