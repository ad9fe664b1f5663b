//! What Lighthouse measured, beside what visitors feel: `POST /api/lab` takes the medians of a run, and
//! `GET /api/lab` tells the latest of each page and device. The first shard of a site keeps them.

use wire::lab::{LabReport, LabResult, LabUpload, LabUploadResponse, VERSION};
use worker::{Env, Error, Request, Result, SqlStorageValue};

use crate::auth;
use crate::config::Config;
use crate::query_api::{self, CONTENT_TYPE_JSON};
use crate::response::{self, HandlerResult};
use crate::shard::{self, Shard, now, to_sql_integer};

/// Takes what was measured. Whoever may change what others see holds the token for it.
pub(crate) async fn upload(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    let upload: LabUpload = auth::json_body(request).await?;
    let upload = upload.validate()?;
    let known: Vec<LabResult> = upload
        .pages
        .into_iter()
        .map(|measured| LabResult {
            route: ledger::derive_template(&measured.path),
            at: now(),
            release: upload.release.clone(),
            measurement: measured,
        })
        .collect();
    let pages: usize = shard::call_coordinator(env, &site, "lab-take", &known).await?;
    response::document(&LabUploadResponse { v: VERSION, site, pages })
}

/// The latest of each page and device.
pub(crate) async fn list(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    query_api::authorize_read(request, env, config, &site)?;
    let pages: Vec<LabResult> = shard::call_coordinator(env, &site, "lab", &()).await?;
    let lab = LabReport { v: VERSION, site, pages };
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        "private, max-age=5",
        serde_json::to_vec(&lab).map_err(Error::from)?,
    )
}

impl Shard {
    /// Keeps what was measured. How many pages it was.
    pub(crate) fn store_lab_results(&self, results: &[LabResult]) -> Result<usize> {
        for known in results {
            let row = vec![
                known.measurement.path.as_str().into(),
                known.measurement.device.name().into(),
                to_sql_integer(known.at.0),
                serde_json::to_string(known)?.into(),
            ];
            self.sql()
                .exec("INSERT OR REPLACE INTO lab (path, device, at, known) VALUES (?1, ?2, ?3, ?4)", row)?;
        }
        // Pages come and go with the addresses that somebody measures; what is oldest makes room.
        self.sql().exec(
            "DELETE FROM lab WHERE (path, device) IN
             (SELECT path, device FROM lab ORDER BY at DESC, path, device LIMIT -1 OFFSET ?1)",
            vec![to_sql_integer(MAX_LAB_PAGES)],
        )?;
        Ok(results.len())
    }

    pub(crate) fn lab_results(&self) -> Result<Vec<LabResult>> {
        let rows = self.sql().exec("SELECT known FROM lab ORDER BY path, device", None)?;
        let mut all = Vec::new();
        for row in rows.raw() {
            if let [SqlStorageValue::String(known)] = row?.as_slice() {
                all.push(serde_json::from_str(known)?);
            }
        }
        Ok(all)
    }
}

const MAX_LAB_PAGES: u64 = 500;
