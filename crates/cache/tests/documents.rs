//! What the documents show is read by what they are about.

use cache::Routes;

#[test]
fn the_configuration_in_the_document_is_one() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cache.md"))
        .expect("docs/cache.md");
    let blocks: Vec<&str> =
        document.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [whole, route] = blocks.as_slice() else { panic!("a configuration, and a route of one") };
    assert_eq!(Routes::parse(whole).expect("the example").routes.len(), 3);
    let around = format!("{{\"routes\": [{route}]}}");
    assert_eq!(Routes::parse(&around).expect("the route").routes.len(), 1);
}

#[test]
fn every_key_of_a_route_is_in_the_document() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cache.md"))
        .expect("docs/cache.md");
    // The parser lists the keys that it knows when it meets one that it does not.
    let of = |text: &str| {
        let says = Routes::parse(text).expect_err("an unknown key").says;
        says.split('`').skip(3).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let keys = [of(r#"{"routes": [{"?": 1}]}"#), of(r#"{"?": 1}"#)].concat();
    assert!(keys.len() > 20, "{keys:?}");
    for key in keys {
        assert!(document.contains(&format!("`{key}`")), "docs/cache.md says nothing of {key}");
    }
}
