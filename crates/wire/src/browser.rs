//! The browser and operating system of a visitor, as labels of a bounded set. They are derived at the edge from the
//! client hints that Chromium sends with every request, else from the agent string; neither is stored. Every part takes
//! linear time.

use serde::{Deserialize, Serialize};

use crate::OTHER_LABEL;

/// The header fields that tell of the browser.
#[derive(Clone, Copy, Debug, Default)]
pub struct BrowserHeaders<'a> {
    /// `User-Agent`.
    pub user_agent: &'a str,
    /// `Sec-CH-UA`: brands with their major versions.
    pub brands: Option<&'a str>,
    /// `Sec-CH-UA-Platform`: the operating system.
    pub platform: Option<&'a str>,
}

/// A browser family with its major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Browser {
    family: BrowserFamily,
    major: Option<u16>,
}

/// An operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OperatingSystem {
    /// Android.
    Android,
    /// iOS and iPadOS. An iPad that requests desktop sites says that it is a Mac.
    #[serde(rename = "iOS")]
    Ios,
    /// Windows.
    Windows,
    /// macOS.
    #[serde(rename = "macOS")]
    MacOs,
    /// Linux on a desktop.
    Linux,
    /// ChromeOS.
    ChromeOS,
    /// Any other.
    #[serde(rename = "(other)")]
    Other,
}

/// A browser family. A browser inside an app counts as its engine, which decides what it measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BrowserFamily {
    AndroidWebView,
    Brave,
    Chrome,
    Chromium,
    DuckDuckGo,
    Edge,
    Firefox,
    Huawei,
    IosWebView,
    Mi,
    Opera,
    OperaMini,
    Other,
    Qq,
    Safari,
    Samsung,
    Silk,
    Uc,
    Vivaldi,
    Whale,
    Yandex,
}

impl Browser {
    /// Derives the browser from the header fields of a request.
    #[must_use]
    pub fn from_headers(headers: BrowserHeaders<'_>) -> Self {
        match headers.brands.and_then(Self::from_brands) {
            // The brand of a smaller browser may be unknown, or missing.
            Some(Self { family: BrowserFamily::Chromium, major }) => {
                match Self::from_user_agent(headers.user_agent) {
                    Self { family: BrowserFamily::Chrome | BrowserFamily::Other, .. } => {
                        Self { family: BrowserFamily::Chromium, major }
                    }
                    named => named,
                }
            }
            Some(branded) => branded,
            None => Self::from_user_agent(headers.user_agent),
        }
    }

    /// Returns the label: the family and, if it is known, the major version.
    #[must_use]
    pub fn label(&self) -> String {
        match (self.family, self.major) {
            (BrowserFamily::Other, _) => OTHER_LABEL.to_owned(),
            (family, Some(major)) => format!("{} {major}", family.name()),
            (family, None) => family.name().to_owned(),
        }
    }

    /// Finds the browser in a list of brands, such as `"Chromium";v="156", "Google Chrome";v="156", "Not-A;Brand";v="8"`.
    fn from_brands(list: &str) -> Option<Self> {
        let mut brands: Vec<(&str, Option<u16>)> = Vec::new();
        let mut before = "";
        for (at, part) in list.split('"').enumerate() {
            if at % 2 == 0 {
                before = part;
            } else if before.trim_end().ends_with("v=") {
                if let Some((_, major)) = brands.last_mut() {
                    *major = leading_number(part);
                }
            } else {
                brands.push((part, None));
            }
        }
        BRANDS.iter().find_map(|(name, family)| {
            let (_, major) = brands.iter().find(|(brand, _)| brand == name)?;
            Some(Self { family: *family, major: *major })
        })
    }

    fn from_user_agent(agent: &str) -> Self {
        let version_after = |token: &str| agent.split_once(token).map(|(_, rest)| leading_number(rest));
        let found = PRODUCTS.iter().find_map(|(token, family)| Some((*family, version_after(token)?)));
        let is_ios = OperatingSystem::from_user_agent(agent) == OperatingSystem::Ios;
        let (family, major) = match (found, version_after("Version/")) {
            (Some((BrowserFamily::Chrome, major)), _) if agent.contains("; wv)") => {
                (BrowserFamily::AndroidWebView, major)
            }
            (Some(found), _) => found,
            (None, Some(major)) if agent.contains("Safari/") && !agent.contains("Android") => {
                (BrowserFamily::Safari, major)
            }
            (None, _) if is_ios => (BrowserFamily::IosWebView, version_after(" OS ").flatten()),
            (None, _) => (BrowserFamily::Other, None),
        };
        Self { family, major }
    }
}

impl OperatingSystem {
    /// Every operating system.
    pub const ALL: [Self; 7] =
        [Self::Android, Self::Ios, Self::Windows, Self::MacOs, Self::Linux, Self::ChromeOS, Self::Other];

    /// Derives the operating system from the header fields of a request.
    #[must_use]
    pub fn from_headers(headers: BrowserHeaders<'_>) -> Self {
        let hinted = match headers.platform.unwrap_or_default().trim().trim_matches('"') {
            "Android" => Some(Self::Android),
            "iOS" => Some(Self::Ios),
            "Windows" => Some(Self::Windows),
            "macOS" => Some(Self::MacOs),
            "Linux" => Some(Self::Linux),
            "Chrome OS" | "Chromium OS" => Some(Self::ChromeOS),
            _ => None,
        };
        hinted.unwrap_or_else(|| Self::from_user_agent(headers.user_agent))
    }

    /// The name in labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Android => "Android",
            Self::Ios => "iOS",
            Self::Windows => "Windows",
            Self::MacOs => "macOS",
            Self::Linux => "Linux",
            Self::ChromeOS => "ChromeOS",
            Self::Other => OTHER_LABEL,
        }
    }

    fn from_user_agent(agent: &str) -> Self {
        let found = SYSTEMS.iter().find(|(token, _)| agent.contains(token));
        found.map_or(Self::Other, |(_, system)| *system)
    }
}

impl BrowserFamily {
    const fn name(self) -> &'static str {
        match self {
            Self::AndroidWebView => "Android WebView",
            Self::Brave => "Brave",
            Self::Chrome => "Chrome",
            Self::Chromium => "Chromium",
            Self::DuckDuckGo => "DuckDuckGo",
            Self::Edge => "Edge",
            Self::Firefox => "Firefox",
            Self::Huawei => "Huawei Browser",
            Self::IosWebView => "iOS WebView",
            Self::Mi => "Mi Browser",
            Self::Opera => "Opera",
            Self::OperaMini => "Opera Mini",
            Self::Other => OTHER_LABEL,
            Self::Qq => "QQ Browser",
            Self::Safari => "Safari",
            Self::Samsung => "Samsung Internet",
            Self::Silk => "Silk",
            Self::Uc => "UC Browser",
            Self::Vivaldi => "Vivaldi",
            Self::Whale => "Whale",
            Self::Yandex => "Yandex Browser",
        }
    }
}

/// Returns the family of a browser's label, which has no version.
#[must_use]
pub fn browser_family(label: &str) -> &str {
    match label.rsplit_once(' ') {
        Some((family, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => family,
        _ => label,
    }
}

/// Returns the number that a text begins with. Longer ones are no versions of a browser, and would grow the labels.
fn leading_number(text: &str) -> Option<u16> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).take(MAX_VERSION_DIGITS + 1).count();
    text.get(..digits).filter(|_| digits <= MAX_VERSION_DIGITS)?.parse().ok()
}

const MAX_VERSION_DIGITS: usize = 3;

/// The brands, with those that others carry, too, at the end.
const BRANDS: &[(&str, BrowserFamily)] = &[
    ("Microsoft Edge", BrowserFamily::Edge),
    ("Microsoft Edge WebView2", BrowserFamily::Edge),
    ("Opera", BrowserFamily::Opera),
    ("Opera GX", BrowserFamily::Opera),
    ("OperaMobile", BrowserFamily::Opera),
    ("Samsung Internet", BrowserFamily::Samsung),
    ("Brave", BrowserFamily::Brave),
    ("YaBrowser", BrowserFamily::Yandex),
    ("Yandex", BrowserFamily::Yandex),
    ("Vivaldi", BrowserFamily::Vivaldi),
    ("Whale", BrowserFamily::Whale),
    ("DuckDuckGo", BrowserFamily::DuckDuckGo),
    ("HuaweiBrowser", BrowserFamily::Huawei),
    ("Android WebView", BrowserFamily::AndroidWebView),
    ("Google Chrome", BrowserFamily::Chrome),
    ("HeadlessChrome", BrowserFamily::Chrome),
    ("Chromium", BrowserFamily::Chromium),
];

/// The products of agent strings before their version. Most browsers name others, too; those come later.
const PRODUCTS: &[(&str, BrowserFamily)] = &[
    ("Edg/", BrowserFamily::Edge),
    ("EdgA/", BrowserFamily::Edge),
    ("EdgiOS/", BrowserFamily::Edge),
    ("Edge/", BrowserFamily::Edge),
    ("Opera Mini/", BrowserFamily::OperaMini),
    ("OPR/", BrowserFamily::Opera),
    ("OPX/", BrowserFamily::Opera),
    ("OPT/", BrowserFamily::Opera),
    ("SamsungBrowser/", BrowserFamily::Samsung),
    ("YaBrowser/", BrowserFamily::Yandex),
    ("Vivaldi/", BrowserFamily::Vivaldi),
    ("Whale/", BrowserFamily::Whale),
    ("DuckDuckGo/", BrowserFamily::DuckDuckGo),
    ("Ddg/", BrowserFamily::DuckDuckGo),
    ("UCBrowser/", BrowserFamily::Uc),
    ("MiuiBrowser/", BrowserFamily::Mi),
    ("HuaweiBrowser/", BrowserFamily::Huawei),
    ("QQBrowser/", BrowserFamily::Qq),
    ("Silk/", BrowserFamily::Silk),
    ("FxiOS/", BrowserFamily::Firefox),
    ("Firefox/", BrowserFamily::Firefox),
    ("CriOS/", BrowserFamily::Chrome),
    ("Chrome/", BrowserFamily::Chrome),
];

/// The words of agent strings for operating systems. Phones and televisions name desktops, too; those come later.
const SYSTEMS: &[(&str, OperatingSystem)] = &[
    ("Windows Phone", OperatingSystem::Other),
    ("Tizen", OperatingSystem::Other),
    ("Web0S", OperatingSystem::Other),
    ("KAIOS", OperatingSystem::Other),
    ("OpenHarmony", OperatingSystem::Other),
    ("Windows", OperatingSystem::Windows),
    ("Android", OperatingSystem::Android),
    ("iPhone", OperatingSystem::Ios),
    ("iPad", OperatingSystem::Ios),
    ("iPod", OperatingSystem::Ios),
    ("CrOS", OperatingSystem::ChromeOS),
    ("Macintosh", OperatingSystem::MacOs),
    ("Linux", OperatingSystem::Linux),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(headers: BrowserHeaders<'_>, browser: &str, system: &str) {
        let label = Browser::from_headers(headers).label();
        assert_eq!((label.as_str(), OperatingSystem::from_headers(headers).name()), (browser, system));
    }

    #[test]
    fn hints_are_believed_before_the_agent_string() {
        let user_agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/155.0.0.0 Safari/537.36";
        for (brands, platform, browser, system) in [
            (
                r#""Chromium";v="156", "Google Chrome";v="156", "Not?A_Brand";v="8""#,
                r#""Windows""#,
                "Chrome 156",
                "Windows",
            ),
            (
                r#""Not)A;Brand";v="8", "Chromium";v="156", "Microsoft Edge";v="156""#,
                r#""macOS""#,
                "Edge 156",
                "macOS",
            ),
            (r#""Brave";v="156", "Chromium";v="156""#, r#""Chrome OS""#, "Brave 156", "ChromeOS"),
            (r#""Chromium";v="156", "Samsung Internet";v="28""#, "", "Samsung Internet 28", "Linux"),
            (r#""Chromium" ; v="156""#, r#""Unknown""#, "Chromium 156", "Linux"),
            (r#""Google Chrome";v="many""#, "Fuchsia", "Chrome", "Linux"),
            (r#""Nobody";v="1""#, r#""Android""#, "Chrome 155", "Android"),
            ("\"", "\"", "Chrome 155", "Linux"),
        ] {
            check(
                BrowserHeaders { user_agent, brands: Some(brands), platform: Some(platform) },
                browser,
                system,
            );
        }
        // A browser without a brand of its own is in the agent string.
        let user_agent =
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36 Vivaldi/7.6";
        check(
            BrowserHeaders { user_agent, brands: Some(r#""Chromium";v="156""#), platform: None },
            "Vivaldi 7",
            "Windows",
        );
    }

    #[test]
    fn an_agent_string_tells_what_hints_do_not() {
        for (user_agent, browser, system) in [
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
                "Safari 26",
                "iOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/400.0]",
                "iOS WebView 18",
                "iOS",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; Pixel 9; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/156.0.0.0 Mobile Safari/537.36",
                "Android WebView 156",
                "Android",
            ),
            (
                "Mozilla/5.0 (Linux; Android 4.2; en-us) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
                "(other)",
                "Android",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:146.0) Gecko/20100101 Firefox/146.0",
                "Firefox 146",
                "macOS",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/1560.0.0.0 Safari/537.36",
                "Chrome",
                "ChromeOS",
            ),
            ("Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1) Edge/15.15063", "Edge 15", "(other)"),
            ("", "(other)", "(other)"),
        ] {
            check(BrowserHeaders { user_agent, ..BrowserHeaders::default() }, browser, system);
        }
    }

    #[test]
    fn the_family_of_a_label_has_no_version() {
        for (label, family) in [
            ("Chrome 156", "Chrome"),
            ("Samsung Internet 28", "Samsung Internet"),
            ("Samsung Internet", "Samsung Internet"),
            (OTHER_LABEL, OTHER_LABEL),
            ("", ""),
        ] {
            assert_eq!(browser_family(label), family);
        }
    }

    proptest! {
        #[test]
        fn any_header_has_one_of_few_labels(
            user_agent in "(Chrome/|Edg/|Version/|Safari/| OS |; wv\\)|iPhone|[0-9]{1,5}|\\PC){0,12}",
            brands in "(\"(Chromium|Opera|\\PC{0,4})\"|;v=\"[0-9]{0,6}\"|,|\\PC){0,12}",
        ) {
            let headers = BrowserHeaders { user_agent: &user_agent, brands: Some(&brands), platform: Some(&brands) };
            let label = Browser::from_headers(headers).label();
            let version = label.strip_prefix(browser_family(&label)).expect("the family is the beginning");
            prop_assert!(version.is_empty() || version.trim().parse::<u16>().is_ok_and(|major| major <= 999), "{label}");
            prop_assert!(browser_family(&label).len() <= 16 && OperatingSystem::ALL.contains(&OperatingSystem::from_headers(headers)));
        }
    }
}
