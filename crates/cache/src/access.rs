//! Who may ask at all: routes whose answers want a proof. What the proof is worth is the origin's to
//! say, unless it is a secret of the deployment, which the shell compares. An origin may read a path
//! otherwise than the route was written, so a proof is wanted for every reading that a guarded route has.

use serde::Deserialize;

use crate::headers::{Headers, is_token_byte, parse_cookies};
use crate::http_head::RequestParts;

/// What a request has to bring: one of a cookie, a field and a bearer token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRule {
    /// A cookie of this name.
    #[serde(default)]
    cookie: Option<String>,
    /// A field of this name.
    #[serde(default)]
    header: Option<String>,
    /// The secret of this name as a bearer token.
    #[serde(default)]
    bearer: Option<String>,
    /// The secret that the cookie or the field has to be; without it, any will do.
    #[serde(default)]
    secret: Option<String>,
    /// Where to log in; `{path}` stands for where the visitor wanted to go.
    #[serde(default)]
    pub(crate) login: Option<String>,
}

/// What a request brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    Missing,
    /// Something, whose worth is the origin's to say.
    Unverified,
    /// Something that has to be the secret of that name.
    Secret {
        /// The name of the secret.
        name: String,
        /// What the request says that it is.
        value: String,
    },
}

/// What is answered to a request without a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthChallenge {
    /// 302: there it can be had.
    Redirect(String),
    /// 401, with this challenge.
    Unauthorized(String),
}

impl AccessRule {
    /// What holds between its keys.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let kinds = [&self.cookie, &self.header, &self.bearer].into_iter().flatten().count();
        let names = [&self.cookie, &self.header, &self.bearer, &self.secret].into_iter().flatten();
        let is_name = |name: &String| !name.is_empty() && name.bytes().all(is_token_byte);
        if kinds != 1 {
            return Err("require wants one of cookie, header and bearer".into());
        }
        if !names.into_iter().all(is_name) {
            return Err("a name in require must be one of a cookie, a header field or a secret".into());
        }
        if self.bearer.is_some() && self.secret.is_some() {
            return Err("bearer names the secret itself; leave `secret` out".into());
        }
        let is_login_target = |place: &String| {
            let rest = place.strip_prefix('/').filter(|rest| !rest.starts_with(['/', '\\']));
            (rest.is_some() || place.starts_with("https://"))
                && place.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !self.login.iter().all(is_login_target) {
            return Err(
                "login must be a path, as /login?next={path}, or an address that begins with https://".into(),
            );
        }
        Ok(())
    }

    /// What a request brings.
    #[must_use]
    pub fn credential(&self, headers: &Headers) -> Credential {
        let given = match (&self.cookie, &self.header) {
            (Some(name), _) => {
                let mut all = parse_cookies(headers).into_iter();
                all.find(|(known, _)| known == name).map(|(_, value)| value.to_owned())
            }
            (None, Some(name)) => headers.first(name).map(str::to_owned),
            (None, None) => headers.first("authorization").and_then(bearer_token),
        };
        let given = given.filter(|given| !given.is_empty());
        match (given, self.bearer.as_ref().or(self.secret.as_ref())) {
            (None, _) => Credential::Missing,
            (Some(_), None) => Credential::Unverified,
            (Some(given), Some(name)) => Credential::Secret { name: name.clone(), value: given },
        }
    }

    /// What is answered to a request without it.
    #[must_use]
    pub fn challenge(&self, incoming: &RequestParts<'_>) -> AuthChallenge {
        if let Some(login) = self.login.as_ref().filter(|_| incoming.head.is_get_or_head()) {
            let query =
                if incoming.query.is_empty() { String::new() } else { format!("?{}", incoming.query) };
            return AuthChallenge::Redirect(
                login.replace("{path}", &percent_encode(&format!("{}{query}", incoming.path))),
            );
        }
        AuthChallenge::Unauthorized(match (&self.cookie, &self.header) {
            (Some(name), _) => format!("Cookie name=\"{name}\""),
            (None, Some(name)) => format!("Header name=\"{name}\""),
            (None, None) => "Bearer".into(),
        })
    }
}

fn percent_encode(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                all.push(byte.into())
            }
            _ => all.push_str(&format!("%{byte:02X}")),
        }
    }
    all
}

/// RFC 6750 §2.1.
fn bearer_token(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}
