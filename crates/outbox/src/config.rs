//! Where documents are pushed to and by which keys they are signed, as a deployment writes it. Where these
//! texts are kept is the shell's business; a mistake in them is told before anything is sent.

use std::fmt;

use crate::signature::{SigningKey, SigningKeyError};

/// A backend that documents are pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// By which its outbox is known: an address may change, and what is owed goes on.
    pub name: String,
    /// The address.
    pub url: String,
}

/// What is wrong with sinks or keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkConfigError {
    /// Something is no address.
    InvalidUrl(String),
    /// Two have one name.
    DuplicateName(String),
    /// A key is not a name and a secret.
    InvalidKey {
        /// Which one, counted from 1: the text itself is secret.
        position: usize,
        /// What is wrong with it, where it has both.
        error: Option<SigningKeyError>,
    },
    /// There are sinks, and no key to sign with.
    MissingKey,
}

impl Sink {
    /// Reads `url` or `name=url`, several with commas. One without a name is called `backend`.
    ///
    /// # Errors
    /// Says which part is wrong.
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

/// Reads `id:secret`, one a line. The first one signs; the others are tried where a backend does
/// not know it, so that both sides may change keys in any order.
///
/// # Errors
/// Says which key is wrong, and never shows it.
pub fn parse_signing_keys(text: &str) -> Result<Vec<SigningKey>, SinkConfigError> {
    let parts = text.lines().map(str::trim).filter(|part| !part.is_empty());
    let key = |(index, part): (usize, &str)| {
        let place = index + 1;
        let (id, secret) =
            part.split_once(':').ok_or(SinkConfigError::InvalidKey { position: place, error: None })?;
        SigningKey::new(id, secret.as_bytes())
            .map_err(|why| SinkConfigError::InvalidKey { position: place, error: Some(why) })
    };
    parts.enumerate().map(key).collect()
}

/// Whether it is an address that a Worker can post to, without a name or password in it.
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
                "`{found}` is no address: it is like `https://example.com/vitals`, or `name=https://…`, several with \
                 commas"
            ),
            Self::DuplicateName(name) => {
                write!(f, "two addresses are called `{name}`; name them `name=https://…`")
            }
            Self::InvalidKey { position: place, error: None } => {
                write!(f, "the signing key {place} is no `name:secret`")
            }
            Self::InvalidKey { position: place, error: Some(why) } => {
                write!(f, "the signing key {place}: {why}")
            }
            Self::MissingKey => {
                write!(
                    f,
                    "there is no key to sign with; set the secret PUSH_KEYS to `name:secret`, one a line"
                )
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
