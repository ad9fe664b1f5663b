//! What Lighthouse measured, beside what visitors feel: `POST /api/lab` takes the medians of a run, and
//! `GET /api/lab` tells the latest of each page and device. The first shard of a site keeps them.

use serde_json::json;
use wire::lab::{Known, Lab, Upload, VERSION};
use worker::{Env, Error, Request, Result, SqlStorageValue};

use crate::answer::{self, Outcome};
use crate::config::Config;
use crate::leave;
use crate::read::{self, JSON};
use crate::shard::{self, Shard, now, number};

/// Takes what was measured. Whoever may change what others see holds the token for it.
pub(crate) async fn take(request: &Request, env: &Env, config: &Config) -> Outcome {
    let site = leave::site(request, config)?;
    leave::demand(leave::carries(request, env, leave::MANAGE)?, leave::MANAGE)?;
    let upload: Upload = leave::body(request).await?;
    let upload = upload.checked()?;
    let known: Vec<Known> = upload
        .pages
        .into_iter()
        .map(|measured| Known {
            route: ledger::template(&measured.path),
            at: now(),
            release: upload.release.clone(),
            measured,
        })
        .collect();
    let kept: usize = shard::first(env, &site, "lab-take", &known).await?;
    Ok(answer::json(json!({ "v": VERSION, "site": site, "pages": kept }).to_string())?)
}

/// The latest of each page and device.
pub(crate) async fn shown(request: &Request, env: &Env, config: &Config) -> Outcome {
    let site = leave::site(request, config)?;
    read::may_read(request, env, config, &site)?;
    let pages: Vec<Known> = shard::first(env, &site, "lab", &()).await?;
    let lab = Lab { v: VERSION, site, pages };
    answer::read(request, JSON, "private, max-age=5", serde_json::to_vec(&lab).map_err(Error::from)?)
}

impl Shard {
    /// Keeps what was measured. How many pages it was.
    pub(crate) fn lab_take(&self, known: &[Known]) -> Result<usize> {
        for known in known {
            let row = vec![
                known.measured.path.as_str().into(),
                known.measured.device.name().into(),
                number(known.at.0),
                serde_json::to_string(known)?.into(),
            ];
            self.sql()
                .exec("INSERT OR REPLACE INTO lab (path, device, at, known) VALUES (?1, ?2, ?3, ?4)", row)?;
        }
        // Pages come and go with the addresses that somebody measures; what is oldest makes room.
        self.sql().exec(
            "DELETE FROM lab WHERE (path, device) IN
             (SELECT path, device FROM lab ORDER BY at DESC, path, device LIMIT -1 OFFSET ?1)",
            vec![number(MOST_PAGES)],
        )?;
        Ok(known.len())
    }

    pub(crate) fn lab(&self) -> Result<Vec<Known>> {
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

const MOST_PAGES: u64 = 500;
