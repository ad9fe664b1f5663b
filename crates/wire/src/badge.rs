//! The status badge of `GET /badge.svg`, for a README or a wall. The caller decides the state; this module
//! draws it.

use std::fmt::Write;

/// The state that a badge shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadgeState {
    /// Every budget is met.
    Passing,
    /// A budget is violated.
    Failing,
    /// No data or too little: grey, never green.
    Unknown,
}

/// A badge: two texts side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Badge<'a> {
    /// The subject.
    pub label: &'a str,
    /// The verdict.
    pub message: &'a str,
    /// The colour.
    pub state: BadgeState,
}

impl Badge<'_> {
    /// Draws a self-contained SVG without fonts, scripts or requests.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let Self { label, message, state } = self;
        let (left, right) = (estimated_width(label) + 12, estimated_width(message) + 12);
        let width = left + right;
        let (label, message) = (escape_xml(label), escape_xml(message));
        let colour = match state {
            BadgeState::Passing => "#0b7a43",
            BadgeState::Failing => "#c02626",
            BadgeState::Unknown => "#5b6472",
        };
        let mut svg = String::with_capacity(900);
        // Writing into a string cannot fail.
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"20\" role=\"img\" \
             aria-label=\"{label}: {message}\"><title>{label}: {message}</title>\
             <clipPath id=\"r\"><rect width=\"{width}\" height=\"20\" rx=\"4\"/></clipPath>\
             <g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"20\" fill=\"#14181f\"/>\
             <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/></g>\
             <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">"
        );
        for (x, text, length) in [(6, &label, left - 12), (left + 6, &message, right - 12)] {
            let _ = write!(
                svg,
                "<text x=\"{x}\" y=\"14\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\">{text}</text>"
            );
        }
        svg.push_str("</g></svg>");
        svg
    }
}

/// Estimates the width in Verdana at 11 px. `textLength` makes other fonts keep to it.
fn estimated_width(text: &str) -> u32 {
    let tenths = |character: char| match character {
        'i' | 'l' | 'j' | '.' | ',' | ':' | ' ' | '\'' | '|' => 38,
        'm' | 'w' | 'M' | 'W' | '%' => 105,
        'A'..='Z' => 77,
        _ => 69,
    };
    text.chars().map(tenths).sum::<u32>().div_ceil(10)
}

/// Escapes XML text and attributes; drops characters that XML does not allow.
fn escape_xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_shows_its_message_and_names_it_for_screen_readers() {
        let svg = Badge { label: "LCP", message: "within budget", state: BadgeState::Passing }.to_svg();
        assert!(
            svg.contains("<title>LCP: within budget</title>")
                && svg.contains("aria-label=\"LCP: within budget\"")
        );
        assert!(svg.contains("#0b7a43"));
    }

    #[test]
    fn an_unknown_state_is_grey() {
        let svg = Badge { label: "LCP", message: "no data", state: BadgeState::Unknown }.to_svg();
        assert!(svg.contains("#5b6472") && !svg.contains("#0b7a43"));
    }

    #[test]
    fn label_and_message_are_escaped() {
        let svg = Badge { label: "\"><script>&\u{1}", message: "x", state: BadgeState::Failing }.to_svg();
        assert!(svg.contains("&quot;&gt;&lt;script&gt;&amp;:"));
        assert!(!svg.contains("<script") && !svg.contains('\u{1}'));
    }
}
