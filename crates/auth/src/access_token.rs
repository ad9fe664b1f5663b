//! Sign-in through Cloudflare Access: the JSON Web Token (RFC 7519) that Access adds to each request, signed with
//! RS256. The platform checks the signature; everything else is decided here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use wire::UnixMillis;
use wire::routes::Right;

use crate::caller::{ALL_SITES, Caller};

/// The Access application before a deployment, and the rights of those who sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    /// The address of the team, such as `https://team.cloudflareaccess.com`.
    pub team: String,
    audience: String,
    /// Rights for all sites by e-mail address; under `*` those of everybody.
    rights: BTreeMap<String, Vec<Right>>,
}

/// A token whose signature is not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedToken<'a> {
    /// The signed text.
    pub signed: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
    /// The number of its key.
    pub key_id: String,
    email: String,
}

#[derive(Deserialize)]
struct TokenHeader {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    aud: TokenAudience,
    iss: String,
    exp: u64,
    #[serde(default)]
    nbf: u64,
    /// Absent for a service token, which has `common_name`.
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    common_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TokenAudience {
    One(String),
    Several(Vec<String>),
}

impl AccessPolicy {
    /// Reads `ACCESS_TEAM`, `ACCESS_AUDIENCE` and `ACCESS_RIGHTS`; without a team there is no policy, and without rights
    /// everybody who signs in may read.
    ///
    /// # Errors
    /// Names the variable, and what it must be.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let Some(team) = variable("ACCESS_TEAM") else { return Ok(None) };
        let team = team.trim_end_matches('/').to_owned();
        let is_local = team.starts_with("http://127.0.0.1:");
        if !is_local && !team.starts_with("https://") || team.contains(|char: char| char.is_whitespace()) {
            return Err("ACCESS_TEAM must be an address such as https://team.cloudflareaccess.com".into());
        }
        let audience = variable("ACCESS_AUDIENCE").filter(|text| !text.is_empty());
        let audience = audience.ok_or("ACCESS_AUDIENCE must be the application's audience tag")?;
        let rights = match variable("ACCESS_RIGHTS") {
            None => BTreeMap::from_iter([(ALL_SITES.to_owned(), vec![Right::Read])]),
            Some(text) => serde_json::from_str(&text).map_err(|error| {
                format!("ACCESS_RIGHTS must be lists of rights by e-mail address: {error}")
            })?,
        };
        Ok(Some(Self { team, audience, rights }))
    }

    /// Reads a token, and checks what it claims; `None` if it is not of this application, or not valid now.
    #[must_use]
    pub fn read<'a>(&self, token: &'a str, now: UnixMillis) -> Option<UnverifiedToken<'a>> {
        if token.len() > MAX_TOKEN_LENGTH {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: TokenHeader = serde_json::from_slice(&decode_base64url(header)?).ok()?;
        // Another algorithm, or none, would let the sender choose the key.
        if header.alg != "RS256" {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&decode_base64url(claims)?).ok()?;
        let is_for_us = match &claims.aud {
            TokenAudience::One(audience) => *audience == self.audience,
            TokenAudience::Several(audiences) => audiences.contains(&self.audience),
        };
        let seconds = now.0 / 1_000;
        let is_valid_now = seconds < claims.exp && claims.nbf <= seconds.saturating_add(CLOCK_SKEW_SECONDS);
        if !is_for_us || !is_valid_now || claims.iss.trim_end_matches('/') != self.team {
            return None;
        }
        let email = claims.email.filter(|email| !email.is_empty()).or(claims.common_name)?;
        Some(UnverifiedToken { signed, signature: decode_base64url(signature)?, key_id: header.kid, email })
    }

    /// Returns the caller with a token whose signature is right.
    #[must_use]
    pub fn caller(&self, token: &UnverifiedToken<'_>) -> Caller {
        let mut caller = Caller::default();
        for holder in [ALL_SITES, token.email.as_str()] {
            if let Some(rights) = self.rights.get(holder) {
                caller.grant(&token.email, ALL_SITES, rights);
            }
        }
        caller
    }
}

/// Parses a set of keys (RFC 7517 §5): the number of each RSA key, and the key in JSON. A set without one is none.
#[must_use]
pub fn parse_key_set(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let KeySet { keys } = serde_json::from_slice(bytes).ok()?;
    let is_rsa = |key: &Value| key.get("kty").and_then(Value::as_str) == Some("RSA");
    let keys = keys.into_iter().filter(is_rsa);
    let keys: Vec<(String, String)> =
        keys.filter_map(|key| Some((key.get("kid")?.as_str()?.to_owned(), key.to_string()))).collect();
    (!keys.is_empty()).then_some(keys)
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// Returns true if a request that signs in by a cookie is of the Worker's own pages. Another site's page can make the
/// browser send it, and must not change anything by it.
#[must_use]
pub fn is_own_page(method: &str, fetch_site: Option<&str>) -> bool {
    matches!(method, "GET" | "HEAD") || fetch_site == Some("same-origin")
}

/// Decodes base64 with the alphabet for URLs and without padding (RFC 4648 §5).
fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut length) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xFFFF;
        length += 6;
        if length >= 8 {
            length -= 8;
            bytes.push((bits >> length) as u8);
        }
    }
    // A rest of six bits is no byte.
    (length != 6).then_some(bytes)
}

const MAX_TOKEN_LENGTH: usize = 8_192;
const CLOCK_SKEW_SECONDS: u64 = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const TEAM: &str = "https://team.cloudflareaccess.com";

    /// A change of a token's header and claims.
    type TokenChange = dyn Fn(&mut Value, &mut Value);

    fn encode(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            for digit in 0..=chunk.len() {
                text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
            }
        }
        text
    }

    fn policy(rights: Option<&str>) -> AccessPolicy {
        let variable = |name: &str| match name {
            "ACCESS_TEAM" => Some(format!("{TEAM}/")),
            "ACCESS_AUDIENCE" => Some("tag".to_owned()),
            _ => rights.map(str::to_owned),
        };
        AccessPolicy::from_variables(variable).expect("valid").expect("a team")
    }

    fn token(change: impl Fn(&mut Value, &mut Value)) -> String {
        let mut header = json!({ "alg": "RS256", "kid": "k1" });
        let mut claims =
            json!({ "aud": ["tag"], "iss": TEAM, "exp": 1_800_000_060, "email": "ann@example.com" });
        change(&mut header, &mut claims);
        format!(
            "{}.{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes()),
            encode(b"sig")
        )
    }

    #[test]
    fn a_token_of_the_application_names_its_holder() {
        let text = token(|_, _| {});
        let policy = policy(None);
        let read = policy.read(&text, NOW).expect("valid");
        assert_eq!((read.key_id.as_str(), read.signature.as_slice()), ("k1", b"sig".as_slice()));
        assert!(text.starts_with(read.signed));
        let caller = policy.caller(&read);
        assert_eq!(caller.name.as_deref(), Some("ann@example.com"));
        assert!(caller.may(Right::Read, "shop") && !caller.may(Right::Manage, "shop"));
    }

    #[test]
    fn rights_are_by_address_and_a_stranger_has_those_of_everybody() {
        let policy = policy(Some(r#"{"*":["read"],"ann@example.com":["manage"]}"#));
        let rights = |email: &str| {
            let text = token(|_, claims| claims["email"] = email.into());
            let caller = policy.caller(&policy.read(&text, NOW).expect("valid"));
            (caller.may(Right::Read, "shop"), caller.may(Right::Manage, "shop"))
        };
        assert_eq!([rights("ann@example.com"), rights("bob@example.com")], [(true, true), (true, false)]);
    }

    #[test]
    fn a_token_that_claims_anything_else_is_none() {
        let policy = policy(None);
        let changes: [&TokenChange; 9] = [
            &|header, _| header["alg"] = "none".into(),
            &|header, _| header["alg"] = "HS256".into(),
            &|header, _| header["kid"] = Value::Null,
            &|_, claims| claims["aud"] = json!(["other"]),
            &|_, claims| claims["aud"] = "other".into(),
            &|_, claims| claims["iss"] = "https://evil.example".into(),
            &|_, claims| claims["exp"] = 1_800_000_000_u64.into(),
            &|_, claims| claims["nbf"] = 1_800_000_061_u64.into(),
            &|_, claims| claims["email"] = "".into(),
        ];
        for (index, change) in changes.iter().enumerate() {
            assert_eq!(policy.read(&token(change), NOW), None, "change {index}");
        }
        let valid = token(|_, _| {});
        for text in ["", "a.b", "a.b.c", &valid.replace('.', ""), &format!("{valid}="), &"a".repeat(9_000)] {
            assert_eq!(policy.read(text, NOW), None, "{text}");
        }
        let service = token(|_, claims| {
            claims["email"] = "".into();
            claims["common_name"] = "ci".into();
        });
        assert!(policy.read(&service, NOW).is_some(), "a service token has another name");
    }

    #[test]
    fn a_set_without_an_rsa_key_replaces_none() {
        let set = parse_key_set(
            br#"{"keys":[{"kid":"e","kty":"EC"},{"kid":"r","kty":"RSA","n":"x"},{"kty":"RSA"}]}"#,
        );
        let [(id, key)] = &set.expect("a key")[..] else { panic!("one key") };
        assert!(id == "r" && key.contains(r#""n":"x""#));
        for text in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kid":"e","kty":"EC"}]}"#, r#"{"keys":[1]}"#] {
            assert_eq!(parse_key_set(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_mistake_names_its_variable() {
        let with = |team: &str, audience: &str, rights: &str| {
            AccessPolicy::from_variables(|name| {
                Some(match name {
                    "ACCESS_TEAM" => team.to_owned(),
                    "ACCESS_AUDIENCE" => audience.to_owned(),
                    _ => rights.to_owned(),
                })
            })
        };
        for (result, name) in [
            (with("http://team.example", "tag", "{}"), "ACCESS_TEAM"),
            (with(TEAM, "", "{}"), "ACCESS_AUDIENCE"),
            (with(TEAM, "tag", r#"{"*":["write"]}"#), "ACCESS_RIGHTS"),
        ] {
            assert!(result.expect_err(name).starts_with(name));
        }
        assert_eq!(AccessPolicy::from_variables(|_| None), Ok(None));
    }

    #[test]
    fn a_foreign_page_changes_nothing_by_a_cookie() {
        assert!(is_own_page("GET", Some("cross-site")) && is_own_page("POST", Some("same-origin")));
        for site in [None, Some("cross-site"), Some("same-site"), Some("none")] {
            assert!(!is_own_page("POST", site) && !is_own_page("DELETE", site), "{site:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_are_read_back(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(decode_base64url(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn no_text_is_a_token_by_chance(text in ".{0,120}") {
            prop_assert_eq!(policy(None).read(&text, NOW), None);
        }
    }
}
