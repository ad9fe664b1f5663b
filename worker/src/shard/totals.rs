//! The exported totals of a site, which only grow.

use export::Totals;
use export::totals_range::TotalsRange;
use wire::{UnixMillis, WindowSpan};
use worker::{Error, Result, SqlStorageValue};

use super::object::Shard;
use crate::clock::now;
use crate::shard_protocol::TrafficQuery;
use crate::sql::{to_sql_integer, unsupported_row};

impl Shard {
    /// Adds the minutes that have closed since the last call, and returns the totals. Beacons that arrive later are
    /// not exported, because a total must not fall.
    pub(super) async fn totals(&self, site: &str) -> Result<Totals> {
        let config = self.config()?;
        let known: Option<TotalsRange> = self.load_fact("totals")?;
        let horizon = self.horizon()?;
        let counted = known.unwrap_or_else(|| TotalsRange::starting(&horizon, now()));
        let Some(query) = counted.next_query(&horizon, now()) else {
            if known.is_none() {
                self.store_fact("totals", &counted)?;
            }
            return self.load_totals(site, counted.since);
        };
        let groups = self.query_site(site, &config, &query).await?;
        let responses = TrafficQuery { span: WindowSpan::Minute, from: query.from, to: query.to };
        let traffic = self.site_traffic(site, &config, responses).await?;
        // Another call may have been quicker while the shards were read.
        if self.load_fact::<TotalsRange>("totals")? != known {
            return self.load_totals(site, counted.since);
        }
        let mut totals = self.load_totals(site, counted.since)?;
        let before = totals.to_packed_rows().map_err(encode_error)?;
        for (group, cell) in &groups.cells {
            if let Some((route, device)) = group.page(&query.by) {
                totals.add_visits(route, device, cell);
            }
        }
        traffic.0.values().for_each(|traffic| totals.add_traffic(traffic));
        // Totals of earlier versions are all written anew.
        let is_earlier = self.has_table("totals")?;
        for (number, row) in totals.to_packed_rows().map_err(encode_error)?.into_iter().enumerate() {
            if is_earlier || before.get(number) != Some(&row) {
                let row = vec![to_sql_integer(number as u64), SqlStorageValue::Blob(row)];
                let write = "INSERT OR REPLACE INTO packed_totals (number, totals) VALUES (?, ?)";
                self.sql().exec(write, row)?;
            }
        }
        if is_earlier {
            self.execute(&["DROP TABLE totals"])?;
        }
        self.store_fact("totals", &TotalsRange { to: query.to, ..counted })?;
        Ok(totals)
    }

    fn load_totals(&self, site: &str, since: UnixMillis) -> Result<Totals> {
        let mut rows = Vec::new();
        // Before version 5, a route was a row.
        if self.has_table("totals")? {
            for row in self.sql().exec("SELECT route, total FROM totals", None)?.raw() {
                if let [SqlStorageValue::String(route), SqlStorageValue::Blob(total)] = row?.as_slice() {
                    rows.push((route.clone(), total.clone()));
                }
            }
        }
        for row in self.sql().exec("SELECT totals FROM packed_totals ORDER BY number", None)?.raw() {
            if let [SqlStorageValue::Blob(packed)] = row?.as_slice() {
                rows.extend(Totals::unpack_row(packed).map_err(|_| unsupported_row("packed_totals"))?);
            }
        }
        let totals = Totals::from_rows(site.to_owned(), since, rows);
        totals.map_err(|_| unsupported_row("totals"))
    }
}

fn encode_error(error: wire::CodecError) -> Error {
    Error::RustError(format!("totals not encoded: {error}"))
}
