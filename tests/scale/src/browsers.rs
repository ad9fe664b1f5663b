//! The browsers of simulated visitors: families as frequent as on the web, and their versions. Most visitors have the
//! latest; a tail of older ones makes many labels.

use wire::Device;
use wire::browser::OperatingSystem::{self, Android, ChromeOS, Ios, Linux, MacOs, Other, Windows};

/// Returns the browser with its version, and the operating system. `below` returns a random number below a bound.
pub(crate) fn of_visitor(device: Device, mut below: impl FnMut(u64) -> u64) -> (String, OperatingSystem) {
    let families = match device {
        Device::Phone => PHONES,
        Device::Tablet => TABLETS,
        Device::Desktop => DESKTOPS,
    };
    let mut pick = below(families.iter().map(|(share, ..)| share).sum());
    let chosen = families.iter().find(|(share, ..)| {
        let is_chosen = pick < *share;
        pick = pick.saturating_sub(*share);
        is_chosen
    });
    let (_, family, os) = chosen.copied().unwrap_or((0, "(other)", Other));
    let age = match below(100) {
        0..60 => 0,
        60..75 => 1,
        75..84 => 2,
        _ => 3 + below(OLD_VERSIONS),
    };
    (format!("{family} {}", LATEST_VERSION - age), os)
}

type Share = (u64, &'static str, OperatingSystem);

/// Shares in per mille.
const PHONES: &[Share] = &[
    (480, "Chrome", Android),
    (240, "Safari", Ios),
    (90, "Android WebView", Android),
    (80, "iOS WebView", Ios),
    (60, "Samsung Internet", Android),
    (20, "Chrome", Ios),
    (10, "Firefox", Android),
    (7, "Opera", Android),
    (5, "Edge", Android),
    (5, "Mi Browser", Android),
    (3, "(other)", Other),
];
const TABLETS: &[Share] = &[
    (470, "Chrome", Android),
    (330, "Safari", Ios),
    (120, "Samsung Internet", Android),
    (50, "Android WebView", Android),
    (30, "Silk", Android),
];
const DESKTOPS: &[Share] = &[
    (480, "Chrome", Windows),
    (140, "Edge", Windows),
    (120, "Chrome", MacOs),
    (90, "Safari", MacOs),
    (50, "Firefox", Windows),
    (30, "Chrome", Linux),
    (30, "Opera", Windows),
    (20, "Chrome", ChromeOS),
    (10, "Firefox", Linux),
    (10, "Brave", Windows),
    (10, "Yandex Browser", Windows),
    (6, "Vivaldi", Windows),
    (4, "Edge", MacOs),
];

const LATEST_VERSION: u64 = 156;
const OLD_VERSIONS: u64 = 15;
