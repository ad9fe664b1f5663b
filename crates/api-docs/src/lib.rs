//! The generator of the files that describe the API: worker/openapi.json, the TypeScript types of the
//! documents, and the list of the Worker's own paths. Paths come from the route table of `wire`, shapes and
//! descriptions from the Rust types. A test holds the files to this crate; `UPDATE_GENERATED=1 cargo test -p
//! api-docs` writes them.

mod openapi;
mod operation;
mod own_paths;
mod parameter;
mod schema;
mod typescript;

use toolkit::{GateReport, LhciVerification};
use wire::cache_admin::{PurgeResponse, WarmResponse};
use wire::push::WindowDocument;

use crate::schema::Schemas;

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// The path from the root of the repository.
    pub path: &'static str,
    /// The text.
    pub text: String,
}

/// Generates every file.
#[must_use]
pub fn generate() -> Vec<GeneratedFile> {
    let mut api = Schemas::new();
    let document = openapi::document(&mut api);
    // Documents that the toolkit reads and that no endpoint serves.
    let mut cli = Schemas::new();
    cli.response::<GateReport>();
    cli.response::<LhciVerification>();
    let mut package = Schemas::new();
    package.response::<WindowDocument>();
    package.response::<PurgeResponse>();
    package.response::<WarmResponse>();
    vec![
        GeneratedFile { path: "worker/openapi.json", text: document },
        GeneratedFile { path: "worker/js/own_paths.js", text: own_paths::module() },
        GeneratedFile { path: "www/dashboard/documents.d.ts", text: typescript::module(&api.definitions()) },
        GeneratedFile { path: "pkg/cli/documents.d.ts", text: typescript::module(&cli.definitions()) },
        GeneratedFile { path: "pkg/types/documents.d.ts", text: typescript::module(&package.definitions()) },
    ]
}
