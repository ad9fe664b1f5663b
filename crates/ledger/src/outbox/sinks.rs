//! Where documents are pushed to and by which keys they are signed, as a deployment writes it. Where these
//! texts are kept is the shell's business; a mistake in them is told before anything is sent.

use std::fmt;

use super::signature::{Key, KeyMistake};

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
pub enum SinkMistake {
    /// Something is no address.
    Url(String),
    /// Two have one name.
    Twice(String),
    /// A key is not a name and a secret.
    Key {
        /// Which one, counted from 1: the text itself is secret.
        place: usize,
        /// What is wrong with it, where it has both.
        why: Option<KeyMistake>,
    },
    /// There are sinks, and no key to sign with.
    NoKey,
}

impl Sink {
    /// Reads `url` or `name=url`, several with commas. One without a name is called `backend`.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn read(text: &str) -> Result<Vec<Self>, SinkMistake> {
        let mut sinks: Vec<Self> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let named = part.split_once('=').filter(|(name, _)| is_name(name));
            let (name, url) = named.unwrap_or(("backend", part));
            if !is_address(url) {
                return Err(SinkMistake::Url(part.to_owned()));
            }
            if sinks.iter().any(|sink| sink.name == name) {
                return Err(SinkMistake::Twice(name.to_owned()));
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
pub fn keys(text: &str) -> Result<Vec<Key>, SinkMistake> {
    let parts = text.lines().map(str::trim).filter(|part| !part.is_empty());
    let key = |(index, part): (usize, &str)| {
        let place = index + 1;
        let (id, secret) = part.split_once(':').ok_or(SinkMistake::Key { place, why: None })?;
        Key::new(id, secret.as_bytes()).map_err(|why| SinkMistake::Key { place, why: Some(why) })
    };
    parts.enumerate().map(key).collect()
}

/// Whether it is an address that a Worker can post to, without a name or password in it.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let plain = |byte: u8| byte.is_ascii_graphic();
    host.is_some_and(|host| !host.is_empty() && !host.contains('@')) && text.bytes().all(plain)
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

impl fmt::Display for SinkMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(found) => write!(
                f,
                "`{found}` is no address: it is like `https://example.com/vitals`, or `name=https://…`, several with \
                 commas"
            ),
            Self::Twice(name) => {
                write!(f, "two addresses are called `{name}`; name them `name=https://…`")
            }
            Self::Key { place, why: None } => write!(f, "the signing key {place} is no `name:secret`"),
            Self::Key { place, why: Some(why) } => write!(f, "the signing key {place}: {why}"),
            Self::NoKey => {
                write!(
                    f,
                    "there is no key to sign with; set the secret PUSH_KEYS to `name:secret`, one a line"
                )
            }
        }
    }
}

impl std::error::Error for SinkMistake {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_have_names_and_addresses() {
        let sink = |name: &str, url: &str| Sink { name: name.into(), url: url.into() };
        assert_eq!(
            Sink::read(" https://a.example/v?x=1 "),
            Ok(vec![sink("backend", "https://a.example/v?x=1")])
        );
        assert_eq!(
            Sink::read("https://a.example/,audit=http://b.example:8080/x"),
            Ok(vec![sink("backend", "https://a.example/"), sink("audit", "http://b.example:8080/x")])
        );
        assert_eq!(Sink::read(" , "), Ok(vec![]));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in
            ["a.example", "ftp://a.example", "https://", "https:///x", "https://a b", "https://u:p@a.example"]
        {
            assert_eq!(Sink::read(wrong), Err(SinkMistake::Url(wrong.into())));
        }
        let twice = Sink::read("https://a.example/,https://b.example/");
        assert_eq!(twice, Err(SinkMistake::Twice("backend".into())));
    }

    #[test]
    fn a_secret_may_hold_anything_but_a_line_s_end() {
        let found =
            keys("a:one, two: three and four, to five\r\n\n b:the second one, of 32 bytes and more").unwrap();
        assert_eq!(
            found,
            [
                Key::new("a", b"one, two: three and four, to five"),
                Key::new("b", b"the second one, of 32 bytes and more")
            ]
            .map(Result::unwrap)
        );
    }

    #[test]
    fn keys_have_names_and_secrets_that_cannot_be_guessed() {
        let (one, two) = ("2027-01:an example secret of 32 bytes...", "2027-02:another one: too short");
        let found = keys(one).unwrap();
        assert_eq!(found, vec![Key::new("2027-01", b"an example secret of 32 bytes...").unwrap()]);
        assert_eq!(keys("just-a-secret-of-32-bytes-and-more"), Err(SinkMistake::Key { place: 1, why: None }));
        let short = SinkMistake::Key { place: 2, why: Some(KeyMistake::Short { found: 22 }) };
        assert_eq!(keys(&format!("{one}\n{two}")), Err(short.clone()));
        assert!(!short.to_string().contains("another"));
    }
}
