//! The sample portal (`www/portal`), installed as its reader would install it, built, and run. It takes
//! the package as it is packed and not a link, so that what works here works from the registry.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::Running;
use crate::{process, screen, setup};

/// Installs and builds it, where that is not done yet. The package must be built before.
pub fn build(root: &Path) -> Result<()> {
    install(root)?;
    let fingerprint = setup::fingerprint(sources(root)?.iter().map(PathBuf::as_path))?;
    if root.join(FOLDER).join(".next/BUILD_ID").exists() && setup::is_current(root, "portal", fingerprint) {
        return Ok(());
    }
    screen::step("builds the portal", || {
        process::quiet(program(root, "node_modules/next/dist/bin/next").arg("build"))?;
        setup::mark(root, "portal", fingerprint)
    })
}

/// The portal as it serves one edge.
pub struct Portal {
    /// What it is asked by.
    pub origin: String,
    /// The edge's secrets, and who may change what it offers.
    pub secrets: Secrets,
}

/// Made for one run, and known to nobody else.
pub struct Secrets {
    /// Opens the edge's purges.
    pub cache_token: String,
    /// Signs what the edge pushes, as `name:secret`.
    pub push_keys: String,
    /// The password of [`EDITOR`].
    pub password: String,
    session: String,
}

impl Portal {
    /// The portal on that port, with fresh secrets.
    pub fn at(port: u16) -> Result<Self> {
        let secrets = Secrets {
            cache_token: random()?,
            push_keys: format!("dev:{}", random()?),
            password: random()?.chars().take(16).collect(),
            session: random()?,
        };
        Ok(Self { origin: format!("http://127.0.0.1:{port}"), secrets })
    }

    /// What the Worker is to know so that the portal stands behind it at that host.
    pub fn variables(&self, root: &Path, host: &str) -> Result<Vec<String>> {
        let routes =
            fs::read_to_string(root.join(FOLDER).join("edge.json")).context("the portal's edge.json")?;
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
            format!("BACKEND_HEALTH_URL:{}/api/health/advanced", self.origin),
            format!("ORIGIN_HEALTH_URL:{}/api/health", self.origin),
            format!("PUSH_KEYS:{}", self.secrets.push_keys),
            "PUSH_EVERY:minute".to_owned(),
        ])
    }

    /// Fills its database, and starts it before that edge.
    pub fn start(&self, root: &Path, edge: &str, database: &Path) -> Result<Running> {
        let file = database.as_os_str();
        process::quiet(program(root, "scripts/setup.ts").env("SQLITE_FILE", file))?;
        process::quiet(
            program(root, "scripts/member.ts")
                .args([EDITOR, "An editor", "editor"])
                .env("SQLITE_FILE", file)
                .env("PASSWORD", &self.secrets.password),
        )?;
        let port = self.origin.rsplit(':').next().unwrap_or_default();
        let mut server = program(root, "node_modules/next/dist/bin/next");
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
        Running::start(&mut server)
    }
}

/// The locked packages, and the package of this checkout; both stay where they have not changed.
fn install(root: &Path) -> Result<()> {
    let folder = root.join(FOLDER);
    let lock = setup::fingerprint([folder.join("package-lock.json").as_path()])?;
    let mut packed = Vec::new();
    setup::files(&root.join("pkg"), &mut packed)?;
    let package = setup::fingerprint(packed.iter().map(PathBuf::as_path))?;
    let has_tools =
        folder.join("node_modules/next").exists() && setup::is_current(root, "portal-tools", lock);
    let installed = folder.join("node_modules/edge-vitals");
    if has_tools && installed.exists() && setup::is_current(root, "portal-package", package) {
        return Ok(());
    }
    screen::step("installs the portal", || {
        let mut npm = Command::new("npm");
        match has_tools {
            false => npm.arg("ci"),
            true => {
                // npm takes a package of the same version for the same.
                let _ = fs::remove_dir_all(&installed);
                npm.args(["install", "--no-save", "--no-package-lock", "--install-links"])
                    .arg(root.join("pkg"))
            }
        };
        npm.args(["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder);
        process::bounded(&mut npm, Duration::from_secs(900)).context(
            "the portal's packages could not be installed; Node with npm and its registry are needed",
        )?;
        setup::mark(root, "portal-tools", lock)?;
        setup::mark(root, "portal-package", package)
    })
}

/// A program of the portal's, in its folder, run by the pinned Node.
fn program(root: &Path, file: &str) -> Command {
    let mut node = process::npm(root, "node");
    node.arg(file).current_dir(root.join(FOLDER)).env("NEXT_TELEMETRY_DISABLED", "1").env_remove("NODE_ENV");
    node.env_remove("DATABASE_URL");
    node
}

/// All that a build is made of.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join(FOLDER);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).context("www/portal cannot be read")?.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if matches!(&*name, "node_modules" | ".next" | "next-env.d.ts" | "tsconfig.tsbuildinfo")
            || name.contains(".sqlite")
        {
            continue;
        }
        match path.is_dir() {
            true => setup::files(&path, &mut found)?,
            false => found.push(path),
        }
    }
    setup::files(&folder.join("node_modules/edge-vitals"), &mut found)?;
    found.sort();
    Ok(found)
}

/// 256 bits that nobody can guess.
fn random() -> Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("/dev/urandom")?;
    if bytes == [0; 32] {
        bail!("/dev/urandom gave nothing");
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

const FOLDER: &str = "www/portal";
/// Who may change what the portal offers, on a developer's machine.
pub const EDITOR: &str = "editor@portal.example";
