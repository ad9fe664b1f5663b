//! The state of the isolate: the configuration, and what all exchanges share. Plain data: nothing in it
//! belongs to a request.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use cache::{CacheConfig, SharedState};
use worker::js_sys::Uint8Array;
use worker::{Env, web_sys};

use crate::config::Config;
use crate::rejection_counter::UNKNOWN_SITE;
use crate::trace_export;
use wire::sorting::CollectOrdered;

/// The state of the isolate.
#[derive(Default)]
pub(crate) struct IsolateState {
    config: Option<EdgeConfig>,
    pub(crate) shared: SharedState<StoredBody>,
}

/// The variable EDGE, with the site of each route.
#[derive(Clone)]
pub(crate) enum EdgeConfig {
    Disabled,
    Routes(Rc<CacheConfig>, Rc<[String]>),
    Invalid(String),
}

/// A body in JavaScript's memory, with the header fields that every client of its entry gets. A copy
/// shares the bytes, and begins without header fields.
#[derive(Debug)]
pub(crate) struct StoredBody {
    pub(crate) bytes: Uint8Array,
    pub(crate) full_headers: OnceCell<web_sys::Headers>,
    pub(crate) not_modified_headers: OnceCell<web_sys::Headers>,
}

impl StoredBody {
    pub(crate) const fn new(bytes: Uint8Array) -> Self {
        Self { bytes, full_headers: OnceCell::new(), not_modified_headers: OnceCell::new() }
    }
}

impl Clone for StoredBody {
    fn clone(&self) -> Self {
        Self::new(self.bytes.clone())
    }
}

thread_local! {
    pub(crate) static ISOLATE: RefCell<IsolateState> = RefCell::default();
}

/// Reads the configuration once.
pub(crate) fn edge_config(env: &Env) -> EdgeConfig {
    trace_export::init(env);
    let known = ISOLATE.with_borrow(|isolate| isolate.config.clone());
    known.unwrap_or_else(|| {
        let config = parse_config(env);
        ISOLATE.with_borrow_mut(|isolate| {
            if let EdgeConfig::Routes(routes, _) = &config {
                isolate.shared.memory.set_max_bytes(routes.memory_bytes);
            }
            isolate.config = Some(config.clone());
        });
        config
    })
}

/// Returns true unless the variable EDGE is invalid.
pub(crate) fn has_valid_config(env: &Env) -> bool {
    !matches!(edge_config(env), EdgeConfig::Invalid(_))
}

/// Returns the sites whose responses come through the cache.
pub(crate) fn site_names(env: &Env) -> BTreeSet<String> {
    match edge_config(env) {
        EdgeConfig::Routes(_, sites) => sites.iter().cloned().collect_set(),
        EdgeConfig::Disabled | EdgeConfig::Invalid(_) => BTreeSet::new(),
    }
}

fn parse_config(env: &Env) -> EdgeConfig {
    let text = env.var("EDGE").map(|text| text.to_string()).unwrap_or_default();
    if text.trim().is_empty() {
        return EdgeConfig::Disabled;
    }
    let invalid =
        |error: &dyn std::fmt::Display| EdgeConfig::Invalid(format!("EDGE in wrangler.toml: {error}"));
    let routes = match CacheConfig::parse(&text) {
        Ok(routes) => routes,
        Err(error) => return invalid(&error),
    };
    let config = match Config::load(env) {
        Ok(config) => config,
        Err(error) => return invalid(&error),
    };
    if let Some(error) = routes.find_unknown_site(&text, |site| config.sites.contains_key(site)) {
        return invalid(&error);
    }
    // The dashboard is a site of its own, without an origin behind the cache.
    let mut others = config.sites.keys().filter(|site| *site != "vitals-dashboard");
    let only = others.next().filter(|_| others.next().is_none()).map_or(UNKNOWN_SITE, String::as_str);
    let sites = routes.routes.iter().map(|route| route.site().unwrap_or(only).to_owned()).collect();
    EdgeConfig::Routes(Rc::new(routes), sites)
}
