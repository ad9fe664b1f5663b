//! The sites of a deployment. wrangler.toml lists those of the team; calls create others, so that an agency adds a
//! customer without a deployment. What wrangler.toml says of a site is not changed by a call.

mod registry;
mod registry_copy;
mod settings;
mod site_document;

pub use registry::{RegisteredSite, Registry, RegistryChange, RegistryError, RegistryOutcome};
pub use registry_copy::{REGISTRY_MAX_AGE_MS, RegistryCopy};
pub use settings::{EvidencePolicy, Jurisdiction, SiteSettings, is_site_name, shard_address};
pub use site_document::{
    EraseResponse, ListedToken, RestoreResponse, SiteEntry, SiteList, SiteResponse, SiteSource, TokenList,
    TokenRequest, TokenResponse, TokenRevocation,
};
