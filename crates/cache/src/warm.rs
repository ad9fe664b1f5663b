//! Lists of URLs to warm: plain text with one URL per line, or a sitemap (sitemaps.org, protocol 0.9).

use std::fmt;

/// An error in a list of URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmListError {
    /// The list is a sitemap index, without pages.
    SitemapIndex,
    /// The list is an XML or HTML document other than a sitemap.
    NotASitemap,
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
            } else if let Some(inner) = rest.strip_prefix("<loc>").or_else(|| strip_loc_tag(rest)) {
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

/// Returns the text after a `loc` start tag with attributes or whitespace.
fn strip_loc_tag(rest: &str) -> Option<&str> {
    let inner = rest.strip_prefix("<loc").filter(|inner| inner.starts_with([' ', '\t', '\r', '\n']))?;
    inner.split_once('>').map(|(_, inner)| inner)
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
        let known = after.split_once(';').and_then(|(name, after)| Some((parse_entity(name)?, after)));
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

impl fmt::Display for WarmListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SitemapIndex => "this is a sitemap index; send one of the sitemaps that it lists",
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
}
