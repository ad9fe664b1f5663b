//! Parsing of the configured sinks and signing keys. Configuration errors are reported before anything is
//! sent; storing the texts is left to the shell.

use std::fmt;

use crate::signature::{SigningKey, SigningKeyError};

/// A backend that receives documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// The name of its outbox, which survives a change of the URL.
    pub name: String,
    /// The URL that documents are posted to.
    pub url: String,
}

/// An error in the configured sinks or keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkConfigError {
    /// An entry without a valid HTTP URL.
    InvalidUrl(String),
    /// Two sinks with the same name.
    DuplicateName(String),
    /// An entry that is not a valid name and secret.
    InvalidKey {
        /// The position of the entry, counted from 1; the text itself is secret.
        position: usize,
        /// The defect of an entry that has both parts.
        error: Option<SigningKeyError>,
    },
    /// Sinks without a signing key.
    MissingKey,
}

impl Sink {
    /// Parses a comma-separated list of `url` or `name=url`. The default name is `backend`.
    ///
    /// # Errors
    /// Returns the first invalid entry.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, SinkConfigError> {
        let mut sinks: Vec<Self> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let named = part.split_once('=').filter(|(name, _)| is_name(name));
            let (name, url) = named.unwrap_or(("backend", part));
            if !is_http_url(url) {
                return Err(SinkConfigError::InvalidUrl(part.to_owned()));
            }
            if sinks.iter().any(|sink| sink.name == name) {
                return Err(SinkConfigError::DuplicateName(name.to_owned()));
            }
            sinks.push(Self { name: name.to_owned(), url: url.to_owned() });
        }
        Ok(sinks)
    }
}

/// Parses `name:secret`, one per line. The first key signs; the others are tried if the backend does not know
/// it, so that both sides can rotate keys in any order.
///
/// # Errors
/// Returns the position of the first invalid key, never its text.
pub fn parse_signing_keys(text: &str) -> Result<Vec<SigningKey>, SinkConfigError> {
    let parts = text.lines().map(str::trim).filter(|part| !part.is_empty());
    let key = |(index, part): (usize, &str)| {
        let position = index + 1;
        let (id, secret) =
            part.split_once(':').ok_or(SinkConfigError::InvalidKey { position, error: None })?;
        SigningKey::new(id, secret.as_bytes())
            .map_err(|error| SinkConfigError::InvalidKey { position, error: Some(error) })
    };
    parts.enumerate().map(key).collect()
}

/// Returns true for an HTTP URL that a Worker can post to, without credentials.
#[must_use]
pub fn is_http_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let plain = |byte: u8| byte.is_ascii_graphic();
    host.is_some_and(|host| !host.is_empty() && !host.contains('@')) && text.bytes().all(plain)
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

impl fmt::Display for SinkConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUrl(found) => write!(
                f,
                "`{found}` is not a valid sink; write `https://example.com/vitals` or `name=https://…`, separated by \
                 commas"
            ),
            Self::DuplicateName(name) => {
                write!(f, "two sinks are named `{name}`; give each a name of its own with `name=https://…`")
            }
            Self::InvalidKey { position, error: None } => {
                write!(f, "signing key {position} is not of the form `name:secret`")
            }
            Self::InvalidKey { position, error: Some(error) } => {
                write!(f, "signing key {position}: {error}")
            }
            Self::MissingKey => {
                write!(f, "no signing key; set the secret PUSH_KEYS to `name:secret`, one per line")
            }
        }
    }
}

impl std::error::Error for SinkConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_parse_names_and_urls() {
        let sink = |name: &str, url: &str| Sink { name: name.into(), url: url.into() };
        assert_eq!(
            Sink::parse_list(" https://a.example/v?x=1 "),
            Ok(vec![sink("backend", "https://a.example/v?x=1")])
        );
        assert_eq!(
            Sink::parse_list("https://a.example/,audit=http://b.example:8080/x"),
            Ok(vec![sink("backend", "https://a.example/"), sink("audit", "http://b.example:8080/x")])
        );
        assert_eq!(Sink::parse_list(" , "), Ok(vec![]));
    }

    #[test]
    fn an_invalid_url_is_refused() {
        for wrong in
            ["a.example", "ftp://a.example", "https://", "https:///x", "https://a b", "https://u:p@a.example"]
        {
            assert_eq!(Sink::parse_list(wrong), Err(SinkConfigError::InvalidUrl(wrong.into())));
        }
        let twice = Sink::parse_list("https://a.example/,https://b.example/");
        assert_eq!(twice, Err(SinkConfigError::DuplicateName("backend".into())));
    }

    #[test]
    fn a_secret_may_contain_anything_but_a_newline() {
        let found = parse_signing_keys(
            "a:one, two: three and four, to five\r\n\n b:the second one, of 32 bytes and more",
        )
        .unwrap();
        assert_eq!(
            found,
            [
                SigningKey::new("a", b"one, two: three and four, to five"),
                SigningKey::new("b", b"the second one, of 32 bytes and more")
            ]
            .map(Result::unwrap)
        );
    }

    #[test]
    fn keys_need_a_name_and_a_long_secret() {
        let (one, two) = ("2027-01:an example secret of 32 bytes...", "2027-02:another one: too short");
        let found = parse_signing_keys(one).unwrap();
        assert_eq!(found, vec![SigningKey::new("2027-01", b"an example secret of 32 bytes...").unwrap()]);
        assert_eq!(
            parse_signing_keys("just-a-secret-of-32-bytes-and-more"),
            Err(SinkConfigError::InvalidKey { position: 1, error: None })
        );
        let short = SinkConfigError::InvalidKey {
            position: 2,
            error: Some(SigningKeyError::SecretTooShort { found_bytes: 22 }),
        };
        assert_eq!(parse_signing_keys(&format!("{one}\n{two}")), Err(short.clone()));
        assert!(!short.to_string().contains("another"));
    }
}
