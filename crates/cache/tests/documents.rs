//! The examples and settings in `docs/cache.md`, checked against the parser.

use cache::CacheConfig;

#[test]
fn the_documented_configuration_parses() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cache.md"))
        .expect("docs/cache.md");
    let blocks: Vec<&str> =
        document.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [whole, route] = blocks.as_slice() else {
        panic!("expected two examples: a configuration and a route")
    };
    assert_eq!(CacheConfig::parse(whole).expect("the example").routes.len(), 3);
    let around = format!("{{\"routes\": [{route}]}}");
    // A route of Next.js stands for three.
    assert_eq!(CacheConfig::parse(&around).expect("the route").routes.len(), 3);
}

#[test]
fn every_config_key_is_documented() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cache.md"))
        .expect("docs/cache.md");
    // The error about an unknown key lists the known ones.
    let known_keys = |text: &str| {
        let message = CacheConfig::parse(text).expect_err("an unknown key").message;
        message.split('`').skip(3).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let keys = [known_keys(r#"{"routes": [{"?": 1}]}"#), known_keys(r#"{"?": 1}"#)].concat();
    assert!(keys.len() > 20, "{keys:?}");
    for key in keys {
        assert!(document.contains(&format!("`{key}`")), "docs/cache.md does not document {key}");
    }
}
