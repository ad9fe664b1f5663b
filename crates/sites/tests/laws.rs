//! A registry holds what was put last, within its bounds, and changes nothing that wrangler.toml says.

use std::collections::BTreeMap;

use auth::TokenTable;
use proptest::prelude::*;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use sites::{Registry, RegistryChange, RegistryError, RegistryOutcome, SiteSettings, TokenRequest};
use wire::UnixMillis;
use wire::routes::Right;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn put(registry: &mut Registry, name: &str, settings: Value) -> Result<bool, RegistryError> {
    let settings = to_raw_value(&settings).map_err(|error| RegistryError::Settings(error.to_string()))?;
    let put = RegistryChange::PutSite { site: name.into(), settings, at: NOW, by: "ops".into() };
    registry.apply(put).map(|outcome| outcome == RegistryOutcome::SitePut(true))
}

fn remove(registry: &mut Registry, name: &str) -> bool {
    registry.apply(RegistryChange::RemoveSite { site: name.into() }) == Ok(RegistryOutcome::SiteRemoved(true))
}

fn request(name: &str) -> TokenRequest {
    TokenRequest { name: name.into(), rights: vec![Right::Read], days: Some(30) }
}

fn add(
    registry: &mut Registry,
    request: &TokenRequest,
    token: &str,
    now: UnixMillis,
) -> Result<(), RegistryError> {
    let entry = request.entry(token, now).map_err(|error| RegistryError::Token(error.to_string()))?;
    registry.apply(RegistryChange::AddToken { site: "shop".into(), entry }).map(drop)
}

fn revoke(registry: &mut Registry, name: &str, oldest: bool) -> Result<RegistryOutcome, RegistryError> {
    registry.apply(RegistryChange::RevokeTokens { site: "shop".into(), name: name.into(), oldest })
}

#[derive(Clone, Debug)]
enum SiteChange {
    Put(u8, bool),
    Remove(u8),
}

fn change() -> impl Strategy<Value = SiteChange> {
    prop_oneof![
        (0..5_u8, any::<bool>()).prop_map(|(site, public)| SiteChange::Put(site, public)),
        (0..5_u8).prop_map(SiteChange::Remove),
    ]
}

proptest! {
    #[test]
    fn a_registry_has_the_settings_that_were_put_last(changes in prop::collection::vec(change(), 0..40)) {
        let (mut registry, mut expected) = (Registry::default(), BTreeMap::new());
        for change in changes {
            let before = registry.revision();
            let has_changed = match change {
                SiteChange::Put(site, public) => {
                    let is_new = put(&mut registry, &format!("s{site}"), json!({ "public": public })).expect("valid");
                    prop_assert_eq!(is_new, expected.insert(format!("s{site}"), public).is_none());
                    true
                }
                SiteChange::Remove(site) => {
                    let is_removed = remove(&mut registry, &format!("s{site}"));
                    prop_assert_eq!(is_removed, expected.remove(&format!("s{site}")).is_some());
                    is_removed
                }
            };
            prop_assert_eq!(registry.revision() > before, has_changed);
            registry = Registry::parse(&serde_json::to_string(&registry).expect("stored")).expect("read again");
        }
        let mut sites = BTreeMap::new();
        prop_assert!(registry.add_sites(&mut sites).is_empty());
        let public: BTreeMap<String, bool> = sites.into_iter().map(|(name, site)| (name, site.public)).collect();
        prop_assert_eq!(public, expected);
    }

    #[test]
    fn what_cannot_be_read_changes_nothing(name in ".{0,70}", key in "[a-z]{1,12}") {
        let mut registry = Registry::default();
        let result = put(&mut registry, &name, json!({ key: "nothing" }));
        prop_assert!(result.is_err());
        prop_assert_eq!((registry.revision(), registry.sites().len()), (0, 0));
    }
}

#[test]
fn a_site_of_the_deployment_keeps_its_settings() {
    let mut registry = Registry::default();
    put(&mut registry, "shop", json!({ "public": true })).expect("valid");
    let mut sites =
        BTreeMap::from([("shop".to_owned(), SiteSettings::parse("{}").expect("all are optional"))]);
    assert!(registry.add_sites(&mut sites).is_empty());
    assert!(!sites["shop"].public);
}

#[test]
fn a_full_registry_still_takes_changes_of_its_sites() {
    let mut registry = Registry::default();
    for site in 0..1_000 {
        put(&mut registry, &format!("s{site}"), json!({})).expect("room");
    }
    assert_eq!(put(&mut registry, "one-more", json!({})), Err(RegistryError::Full));
    assert_eq!(put(&mut registry, "s7", json!({ "public": true })), Ok(false));
    let long = "x".repeat(500_000);
    assert_eq!(put(&mut registry, "s7", json!({ "origins": [long] })), Err(RegistryError::Full));
}

#[test]
fn a_token_is_known_until_it_is_revoked_and_only_its_hash_is_stored() {
    let [old, new] = ["an old token of at least 32 characters", "a new token of at least 32 characters!"];
    let mut registry = Registry::default();
    let knows = |registry: &Registry, token: &str| {
        let mut tokens = TokenTable::default();
        registry.add_tokens(&mut tokens);
        let caller = tokens.identify(token, NOW);
        caller.may(Right::Read, "shop") && !caller.may(Right::Read, "blog")
    };
    add(&mut registry, &request("grafana"), old, NOW).expect("valid");
    let later = NOW.saturating_add(86_400_000);
    add(&mut registry, &request("grafana"), new, later).expect("a rotation");
    assert_eq!(registry.tokens("shop")[1].expires(), "2027-02-15");
    assert!(knows(&registry, old) && knows(&registry, new));
    assert!(!serde_json::to_string(&registry).expect("stored").contains("token of at least"));
    assert!(matches!(add(&mut registry, &request("grafana"), new, NOW), Err(RegistryError::Token(_))));
    assert_eq!(revoke(&mut registry, "grafana", true), Ok(RegistryOutcome::TokensRevoked(1)));
    assert!(!knows(&registry, old) && knows(&registry, new));
    assert_eq!(revoke(&mut registry, "other", false), Err(RegistryError::NoToken));
    assert_eq!(registry.tokens("blog"), []);
    assert!(!remove(&mut registry, "shop"), "wrangler.toml has the site");
    assert!(!knows(&registry, new), "an erased site has no tokens");
}

#[test]
fn a_token_of_one_site_has_no_right_over_the_deployment() {
    let mut registry = Registry::default();
    let cache = TokenRequest { rights: vec![Right::Cache], ..request("deploy") };
    let token = "a token of at least 32 characters...";
    assert!(matches!(add(&mut registry, &cache, token, NOW), Err(RegistryError::Token(_))));
    for days in [0, 401] {
        let never = TokenRequest { days: Some(days), ..request("deploy") };
        assert!(never.entry(token, NOW).is_err(), "{days}");
    }
    assert_eq!(registry.revision(), 0);
}
