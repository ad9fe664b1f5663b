//! The sample portal (`www/portal`): installed as its readers would install it, built, and started. It
//! uses the packed npm package and not a link, so that it proves the package of the registry.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::build_cache::Artifact;
use crate::process::Child;
use crate::{process, setup, terminal, tools, workspace};

/// Installs and builds the portal, unless it is up to date. The npm package must be built before.
pub(crate) fn build(root: &Path) -> Result<()> {
    install(root)?;
    let folder = root.join(FOLDER);
    let mut inputs = workspace::source_files(&folder)?;
    inputs.push(folder.join("node_modules/edge-vitals"));
    let artifact = Artifact { name: "portal", inputs, output: folder.join(".next/BUILD_ID") };
    artifact.build(root, "builds the portal", || {
        process::capture(node_script(root, "node_modules/next/dist/bin/next").arg("build")).map(drop)
    })
}

/// The portal behind one edge.
pub(crate) struct Portal {
    pub(crate) origin: String,
    pub(crate) secrets: Secrets,
}

/// Random secrets of one run.
pub(crate) struct Secrets {
    /// Authorizes purges at the edge.
    pub(crate) cache_token: String,
    /// Authorizes reads of alerts and operations.
    pub(crate) read_token: String,
    /// Authorizes acknowledgements, silences and other operations.
    pub(crate) manage_token: String,
    /// Signs the edge's pushes, as `name:secret`.
    pub(crate) push_keys: String,
    /// The password of [`EDITOR`].
    pub(crate) password: String,
    session: String,
}

impl Portal {
    /// A portal on a local port, with new secrets.
    pub(crate) fn new(port: u16) -> Result<Self> {
        let secrets = Secrets {
            cache_token: random_secret()?,
            read_token: random_secret()?,
            manage_token: random_secret()?,
            push_keys: format!("dev:{}", random_secret()?),
            password: random_secret()?.chars().take(16).collect(),
            session: random_secret()?,
        };
        Ok(Self { origin: format!("http://127.0.0.1:{port}"), secrets })
    }

    /// The Worker's variables, with which it serves the portal at that host.
    pub(crate) fn variables(&self, root: &Path, host: &str) -> Result<Vec<String>> {
        let routes = fs::read_to_string(root.join(FOLDER).join("edge.json"))
            .context("cannot read www/portal/edge.json")?;
        let routes: serde_json::Value = serde_json::from_str(
            &routes
                .replace("\"HOST\"", &format!("\"{host}\""))
                .replace("\"ORIGIN\"", &format!("\"{}\"", self.origin)),
        )?;
        let sites = r#"{"portal":{"public":true},"demo":{"public":true},"vitals-dashboard":{"public":true}}"#;
        Ok(vec![
            format!("EDGE:{routes}"),
            format!("SITES:{sites}"),
            format!("CACHE_TOKEN:{}", self.secrets.cache_token),
            format!("READ_TOKEN:{}", self.secrets.read_token),
            format!("MANAGE_TOKEN:{}", self.secrets.manage_token),
            format!("BACKEND_HEALTH_URL:{}/api/health/advanced", self.origin),
            format!("ORIGIN_HEALTH_URL:{}/api/health", self.origin),
            format!("PUSH_KEYS:{}", self.secrets.push_keys),
            "PUSH_EVERY:minute".to_owned(),
        ])
    }

    /// Fills the database and starts the portal. `edge` is the Worker's address.
    pub(crate) fn start(&self, root: &Path, edge: &str, database: &Path) -> Result<Child> {
        let file = database.as_os_str();
        process::capture(node_script(root, "scripts/setup.ts").env("SQLITE_FILE", file))?;
        process::capture(
            node_script(root, "scripts/member.ts")
                .args([EDITOR, "An editor", "editor"])
                .env("SQLITE_FILE", file)
                .env("PASSWORD", &self.secrets.password),
        )?;
        let port = self.origin.rsplit(':').next().unwrap_or_default();
        let mut server = node_script(root, "node_modules/next/dist/bin/next");
        server
            .args(["start", "--hostname", "127.0.0.1", "--port", port])
            .env("SQLITE_FILE", file)
            .env("SESSION_SECRET", &self.secrets.session)
            .env("EDGE_VITALS_KEYS", &self.secrets.push_keys)
            .env("EDGE_VITALS_URL", edge)
            .env("EDGE_VITALS_CACHE_TOKEN", &self.secrets.cache_token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Child::spawn(&mut server)
    }
}

/// Installs the locked packages and this checkout's npm package, unless they are up to date.
fn install(root: &Path) -> Result<()> {
    let folder = root.join(FOLDER);
    let packages = Artifact {
        name: "portal-tools",
        inputs: vec![folder.join("package-lock.json")],
        output: folder.join("node_modules/next"),
    };
    let installed = folder.join("node_modules/edge-vitals");
    let package =
        Artifact { name: "portal-package", inputs: vec![root.join("pkg")], output: installed.clone() };
    let has_packages = packages.is_current(root)?;
    if has_packages && package.is_current(root)? {
        return Ok(());
    }
    terminal::step("installs the portal", || {
        let mut npm = Command::new("npm");
        if has_packages {
            // npm skips a package whose version is installed.
            let _ = fs::remove_dir_all(&installed);
            npm.args(["install", "--no-save", "--no-package-lock", "--install-links"]).arg(root.join("pkg"));
        } else {
            npm.arg("ci");
        }
        npm.args(["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder);
        process::run_silently(&mut npm, setup::NPM_TIMEOUT)
            .context("cannot install the portal's packages; install Node with npm, and check its registry")?;
        packages.mark_current(root)?;
        package.mark_current(root)
    })
}

/// A script of the portal, run in its folder by the pinned Node.
fn node_script(root: &Path, file: &str) -> Command {
    let mut node = tools::npm(root, "node");
    node.arg(file).current_dir(root.join(FOLDER)).env("NEXT_TELEMETRY_DISABLED", "1");
    node.env_remove("NODE_ENV").env_remove("DATABASE_URL");
    node
}

/// 256 random bits in hexadecimal.
pub(crate) fn random_secret() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("the system has no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

const FOLDER: &str = "www/portal";
/// The user who may edit the portal on a developer's machine.
pub(crate) const EDITOR: &str = "editor@portal.example";
