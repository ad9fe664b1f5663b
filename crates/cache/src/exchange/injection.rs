//! The injection of the client script into HTML responses, under the nonce of the page's policy.

use super::Exchange;
use crate::headers::Headers;

impl<B> Exchange<B> {
    /// Returns the element for the `head` of the origin's response, and removes the header fields that
    /// describe the body without it. Returns none if nothing is to be injected.
    pub fn injection(&mut self) -> Option<String> {
        let site = self.route()?.inject.clone()?;
        let response = self.origin.response.as_mut()?;
        let can_inject = self.request.head.method == "GET"
            && response.status == 200
            && is_html(&response.headers)
            && !response.headers.has("content-encoding");
        if !can_inject {
            return None;
        }
        let nonce =
            script_nonce(&response.headers).map(|nonce| format!(" nonce=\"{nonce}\"")).unwrap_or_default();
        weaken_validators(&mut response.headers);
        if let Some(entry) = &mut self.origin.storable {
            weaken_validators(&mut entry.headers);
        }
        Some(format!(
            "<script type=\"module\"{nonce}>import {{ start }} from \"/v1/client.js\"; start({{ endpoint: \"/v1/vitals\", site: \"{site}\" }});</script>"
        ))
    }
}

fn is_html(headers: &Headers) -> bool {
    headers.first("content-type").is_some_and(|value| {
        let media_type = value.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("text/html")
    })
}

/// Removes the fields that hold for the exact bytes of the body, and makes its entity tag weak.
fn weaken_validators(headers: &mut Headers) {
    for name in ["content-length", "content-digest", "repr-digest", "digest", "content-md5", "accept-ranges"]
    {
        headers.remove(name);
    }
    let strong = headers.first("etag").filter(|etag| !etag.starts_with("W/"));
    if let Some(weak) = strong.map(|etag| format!("W/{etag}")) {
        headers.set("etag", &weak);
    }
}

/// Returns the nonce with which the page's Content-Security-Policy allows scripts.
fn script_nonce(headers: &Headers) -> Option<String> {
    let policy = headers.joined("content-security-policy")?;
    let (_, rest) = policy.split_once("'nonce-")?;
    let nonce: String = rest.chars().take_while(|char| *char != '\'').collect();
    let is_base64 = nonce.chars().all(|char| char.is_ascii_alphanumeric() || "+/=-_".contains(char));
    is_base64.then_some(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_taken_from_the_policy() {
        let table = [
            ("script-src 'nonce-aB3+/=_-' 'self'", Some("aB3+/=_-")),
            ("default-src 'self'; script-src 'nonce-a'; style-src 'nonce-b'", Some("a")),
            ("script-src 'self'", None),
            ("script-src 'nonce-a\"><script>'", None),
        ];
        for (policy, expect) in table {
            let headers = [("content-security-policy", policy)].into_iter().collect();
            assert_eq!(script_nonce(&headers).as_deref(), expect, "{policy}");
        }
    }

    #[test]
    fn validators_of_the_original_bytes_are_weakened() {
        let mut headers =
            Headers::parse("etag: \"a\"\ncontent-length: 3\naccept-ranges: bytes\nvary: accept");
        weaken_validators(&mut headers);
        assert_eq!(headers, Headers::parse("vary: accept\netag: W/\"a\""));
        weaken_validators(&mut headers);
        assert_eq!(headers, Headers::parse("vary: accept\netag: W/\"a\""));
    }
}
