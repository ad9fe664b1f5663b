//! What is to be warmed: a list of addresses as somebody sends it, in lines or as a sitemap
//! (sitemaps.org, protocol 0.9). No more of it is read than is wanted.

use std::fmt;

/// Why a list is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmListError {
    /// It lists sitemaps and no pages.
    SitemapIndex,
    /// It is a feed, a page or something else in angle brackets.
    NotASitemap,
}

/// The addresses of a list, each once, in its order; no more than so many. Blank lines, and lines that
/// begin with `#`, say nothing.
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

/// What stands in each `loc` of a namespace of the sitemap's own.
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

/// What follows a `loc` with attributes or blanks.
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

/// XML 1.0 §4.6, and characters by number.
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
            Self::SitemapIndex => "this is an index of sitemaps; send one of the sitemaps that it lists",
            Self::NotASitemap => {
                "this is no sitemap: its root is not urlset; send a sitemap, or one address a line"
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
