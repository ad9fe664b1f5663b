//! Inputs of the cache: its configuration, requests, responses of origins, stored entries.

use std::rc::Rc;
use std::sync::LazyLock;

use cache::{
    CacheConfig, CacheEntry, DecisionLog, EnvelopeHeader, Exchange, Headers, RequestDirectives, RequestHead,
    RequestStart, ResponseDirectives, ResponseHead, RoutePolicy, UrlParts, is_not_modified, select_range,
    server_timing, storable_entry, vary_names, warm,
};

use crate::time::NOW;

pub(crate) fn edge_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match CacheConfig::parse(text) {
        Ok(config) => drop(config.find_route("www.example.com", "/a/b")),
        Err(error) => assert!(!error.message.is_empty() && error.line <= text.split('\n').count()),
    }
}

/// The header fields of a response, a line each.
pub(crate) fn directives(bytes: &[u8]) {
    let headers = Headers::parse(&String::from_utf8_lossy(bytes));
    let _ = (ResponseDirectives::from_headers(&headers), RequestDirectives::from_headers(&headers));
    let _ = vary_names(&headers, &["accept".into()]);
    let _ = is_not_modified(&headers, &headers);
    let _ = select_range(&headers, &headers, 1000);
    let response = ResponseHead { status: 200, headers, requested: NOW, received: NOW };
    let request = RequestHead::get(Headers::new());
    let stored = storable_entry(&request, &response, &RoutePolicy::default(), 0, &mut DecisionLog::new());
    if let Some(entry) = stored {
        let mut envelope = entry.encode_head(4);
        envelope.extend(b"body");
        let again =
            CacheEntry::decode(&envelope).map(|(entry, body)| (entry, envelope.get(body..) == Some(b"body")));
        assert_eq!(again, Some((entry, true)), "what is stored is read again");
    }
}

/// A URL in the first line, and header fields in the others.
pub(crate) fn request(bytes: &[u8]) {
    static CONFIG: LazyLock<String> = LazyLock::new(|| {
        let guarded = r#"{"host": "www.example.com", "path": "/admin/**", "origin": "https://o.example", "require": {"cookie": "s"}}"#;
        let rest = r#"{"host": "www.example.com", "path": "/**", "origin": "https://o.example", "query": ["page"], "vary": ["accept-language"]}"#;
        format!(r#"{{"routes": [{guarded}, {rest}]}}"#)
    });
    let text = String::from_utf8_lossy(bytes);
    let (url, head) = text.split_once('\n').unwrap_or((&text, ""));
    let (Ok(config), Some(url)) = (CacheConfig::parse(&CONFIG), UrlParts::parse(url)) else { return };
    for method in ["GET", "POST"] {
        let head = RequestHead { method: method.into(), headers: Headers::parse(head) };
        let start = RequestStart { url, head, client_ip: "192.0.2.1" };
        let _ = Exchange::<Vec<u8>>::start_for_client(&Rc::new(config.clone()), start, NOW, |_, _| false);
    }
}

pub(crate) fn envelope(bytes: &[u8]) {
    let Some((entry, body)) = CacheEntry::decode(bytes) else { return };
    assert!(body <= bytes.len());
    let _ = (entry.age(NOW), entry.remaining_lifetime(NOW), entry.staleness(NOW), entry.retention_seconds(0));
    let _ = EnvelopeHeader::parse(bytes).map(|header| header.is_complete(bytes.len()));
}

pub(crate) fn server_timing(bytes: &[u8]) {
    let mut headers = Headers::new();
    headers.append("server-timing", &String::from_utf8_lossy(bytes));
    let _ = server_timing::parse_entries(&headers);
    for (_, millis) in server_timing::query_durations(&headers) {
        assert!(millis.is_finite() && millis >= 0.0);
    }
}

pub(crate) fn sitemap(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(urls) = warm::parse_list(&text, 10) {
        assert!(urls.len() <= 10);
    }
    let _ = warm::parse_prediction(&text);
}
