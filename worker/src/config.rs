//! What wrangler.toml says: the sites, who may send for them, and how many shards hold them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::Deserialize;
use worker::Env;

/// The configuration of one deployment.
#[derive(Debug)]
pub(crate) struct Config {
    /// Each site by its name.
    pub(crate) sites: BTreeMap<String, Site>,
    /// Over how many objects a site's views are spread.
    pub(crate) shards: u32,
}

/// One site.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Site {
    /// The origins whose pages may send, besides the Worker's own; `*` for any.
    #[serde(default)]
    pub(crate) origins: Vec<String>,
    /// Whether everybody may read its summary. If not, the secret READ_TOKEN is needed.
    #[serde(default)]
    pub(crate) public: bool,
}

/// What is wrong in wrangler.toml.
#[derive(Debug)]
pub(crate) struct Mistake(String);

impl Config {
    /// The configuration of this deployment: it does not change while an isolate lives.
    pub(crate) fn of(env: &Env) -> Result<Rc<Self>, Mistake> {
        if let Some(known) = READ.with_borrow(Clone::clone) {
            return Ok(known);
        }
        let config = Rc::new(Self::read(env)?);
        READ.set(Some(Rc::clone(&config)));
        Ok(config)
    }

    fn read(env: &Env) -> Result<Self, Mistake> {
        // A table in wrangler.toml arrives as an object; on the command line it is given as text.
        let sites = match env.object_var::<BTreeMap<String, Site>>("SITES") {
            Ok(sites) => sites,
            Err(error) => match env.var("SITES") {
                Ok(text) => serde_json::from_str(&text.to_string())
                    .map_err(|error| Mistake(format!("SITES is not a table of sites: {error}")))?,
                Err(_) => return Err(Mistake(format!("SITES is not a table of sites: {error}"))),
            },
        };
        let shards = match env.var("SHARDS") {
            Err(_) => 1,
            Ok(text) => match text.to_string().parse() {
                Ok(shards @ 1..=256) => shards,
                _ => return Err(Mistake("SHARDS must be a whole number from 1 to 256".into())),
            },
        };
        Ok(Self { sites, shards })
    }

    /// Whether pages of that origin may send for any site; the beacon's own site is checked later.
    pub(crate) fn knows(&self, origin: &str) -> bool {
        self.sites.values().any(|site| site.allows(origin))
    }
}

impl Site {
    /// Whether pages of that origin may send for this site.
    pub(crate) fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; mend [vars] in wrangler.toml and deploy again", self.0)
    }
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static READ: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}
