//! Lighthouse's own code as the oracle. The golden files beside this test were written by it
//! (golden.mjs).

#![expect(clippy::unwrap_used, reason = "a helper of tests may do as tests do")]

use budget::{Audit, Budgets, Form, category};
use serde_json::{Value, json};
use wire::{Device, Metric};

fn rows(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_score_is_lighthouses() {
    let rows = rows(include_str!("lighthouse/scores.json"));
    for row in &rows {
        let audit = Audit::ALL
            .into_iter()
            .find(|audit| audit.name() == row[0])
            .unwrap();
        let form = if row[1] == "mobile" {
            Form::Mobile
        } else {
            Form::Desktop
        };
        assert_eq!(
            audit.score(row[2].as_f64().unwrap(), form),
            row[3].as_f64().unwrap(),
            "{row}"
        );
    }
    assert_eq!(rows.len(), 7 * 2 * 48);
}

#[test]
fn every_category_is_lighthouses() {
    let weights = Audit::ALL.map(Audit::weight);
    for row in rows(include_str!("lighthouse/categories.json")) {
        let scores = row[0].as_array().unwrap().iter().map(Value::as_f64);
        assert_eq!(
            category(weights.into_iter().zip(scores)),
            row[1].as_f64(),
            "{row}"
        );
    }
}

#[test]
fn every_path_matches_as_in_lighthouse() {
    for row in rows(include_str!("lighthouse/paths.json")) {
        let timings = json!([{ "metric": "first-contentful-paint", "budget": 1 }]);
        let text = json!([{ "path": row[0], "timings": timings }]).to_string();
        let matches = Budgets::parse(&text).ok().map(|budgets| {
            budgets
                .limit(row[1].as_str().unwrap(), Device::Phone, Metric::Fcp)
                .is_some()
        });
        assert_eq!(matches, row[2].as_bool(), "{row}");
    }
}
