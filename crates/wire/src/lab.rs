//! What Lighthouse measured of pages, as it is uploaded and as it is read: the medians of its runs, beside
//! which the field's numbers can be laid.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::beacon::{is_name, is_path};
use crate::{ApiError, Device, UnixMillis};

/// The version of the documents.
pub const VERSION: u8 = 1;

/// What is uploaded: `POST /api/lab`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabUpload {
    /// The version of this document.
    pub v: u8,
    /// The release that was measured.
    #[serde(default)]
    pub release: Option<String>,
    /// Each page as each device.
    pub pages: Vec<LabMeasurement>,
}

/// A page, as a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabMeasurement {
    /// The page's path.
    pub path: String,
    /// What Lighthouse was.
    pub device: Device,
    /// How many runs there were.
    pub runs: u8,
    /// The median of each audit, in its own unit: milliseconds, and CLS in none.
    pub medians: BTreeMap<LabAudit, f64>,
    /// The median of the performance score, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// What the lab measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LabAudit {
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabReport {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The latest of each page and device.
    pub pages: Vec<LabResult>,
}

/// The latest that is known of a page, as a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabResult {
    /// The route template of its path: that of the field.
    pub route: String,
    /// When it was uploaded.
    pub at: UnixMillis,
    /// The release that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// What was measured.
    #[serde(flatten)]
    pub measurement: LabMeasurement,
}

/// The answer to an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabUploadResponse {
    /// The version of this document.
    pub v: u8,
    /// The site.
    pub site: String,
    /// The number of stored results.
    pub pages: usize,
}

impl LabUpload {
    /// The same, if every value is one that can be.
    ///
    /// # Errors
    /// The first field that has an impossible value.
    pub fn validate(self) -> Result<Self, ApiError> {
        let out_of_range = |field, want| Err(ApiError::OutOfRange { field, expected: want });
        if self.v != VERSION {
            return Err(ApiError::UnknownVersion { found: self.v.into() });
        }
        if self.release.as_deref().is_some_and(|release| !is_name(release, MAX_RELEASE_BYTES)) {
            return out_of_range("release", "1 to 64 letters, digits, dots, hyphens and underscores");
        }
        if !(1..=MAX_PAGES).contains(&self.pages.len()) {
            return out_of_range("pages", "1 to 50 pages; upload more in several calls");
        }
        for page in &self.pages {
            if !is_path(&page.path, MAX_PATH_BYTES) || page.path.contains(['?', '#']) {
                return out_of_range("pages.path", "a path without a query, such as `/product/42`");
            }
            if page.device == Device::Tablet {
                return out_of_range("pages.device", "phone or desktop: Lighthouse is no tablet");
            }
            if !(1..=99).contains(&page.runs) {
                return out_of_range("pages.runs", "1 to 99");
            }
            if page.medians.values().any(|value| !(0.0..=MAX_MEDIAN).contains(value)) {
                return out_of_range("pages.medians", "numbers from 0 to 600000");
            }
            if page.score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
                return out_of_range("pages.score", "a number from 0 to 1");
            }
        }
        Ok(self)
    }
}

const MAX_PAGES: usize = 50;
const MAX_RELEASE_BYTES: usize = 64;
const MAX_PATH_BYTES: usize = 300;
const MAX_MEDIAN: f64 = 600_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    const VALID_UPLOAD: &str = r#"{"v":1,"release":"2.4.0","pages":[{"path":"/product/42","device":"phone","runs":5,"medians":{"FCP":812.5,"LCP":1950,"CLS":0.02,"TBT":240},"score":0.93}]}"#;

    #[track_caller]
    fn check(from: &str, to: &str, field: &str) {
        let upload: LabUpload =
            serde_json::from_str(&VALID_UPLOAD.replace(from, to)).unwrap_or_else(|error| panic!("{error}"));
        let found = upload.validate().map_err(|refusal| refusal.field().map(str::to_owned));
        assert_eq!(found.err().flatten().as_deref(), (!field.is_empty()).then_some(field), "{from} → {to}");
    }

    #[test]
    fn an_out_of_range_value_is_refused_with_its_field() {
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
    fn an_unknown_audit_or_field_is_malformed() {
        for wrong in [VALID_UPLOAD.replace("TBT", "INP"), VALID_UPLOAD.replace("\"runs\"", "\"ran\"")] {
            assert!(serde_json::from_str::<LabUpload>(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_upload_has_1_to_50_pages() {
        let upload: LabUpload = serde_json::from_str(VALID_UPLOAD).unwrap_or_else(|error| panic!("{error}"));
        let with_pages =
            |n| LabUpload { pages: vec![upload.pages[0].clone(); n], ..upload.clone() }.validate();
        assert!(with_pages(50).is_ok() && with_pages(51).is_err() && with_pages(0).is_err());
    }
}
