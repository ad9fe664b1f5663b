//! The tokens of a deployment: the secrets for all sites, and the table in `ACCESS_TOKENS` with hashes for each site.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq};
use wire::UnixMillis;
use wire::routes::Right;

use crate::caller::{ALL_SITES, Caller};
use crate::date::{format_day, parse_day};
use crate::digest::TokenDigest;

/// The tokens of a deployment.
#[derive(Clone, Debug, Default)]
pub struct TokenTable {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug)]
struct Token {
    name: String,
    scope: String,
    rights: Vec<Right>,
    digest: TokenDigest,
    /// `None` for a secret, which is valid until it is replaced.
    expires: Option<UnixMillis>,
    min_length: usize,
}

/// An entry of `ACCESS_TOKENS`, or of the tokens that calls create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    name: String,
    rights: Vec<Right>,
    sha256: String,
    /// The first day on which the token is not valid any more, in UTC.
    expires: String,
}

/// An error in a table of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTableError(String);

impl TokenEntry {
    /// Describes a token. It is not valid any more on the day of its expiry.
    #[must_use]
    pub fn new(name: &str, rights: &[Right], token: &str, expires: UnixMillis) -> Self {
        Self {
            name: name.to_owned(),
            rights: rights.to_vec(),
            sha256: TokenDigest::of(token).to_hex(),
            expires: format_day(expires),
        }
    }

    /// The holder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rights.
    #[must_use]
    pub fn rights(&self) -> &[Right] {
        &self.rights
    }

    /// The first day on which the token is not valid any more.
    #[must_use]
    pub fn expires(&self) -> &str {
        &self.expires
    }
}

impl TokenTable {
    /// Parses `ACCESS_TOKENS`: entries by site. An empty text is an empty table.
    ///
    /// # Errors
    /// Names the entry and what it must be. No error holds a hash.
    pub fn parse(text: &str) -> Result<Self, TokenTableError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let sites: BTreeMap<String, Vec<TokenEntry>> = serde_json::from_str(text).map_err(|error| {
            TokenTableError(format!(
                "not a table of tokens by site (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        Self::from_entries(sites)
    }

    /// Reads entries by site.
    ///
    /// # Errors
    /// Names the entry and what it must be. No error holds a hash.
    pub fn from_entries(sites: BTreeMap<String, Vec<TokenEntry>>) -> Result<Self, TokenTableError> {
        if sites.values().map(Vec::len).sum::<usize>() > MAX_TOKENS {
            return Err(TokenTableError(format!("at most {MAX_TOKENS} tokens")));
        }
        let mut tokens: Vec<Token> = Vec::new();
        for (scope, entries) in sites {
            for (index, entry) in entries.into_iter().enumerate() {
                let token = read_entry(&scope, entry)
                    .map_err(|want| TokenTableError(format!("{scope}[{index}]: {want}")))?;
                let same = tokens.iter().filter(|other| other.scope == scope && other.name == token.name);
                if same.count() >= MAX_SAME_NAME {
                    return Err(TokenTableError(format!(
                        "{scope}[{index}]: two tokens of one name are for rotation; a third needs another name"
                    )));
                }
                tokens.push(token);
            }
        }
        Ok(Self { tokens })
    }

    /// Adds the tokens of another table.
    pub fn append(&mut self, other: Self) {
        self.tokens.extend(other.tokens);
    }

    /// Adds a secret that grants rights for all sites. An empty one grants nothing.
    pub fn add_secret(&mut self, name: &str, secret: &str, rights: &[Right]) {
        if !secret.is_empty() {
            self.tokens.push(Token {
                name: name.to_owned(),
                scope: ALL_SITES.to_owned(),
                rights: rights.to_vec(),
                digest: TokenDigest::of(secret),
                expires: None,
                min_length: 0,
            });
        }
    }

    /// Identifies the caller with a token. Every entry is compared, so that the time tells nothing.
    #[must_use]
    pub fn identify(&self, token: &str, now: UnixMillis) -> Caller {
        let digest = TokenDigest::of(token);
        let mut caller = Caller::default();
        for entry in &self.tokens {
            let is_valid =
                token.len() >= entry.min_length && entry.expires.is_none_or(|expires| now < expires);
            let is_same = entry.digest.ct_eq(&digest) & Choice::from(u8::from(is_valid));
            if bool::from(is_same) {
                caller.grant(&entry.name, &entry.scope, &entry.rights);
            }
        }
        caller
    }
}

fn read_entry(scope: &str, entry: TokenEntry) -> Result<Token, &'static str> {
    let TokenEntry { name, rights, sha256, expires } = entry;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
        return Err("`name` must be 1 to 64 letters, digits, dots, dashes and underscores");
    }
    if rights.is_empty() {
        return Err("`rights` must list at least one right");
    }
    if scope != ALL_SITES && rights.contains(&Right::Cache) {
        return Err("the right `cache` is of the whole deployment; list the token under `*`");
    }
    let digest = TokenDigest::from_hex(&sha256).ok_or("`sha256` must be 64 hexadecimal digits")?;
    let expires = parse_day(&expires).ok_or("`expires` must be a day, such as 2027-06-30")?;
    let scope = scope.to_owned();
    Ok(Token { name, scope, rights, digest, expires: Some(expires), min_length: MIN_TOKEN_LENGTH })
}

impl fmt::Display for TokenTableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A shorter token is refused even where its hash is listed: it can be guessed.
pub const MIN_TOKEN_LENGTH: usize = 32;
const MAX_TOKENS: usize = 256;
/// The token that is in use, and the one that replaces it.
const MAX_SAME_NAME: usize = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const OLD: &str = "an old token of at least 32 characters";
    const NEW: &str = "a new token of at least 32 characters!";

    fn hex(token: &str) -> String {
        use sha2::Digest;
        wire::hex::encode(&sha2::Sha256::digest(token.as_bytes()))
    }

    fn entry(name: &str, rights: &str, token: &str, expires: &str) -> String {
        format!(r#"{{"name":"{name}","rights":[{rights}],"sha256":"{}","expires":"{expires}"}}"#, hex(token))
    }

    fn table(text: &str) -> TokenTable {
        TokenTable::parse(text).expect(text)
    }

    #[test]
    fn a_token_has_its_rights_for_its_site_alone() {
        let text = format!(r#"{{"shop":[{}]}}"#, entry("grafana", r#""read","lab""#, OLD, "2027-06-30"));
        let caller = table(&text).identify(OLD, NOW);
        assert_eq!(caller.name.as_deref(), Some("grafana"));
        assert!(caller.may(Right::Read, "shop") && caller.may(Right::Lab, "shop"));
        assert!(!caller.may(Right::Manage, "shop") && !caller.may(Right::Read, "blog"));
        assert!(!caller.may(Right::Read, ALL_SITES) && !caller.may_for_all(Right::Read));
    }

    #[test]
    fn two_tokens_of_one_name_are_valid_during_a_rotation() {
        let [old, new] = [(OLD, "2027-01-16"), (NEW, "2027-06-30")]
            .map(|(token, expires)| entry("ci", r#""manage""#, token, expires));
        let both = table(&format!(r#"{{"*":[{old},{new}]}}"#));
        let may = |token, at| both.identify(token, at).may(Right::Manage, "shop");
        assert!(may(OLD, NOW) && may(NEW, NOW));
        let later = NOW.saturating_add(86_400_000);
        assert!(!may(OLD, later) && may(NEW, later));
        let third = TokenTable::parse(&format!(r#"{{"*":[{old},{new},{new}]}}"#));
        assert!(third.expect_err("a third").to_string().contains("two tokens of one name"));
    }

    #[test]
    fn a_secret_grants_its_rights_for_all_sites_and_an_empty_one_nothing() {
        let mut all = TokenTable::default();
        all.add_secret("READ_TOKEN", "read", &[Right::Read]);
        all.add_secret("MANAGE_TOKEN", "", &[Right::Manage]);
        assert!(all.identify("read", NOW).may_for_all(Right::Read));
        assert_eq!(all.identify("", NOW), Caller::default());
        assert_eq!(all.identify("rea", NOW), Caller::default());
    }

    #[test]
    fn a_short_token_is_refused_although_its_hash_is_listed() {
        let short = "x".repeat(MIN_TOKEN_LENGTH - 1);
        let text = format!(r#"{{"*":[{}]}}"#, entry("weak", r#""read""#, &short, "2027-06-30"));
        assert_eq!(table(&text).identify(&short, NOW), Caller::default());
    }

    #[test]
    fn a_mistake_names_its_entry_and_no_hash() {
        let good = entry("a", r#""read""#, OLD, "2027-06-30");
        for (text, want) in [
            ("[]".to_owned(), "table of tokens by site"),
            (format!(r#"{{"shop":[{}]}}"#, good.replace("\"read\"", "\"write\"")), "table of tokens by site"),
            (format!(r#"{{"shop":[{good},{}]}}"#, good.replace("2027-06-30", "soon")), "shop[1]: `expires`"),
            (
                format!(r#"{{"shop":[{}]}}"#, good.replace("\"read\"", "\"cache\"")),
                "list the token under `*`",
            ),
            (format!(r#"{{"shop":[{}]}}"#, good.replace("\"read\"", "")), "`rights`"),
            (format!(r#"{{"shop":[{}]}}"#, good.replace("\"a\"", "\"a b\"")), "`name`"),
            (format!(r#"{{"shop":[{}]}}"#, good.replace(&hex(OLD), "abc")), "`sha256`"),
            (format!(r#"{{"*":[{}]}}"#, vec![good.as_str(); 257].join(",")), "at most 256"),
        ] {
            let message = TokenTable::parse(&text).expect_err(&text).to_string();
            assert!(message.contains(want) && !message.contains(&hex(OLD)), "{message}");
        }
        assert!(table(" ").tokens.is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_other_token_is_identified(text in "\\PC{0,80}", token in "\\PC{0,60}") {
            let _ = TokenTable::parse(&text);
            let listed = table(&format!(r#"{{"*":[{}]}}"#, entry("a", r#""read""#, OLD, "2027-06-30")));
            prop_assert_eq!(listed.identify(&token, NOW).name.is_some(), token == OLD);
        }
    }
}
