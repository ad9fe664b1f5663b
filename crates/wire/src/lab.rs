//! What Lighthouse measured of pages, as it is uploaded and as it is read: the medians of its runs, beside
//! which the field's numbers can be laid.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::beacon::{is_name, is_path};
use crate::{Device, Refusal, UnixMillis};

/// The version of the documents.
pub const VERSION: u8 = 1;

/// What is uploaded: `POST /api/lab`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// The version of this document.
    pub v: u8,
    /// The release that was measured.
    #[serde(default)]
    pub release: Option<String>,
    /// Each page as each device.
    pub pages: Vec<Measured>,
}

/// A page, as a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The page's path.
    pub path: String,
    /// What Lighthouse was.
    pub device: Device,
    /// How many runs there were.
    pub runs: u8,
    /// The median of each audit, in its own unit: milliseconds, and CLS in none.
    pub medians: BTreeMap<Audit, f64>,
    /// The median of the performance score, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// What the lab measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Audit {
    /// First Contentful Paint.
    Fcp,
    /// Largest Contentful Paint.
    Lcp,
    /// Cumulative Layout Shift.
    Cls,
    /// Total Blocking Time: what stands in for INP, which needs somebody who interacts.
    Tbt,
    /// Speed Index.
    Si,
}

/// What is read: `GET /api/lab`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lab {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The latest of each page and device.
    pub pages: Vec<Known>,
}

/// The latest that is known of a page, as a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The route template of its path: that of the field.
    pub route: String,
    /// When it was uploaded.
    pub at: UnixMillis,
    /// The release that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// What was measured.
    #[serde(flatten)]
    pub measured: Measured,
}

impl Upload {
    /// The same, if every value is one that can be.
    ///
    /// # Errors
    /// The first field that has an impossible value.
    pub fn checked(self) -> Result<Self, Refusal> {
        let wrong = |field, want| Err(Refusal::OutOfRange { field, want });
        if self.v != VERSION {
            return Err(Refusal::UnknownVersion { found: self.v.into() });
        }
        if self.release.as_deref().is_some_and(|release| !is_name(release, MOST_OF_A_NAME)) {
            return wrong("release", "1 to 64 letters, digits, dots, hyphens and underscores");
        }
        if !(1..=MOST_PAGES).contains(&self.pages.len()) {
            return wrong("pages", "1 to 50 pages; upload more in several calls");
        }
        for page in &self.pages {
            if !is_path(&page.path, MOST_OF_A_PATH) || page.path.contains(['?', '#']) {
                return wrong("pages.path", "a path without a query, such as `/product/42`");
            }
            if page.device == Device::Tablet {
                return wrong("pages.device", "phone or desktop: Lighthouse is no tablet");
            }
            if !(1..=99).contains(&page.runs) {
                return wrong("pages.runs", "1 to 99");
            }
            if page.medians.values().any(|value| !(0.0..=MOST_MILLIS).contains(value)) {
                return wrong("pages.medians", "numbers from 0 to 600000");
            }
            if page.score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
                return wrong("pages.score", "a number from 0 to 1");
            }
        }
        Ok(self)
    }
}

const MOST_PAGES: usize = 50;
const MOST_OF_A_NAME: usize = 64;
const MOST_OF_A_PATH: usize = 300;
const MOST_MILLIS: f64 = 600_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"v":1,"release":"2.4.0","pages":[{"path":"/product/42","device":"phone","runs":5,"medians":{"FCP":812.5,"LCP":1950,"CLS":0.02,"TBT":240},"score":0.93}]}"#;

    #[track_caller]
    fn check(from: &str, to: &str, field: &str) {
        let upload: Upload =
            serde_json::from_str(&WHOLE.replace(from, to)).unwrap_or_else(|error| panic!("{error}"));
        let found = upload.checked().map_err(|refusal| refusal.field().map(str::to_owned));
        assert_eq!(found.err().flatten().as_deref(), (!field.is_empty()).then_some(field), "{from} → {to}");
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_field() {
        check("", "", "");
        check(r#""v":1"#, r#""v":2"#, "v");
        check("2.4.0", "a b", "release");
        check("/product/42", "product", "pages.path");
        check("/product/42", "/a?token=1", "pages.path");
        check(r#""phone""#, r#""tablet""#, "pages.device");
        check(r#""runs":5"#, r#""runs":0"#, "pages.runs");
        check("1950", "-1", "pages.medians");
        check("1950", "600001", "pages.medians");
        check("0.93", "93", "pages.score");
    }

    #[test]
    fn what_no_lab_measures_is_malformed() {
        for wrong in [WHOLE.replace("TBT", "INP"), WHOLE.replace("\"runs\"", "\"ran\"")] {
            assert!(serde_json::from_str::<Upload>(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn as_many_pages_as_a_call_may_have_and_no_more() {
        let upload: Upload = serde_json::from_str(WHOLE).unwrap_or_else(|error| panic!("{error}"));
        let of = |n| Upload { pages: vec![upload.pages[0].clone(); n], ..upload.clone() }.checked();
        assert!(of(50).is_ok() && of(51).is_err() && of(0).is_err());
    }
}
