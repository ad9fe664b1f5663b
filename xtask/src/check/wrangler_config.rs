//! Checks of wrangler.toml that wrangler itself does not make.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Fails where an environment lacks a binding that another one has.
pub(crate) fn check_bindings(root: &Path) -> Result<()> {
    let config = read(root)?;
    let bindings =
        |table: &toml::Table| BINDINGS.iter().map(|key| table.get(*key).map(names)).collect::<Vec<_>>();
    let top = bindings(&config);
    if top.iter().any(Option::is_none) {
        bail!("wrangler.toml lacks one of {}", BINDINGS.join(", "));
    }
    let environments =
        config.get("env").and_then(toml::Value::as_table).context("wrangler.toml has no [env]")?;
    for name in ["dev", "staging", "production"] {
        let table = environments.get(name).and_then(toml::Value::as_table);
        let table = table.with_context(|| format!("wrangler.toml has no [env.{name}]"))?;
        if bindings(table) != top {
            bail!("the bindings of [env.{name}] in wrangler.toml differ from those at its top");
        }
    }
    Ok(())
}

/// Fails, with its line, on an EDGE variable that a deployment would answer with 503.
pub(crate) fn check_routes(root: &Path) -> Result<()> {
    let config = read(root)?;
    let environments = config.get("env").and_then(toml::Value::as_table).into_iter().flatten();
    let top = std::iter::once(("the top", config.get("vars")));
    for (name, vars) in top.chain(environments.map(|(name, table)| (name.as_str(), table.get("vars")))) {
        if let Some(edge) = vars.and_then(|vars| vars.get("EDGE")) {
            let text = edge
                .as_str()
                .with_context(|| format!("EDGE at {name} of wrangler.toml must be a string of JSON"))?;
            let at = || format!("EDGE at {name} of wrangler.toml");
            let routes = cache::CacheConfig::parse(text).with_context(at)?;
            let sites = vars.and_then(|vars| vars.get("SITES")).and_then(toml::Value::as_table);
            let is_known = |site: &str| sites.is_some_and(|sites| sites.contains_key(site));
            if let Some(error) = routes.find_unknown_site(text, is_known) {
                return Err(error).with_context(at);
            }
        }
    }
    Ok(())
}

/// The names of bindings, without limits, folders and identifiers, which may differ.
fn names(value: &toml::Value) -> Vec<String> {
    match value {
        toml::Value::Table(table) => {
            let values = ["name", "class_name", "binding"]
                .iter()
                .filter_map(|key| Some(format!("{key}={}", table.get(*key)?.as_str()?)));
            let keys = table.iter().filter(|(_, value)| value.is_array() || value.is_table());
            values.chain(keys.flat_map(|(_, value)| names(value))).collect()
        }
        toml::Value::Array(all) => all.iter().flat_map(names).collect(),
        _ => Vec::new(),
    }
}

fn read(root: &Path) -> Result<toml::Table> {
    let text = fs::read_to_string(root.join("wrangler.toml")).context("cannot read wrangler.toml")?;
    text.parse().context("wrangler.toml is not valid TOML")
}

const BINDINGS: &[&str] = &["assets", "durable_objects", "kv_namespaces", "ratelimits", "triggers", "vars"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_of_an_unknown_site_is_named_with_its_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let check = |site: &str| {
            let edge = format!(
                "{{\"routes\": [\n{{\"host\": \"a\", \"path\": \"/**\", \"origin\": \"https://o\", \"site\": \"{site}\"}}]}}"
            );
            let text = format!("[vars]\nSITES = {{ portal = {{}} }}\nEDGE = '''{edge}'''\n");
            fs::write(folder.path().join("wrangler.toml"), text).expect("a file");
            check_routes(folder.path()).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(check("portal"), Ok(()));
        let error = check("portl").expect_err("an unknown site");
        assert!(error.contains("EDGE at the top of wrangler.toml: line 2"), "{error}");
        assert!(error.contains("site \"portl\" is not in SITES (wrangler.toml)"), "{error}");
    }
}
