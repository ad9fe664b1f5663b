//! What the first shard of a site does for the whole site: it asks the other shards, and owes others what
//! they are to be told. Each debt has a file of its own; this says when.

use ledger::{Counts, Groups, Query};
use worker::wasm_bindgen::JsValue;
use worker::{Env, Error, Result};

use super::{Shard, ask};
use crate::answer::Failure;
use crate::budgets;
use crate::config::Config;

impl Shard {
    /// By the cron, each quarter of an hour. One thing that fails keeps no other from being done.
    pub(super) async fn mind(&self, site: &str) -> Result<()> {
        self.keep("site", &site)?;
        self.owed(site).await;
        if let Err(error) = self.correct(site).await {
            worker::console_error!("what came late for {site} is not told yet: {error}");
        }
        Ok(())
    }

    /// By each alarm.
    pub(super) async fn owed(&self, site: &str) {
        if let Err(error) = self.push(site).await {
            worker::console_error!("the push of {site} rests until the next alarm: {error}");
        }
    }

    /// The answer of all shards together.
    pub(crate) async fn read_all(&self, site: &str, config: &Config, query: &Query) -> Result<Groups> {
        self.fold(budgets::FRESH).await?;
        let mut groups = self.read(query)?;
        let question = serde_json::to_string(query)?;
        for shard in config.shards.all().skip(1) {
            let bytes = others(&self.env, site, shard, "read", Some(question.as_str().into())).await?;
            groups.merge(Groups::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?);
        }
        Ok(groups)
    }

    /// The counts of all shards together.
    pub(crate) async fn count_all(&self, site: &str, config: &Config) -> Result<Counts> {
        self.fold(budgets::FRESH).await?;
        let mut counts = self.counts()?;
        for shard in config.shards.all().skip(1) {
            let bytes = others(&self.env, site, shard, "counts", None).await?;
            counts.merge(Counts::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?);
        }
        Ok(counts)
    }
}

async fn others(env: &Env, site: &str, shard: u32, what: &str, body: Option<JsValue>) -> Result<Vec<u8>> {
    ask(env, site, shard, what, body).await.map_err(|failure| match failure {
        Failure::Broken(error) => error,
        Failure::Refused(refusal) => Error::RustError(format!("shard {shard}: {refusal}")),
    })
}
