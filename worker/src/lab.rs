//! Lighthouse results beside the field: they are stored by the coordinator of a site.

use wire::lab::{LabReport, LabResult, LabUpload, LabUploadResponse, VERSION};
use worker::{Env, Request};

use crate::admission::Admission;
use crate::clock::now;
use crate::response::{self, HandlerResult};
use crate::shard_client::call_coordinator;
use crate::shard_protocol::{ReadLabResults, StoreLabResults};

/// `POST /api/lab`: stores the medians of a run.
pub(crate) async fn upload(request: &Request, env: &Env, admission: &Admission) -> HandlerResult {
    let site = admission.site.clone();
    let upload: LabUpload = admission.json_body(request).await?;
    let upload = upload.validate()?;
    let results: Vec<LabResult> = upload
        .pages
        .into_iter()
        .map(|measurement| LabResult {
            route: ledger::derive_template(&measurement.path),
            at: now(),
            release: upload.release.clone(),
            measurement,
        })
        .collect();
    let pages = call_coordinator(env, &site, StoreLabResults(results)).await?;
    response::document(&LabUploadResponse { v: VERSION, site, pages })
}

/// `GET /api/lab`: the latest result of each page and device class.
pub(crate) async fn list(request: &Request, env: &Env, admission: &Admission) -> HandlerResult {
    let site = admission.site.clone();
    let pages = call_coordinator(env, &site, ReadLabResults).await?;
    let lab = LabReport { v: VERSION, site, pages };
    response::conditional_json(request, "private, max-age=5", &lab)
}
