//! What the first shard of a site does for the whole site: it asks the other shards, and owes others what
//! they are to be told. Each debt has a file of its own; this says when.

use ledger::traffic::Traffic;
use ledger::{Counts, Groups, Query, Span};
use serde_json::Value;
use worker::wasm_bindgen::JsValue;
use worker::{Env, Error, Request, Response, Result};

use super::{Shard, ask, now};
use crate::answer::Failure;
use crate::budgets;
use crate::config::Config;

impl Shard {
    /// What the Worker asks of the whole site, in JSON: the site and what is to be known for it.
    pub(super) async fn first(&self, what: &str, mut request: Request) -> Result<Response> {
        let (site, body): (String, Value) = request.json().await?;
        self.keep("site", &site)?;
        match what {
            "standing" => Response::from_json(&self.standing(&site, serde_json::from_value(body)?).await?),
            "push" => Response::from_json(&self.backends(&site)?),
            "push-again" => Response::from_json(&self.push_again(&site, &serde_json::from_value(body)?)?),
            "lab" => Response::from_json(&self.lab()?),
            "lab-take" => {
                let known: Vec<wire::lab::Known> = serde_json::from_value(body)?;
                Response::from_json(&self.lab_take(&known)?)
            }
            "totals" => Response::from_bytes(self.totals(&site).await?.encode()),
            "history" => Response::from_json(&self.history(&serde_json::from_value(body)?)?),
            "alerts" => Response::from_json(&self.alerts_shown(&site)?),
            "ack" => Response::from_json(&self.acknowledge(&site, serde_json::from_value(body)?)?),
            "silence" => Response::from_json(&self.silence(&site, serde_json::from_value(body)?)?),
            "unsilence" => Response::from_json(&self.unsilence(&site, serde_json::from_value(body)?)?),
            _ => Response::error("there is nothing here", 404),
        }
    }

    /// By the cron, each quarter of an hour. One thing that fails keeps no other from being done.
    pub(super) async fn mind(&self, site: &str) -> Result<()> {
        self.keep("site", &site)?;
        self.owed(site).await;
        if let Err(error) = self.correct(site).await {
            worker::console_error!("what came late for {site} is not told yet: {error}");
        }
        if let Err(error) = self.totals(site).await {
            worker::console_error!("the totals of {site} are brought up later: {error}");
        }
        if let Err(error) = self.look_around(site).await {
            worker::console_error!("nobody could look at {site}: {error}");
        }
        if let Err(error) = self.stand(site).await {
            worker::console_error!(
                "how {site} stands is not written down, and its history has a gap: {error}"
            );
        }
        Ok(())
    }

    /// What there is to see: how the budgets stand, and what each hour was.
    async fn look_around(&self, site: &str) -> Result<()> {
        let config = self.config()?;
        let counts = self.count_all(site, &config).await?;
        let budgets = self.ruled(budgets::FRESH).await?.budgets;
        let seen = self.look(&counts, &budgets)?;
        self.write_hours(site, &config).await?;
        let mut lately = Traffic::default();
        let answers = self.answered(Span::Minute, now().before(LATELY), now().after(1))?;
        answers.0.values().for_each(|traffic| lately.merge(traffic));
        self.read_for_alerts(site, &config, &budgets, &counts, &seen, &lately)
    }

    /// How the site stands, for its history.
    async fn stand(&self, site: &str) -> Result<()> {
        let (health, score) = self.looks(site, &*self.config()?).await?;
        self.write_status(health, score)
    }

    /// By each alarm.
    pub(super) async fn owed(&self, site: &str) {
        if let Err(error) = self.push(site).await {
            worker::console_error!("the push of {site} rests until the next alarm: {error}");
        }
        if let Err(error) = self.call(site) {
            worker::console_error!("the alerts of {site} rest until the next alarm: {error}");
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

/// Milliseconds from one look of the cron to the next.
const LATELY: u64 = 15 * 60_000;
