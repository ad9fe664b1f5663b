//! Access rules: routes that require a credential. The origin verifies it, unless it is a secret of the
//! deployment, which the shell compares. Because an origin may interpret a path differently, the rules of
//! every route that could be meant by the path apply.

use serde::Deserialize;

use crate::headers::{Headers, is_token_byte, parse_cookies};
use crate::http_head::RequestParts;

/// The credential that a route requires: a cookie, a header field or a bearer token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRule {
    /// The name of a cookie.
    #[serde(default)]
    cookie: Option<String>,
    /// The name of a header field.
    #[serde(default)]
    header: Option<String>,
    /// The name of the secret that has to come as a bearer token.
    #[serde(default)]
    bearer: Option<String>,
    /// The name of the secret that the cookie or field has to equal. None: the origin verifies the value.
    #[serde(default)]
    secret: Option<String>,
    /// The login page. `{path}` stands for the requested path and query.
    #[serde(default)]
    pub(crate) login: Option<String>,
}

/// The credential of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The request has none.
    Missing,
    /// The origin verifies it.
    Unverified,
    /// The shell compares it with a secret.
    Secret {
        /// The name of the secret.
        name: String,
        /// The value in the request.
        value: String,
    },
}

/// The response to a request without the required credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthChallenge {
    /// 302 to the login page.
    Redirect(String),
    /// 401 with this challenge (RFC 9110 §11.6.1).
    Unauthorized(String),
}

impl AccessRule {
    /// Checks the keys against each other.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let kinds = [&self.cookie, &self.header, &self.bearer].into_iter().flatten().count();
        let names = [&self.cookie, &self.header, &self.bearer, &self.secret].into_iter().flatten();
        let is_name = |name: &String| !name.is_empty() && name.bytes().all(is_token_byte);
        if kinds != 1 {
            return Err("require needs exactly one of cookie, header and bearer".into());
        }
        if !names.into_iter().all(is_name) {
            return Err("names in require must be valid names of a cookie, a header field or a secret".into());
        }
        if self.bearer.is_some() && self.secret.is_some() {
            return Err("bearer already names the secret; remove `secret`".into());
        }
        let is_login_target = |place: &String| {
            let rest = place.strip_prefix('/').filter(|rest| !rest.starts_with(['/', '\\']));
            (rest.is_some() || place.starts_with("https://"))
                && place.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !self.login.iter().all(is_login_target) {
            return Err(
                "login must be a path such as /login?next={path}, or a URL that begins with https://".into(),
            );
        }
        Ok(())
    }

    /// Returns the credential of a request.
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

    /// Returns the response to a request without the credential: a redirect for pages, else a challenge.
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

/// Returns the token of an Authorization field (RFC 6750 §2.1).
fn bearer_token(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}
