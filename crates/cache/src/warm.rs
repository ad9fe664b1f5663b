//! Lists of URLs to warm: plain text with one URL per line, or a sitemap (sitemaps.org, protocol 0.9).

use std::fmt;

/// An error in a list of URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmListError {
    /// The list is a sitemap index, without pages.
    SitemapIndex,
    /// The list is an XML or HTML document other than a sitemap.
    NotASitemap,
    /// The list of the purge clock is malformed.
    MalformedPrediction,
}

/// Returns the likely pages that the purge clock lists.
pub fn parse_prediction(body: &str) -> Result<Vec<String>, WarmListError> {
    serde_json::from_str(body).map_err(|_| WarmListError::MalformedPrediction)
}

/// Returns the first `limit` distinct URLs of a list. Blank lines and lines that begin with `#` are ignored.
pub fn parse_list(body: &str, limit: usize) -> Result<Vec<String>, WarmListError> {
    let body = body.trim_start_matches('\u{feff}').trim_start();
    let found: Box<dyn Iterator<Item = String> + '_> = match body.starts_with('<') {
        true if has_element(body, "urlset") => Box::new(sitemap_locations(body)),
        true if has_element(body, "sitemapindex") => return Err(WarmListError::SitemapIndex),
        true => return Err(WarmListError::NotASitemap),
        false => Box::new(
            body.lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(str::to_owned),
        ),
    };
    let mut seen = std::collections::BTreeSet::new();
    Ok(found.filter(|address| seen.insert(address.clone())).take(limit).collect())
}

/// Returns the content of each `loc` element in the sitemap's own namespace.
fn sitemap_locations(body: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = body;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find('<')?;
            rest = rest.get(at..)?;
            if let Some(comment) = rest.strip_prefix("<!--") {
                rest = comment.split_once("-->")?.1;
            } else if has_loc_tag(rest) {
                // Without an end, no other element has one either.
                let (_, inner) = rest.split_once('>')?;
                let (text, after) = inner.split_once("</loc")?;
                rest = after;
                let text = text.trim();
                let plain = text.strip_prefix("<![CDATA[").and_then(|text| text.strip_suffix("]]>"));
                let address = plain.map_or_else(|| unescape_xml(text), |plain| plain.trim().to_owned());
                if !address.is_empty() {
                    return Some(address);
                }
            } else {
                rest = rest.get(1..)?;
            }
        }
    })
}

/// Returns true for a `loc` start tag, with or without attributes.
fn has_loc_tag(rest: &str) -> bool {
    rest.strip_prefix("<loc").is_some_and(|inner| inner.starts_with(['>', ' ', '\t', '\r', '\n']))
}

fn has_element(body: &str, name: &str) -> bool {
    let start = format!("<{name}");
    let mut all = body.match_indices(&start);
    all.any(|(at, _)| {
        body.get(at + start.len()..).is_some_and(|rest| rest.starts_with(['>', ' ', '\t', '\r', '\n', '/']))
    })
}

/// Replaces the predefined entities (XML 1.0 §4.6) and character references (§4.1).
fn unescape_xml(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        all.push_str(before);
        // The search is bounded, because a text may have many ampersands and no semicolon.
        let end = after.bytes().take(MAX_ENTITY_BYTES).position(|byte| byte == b';');
        let known = end.and_then(|end| Some((parse_entity(after.get(..end)?)?, after.get(end + 1..)?)));
        match known {
            Some((char, after)) => {
                all.push(char);
                rest = after;
            }
            None => {
                all.push('&');
                rest = after;
            }
        }
    }
    all.push_str(rest);
    all
}

fn parse_entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// Leading zeros aside, a character reference has at most ten bytes with its semicolon.
const MAX_ENTITY_BYTES: usize = 16;

impl fmt::Display for WarmListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SitemapIndex => "this is a sitemap index; send one of the sitemaps that it lists",
            Self::MalformedPrediction => {
                "the purge clock's list of likely pages is malformed; deploy one version of the Worker"
            }
            Self::NotASitemap => {
                "this is not a sitemap, because its root is not urlset; send a sitemap, or one URL per line"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_addresses() {
        let body = "\u{feff}https://a.example/\r\n\n  https://a.example/b \n# a note\nhttps://a.example/\n";
        assert_eq!(parse_list(body, 9).unwrap(), ["https://a.example/", "https://a.example/b"]);
        assert_eq!(parse_list(body, 1).unwrap(), ["https://a.example/"]);
        assert!(parse_list("", 9).unwrap().is_empty());
    }

    #[test]
    fn a_sitemap_is_parsed_by_the_protocol() {
        let body = "<?xml version=\"1.0\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">
            <!-- <url><loc>https://a.example/hidden</loc></url> -->
            <url><loc>https://a.example/?a=1&amp;b=2&#38;c=&#x33;</loc><image:image><image:loc>https://i.example/1.png</image:loc></image:image></url>
            <url><loc >\n https://a.example/b\n</loc ></url><url><loc><![CDATA[https://a.example/?x=1&y=2]]></loc></url>
            <url><loc></loc></url><url><loc>https://a.example/&nbsp;</loc></url><url><loc>https://a.example/never-closed";
        let expect = [
            "https://a.example/?a=1&b=2&c=3",
            "https://a.example/b",
            "https://a.example/?x=1&y=2",
            "https://a.example/&nbsp;",
        ];
        assert_eq!(parse_list(body, 9).unwrap(), expect);
    }

    #[test]
    fn lists_without_pages_are_refused() {
        assert_eq!(
            parse_list(
                "<sitemapindex><sitemap><loc>https://a.example/1.xml</loc></sitemap></sitemapindex>",
                9
            ),
            Err(WarmListError::SitemapIndex)
        );
        assert_eq!(parse_list("<!doctype html><p>", 9), Err(WarmListError::NotASitemap));
    }

    #[test]
    fn a_malformed_prediction_is_an_error_and_not_an_empty_list() {
        assert_eq!(parse_prediction(r#"["https://a/"]"#), Ok(vec!["https://a/".to_owned()]));
        assert_eq!(parse_prediction("[]"), Ok(Vec::new()));
        for body in ["", "{", "{}", "null", "[1]", "no response"] {
            assert_eq!(parse_prediction(body), Err(WarmListError::MalformedPrediction), "{body}");
        }
    }
}
