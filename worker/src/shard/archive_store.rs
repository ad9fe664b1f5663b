//! The tables of a shard as pages of a backup, and from pages again; and the erasure of the shard. `archive` has the
//! rules.

use archive::{
    BackupPage, Cursor, RESTORE_FACT, Restore, ShardHeader, SqlValue, in_order, is_own_fact, parse_page,
};
use ledger::TurnKind;
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use super::schema::SCHEMA_VERSION;
use crate::clock::now;
use crate::shard_protocol::{ArchiveReply, ReadBackup, RestorePage};
use crate::sql::query_integer;

impl Shard {
    /// Reads a page of the backup. Nothing is folded until a minute after the last page was read.
    pub(super) async fn read_backup(&self, call: &ReadBackup) -> Result<ArchiveReply> {
        let header =
            ShardHeader { shard: call.shard, shards: call.shards, tables: SCHEMA_VERSION, at: now() };
        let (mut page, cursor) = match &call.after {
            Some(after) if self.is_frozen() => (BackupPage::following(call.shard, after), after.clone()),
            Some(_) => return Ok(ArchiveReply::Refused(TOO_SLOW.to_owned())),
            None if self.has_earlier_rows() => return Ok(ArchiveReply::Refused(MIGRATING.to_owned())),
            None => {
                // A fold that is under way ends first.
                drop(self.take_turn(TurnKind::Maintenance).await?);
                let first = Cursor { table: String::new(), key: Vec::new(), rows: 0 };
                (BackupPage::first(header), first)
            }
        };
        self.backup_read_at.set(now());
        let tables = self.tables()?;
        let start = tables.iter().position(|table| *table == cursor.table).unwrap_or_default();
        for (index, table) in tables.iter().enumerate().skip(start) {
            let after = if index == start { cursor.key.as_slice() } else { &[] };
            if let Some(key) = self.add_rows(&mut page, table, after)? {
                return Ok(ArchiveReply::Page(page.next_after(table, key)));
            }
        }
        Ok(ArchiveReply::Page(page.end()))
    }

    /// Adds the rows of a table after a key. Returns the key of the last one, if the page is full.
    fn add_rows(
        &self,
        page: &mut BackupPage,
        table: &str,
        after: &[SqlValue],
    ) -> Result<Option<Vec<SqlValue>>> {
        let key_columns = self.key_columns(table)?;
        let names: Vec<&str> = key_columns.iter().map(|(name, _)| name.as_str()).collect();
        let key = names.join(", ");
        let condition = match after.len() {
            0 => String::new(),
            more => format!("WHERE ({key}) > ({})", vec!["?"; more].join(", ")),
        };
        let query = format!("SELECT * FROM {table} {condition} ORDER BY {key}");
        for row in self.sql().exec(&query, after.iter().cloned().map(to_sql).collect::<Vec<_>>())?.raw() {
            let row: Vec<SqlValue> = row?.into_iter().map(from_sql).collect();
            if is_own_fact(table, &row) {
                continue;
            }
            let key = key_columns.iter().filter_map(|(_, column)| row.get(*column).cloned()).collect();
            page.add_row(table, row);
            if page.is_full() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Restores a page of a backup, in one transaction with the progress.
    pub(super) fn restore_page(&self, call: RestorePage) -> Result<ArchiveReply> {
        let object =
            ShardHeader { shard: call.shard, shards: call.shards, tables: SCHEMA_VERSION, at: now() };
        let progress: Option<Restore> = self.load_fact(RESTORE_FACT)?;
        let is_empty = progress.is_some() || self.is_without_data()?;
        let step = parse_page(&call.text).and_then(|lines| Restore::take(progress, &object, is_empty, lines));
        let step = match step {
            Ok(step) => step,
            Err(error) => return Ok(ArchiveReply::Refused(error.to_string())),
        };
        let tables = self.tables()?;
        for (table, row) in &step.rows {
            if !tables.contains(table) {
                return Ok(ArchiveReply::Refused(format!(
                    "the backup has a table {table}, this release has none"
                )));
            }
            let places = vec!["?"; row.len()].join(", ");
            let values: Vec<SqlStorageValue> = row.iter().cloned().map(to_sql).collect();
            self.sql().exec(&format!("INSERT OR REPLACE INTO {table} VALUES ({places})"), values)?;
        }
        self.store_fact(RESTORE_FACT, &step.progress)?;
        self.is_restoring.set(Some(!step.progress.is_complete));
        if step.progress.is_complete && !step.rows.is_empty() {
            self.is_replaced.set(true);
        }
        Ok(ArchiveReply::Restored { rows: step.rows.len() as u64, complete: step.progress.is_complete })
    }

    /// Deletes everything.
    pub(super) async fn erase(&self) -> Result<()> {
        let turn = self.take_turn(TurnKind::Maintenance).await?;
        self.state.storage().delete_alarm().await?;
        self.state.storage().delete_all().await?;
        // Callers that wait for a turn would work with what is in memory; they are refused instead.
        drop(turn);
        self.turns.take();
        self.is_replaced.set(true);
        Ok(())
    }

    /// Returns true while beacons are refused, because a backup is being restored.
    pub(super) fn is_restoring(&self) -> Result<bool> {
        if let Some(known) = self.is_restoring.get() {
            return Ok(known);
        }
        let progress: Option<Restore> = self.load_fact(RESTORE_FACT)?;
        let is_restoring = progress.is_some_and(|progress| !progress.is_complete);
        self.is_restoring.set(Some(is_restoring));
        Ok(is_restoring)
    }

    /// Returns true while nothing may be folded, because a backup is being read.
    pub(super) fn is_frozen(&self) -> bool {
        now().0.abs_diff(self.backup_read_at.get().0) < FREEZE_MS
    }

    fn is_without_data(&self) -> Result<bool> {
        let has_rows = |table: &String| -> Result<bool> {
            let query = format!("SELECT EXISTS (SELECT 1 FROM {table})");
            Ok(query_integer(&self.sql(), &query, Vec::new())? != 0)
        };
        for table in self.tables()?.iter().filter(|table| *table != "facts" && *table != "audit") {
            if has_rows(table)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn tables(&self) -> Result<Vec<String>> {
        let mut tables = Vec::new();
        for row in self.sql().exec("SELECT name FROM sqlite_master WHERE type = 'table'", None)?.raw() {
            if let [SqlStorageValue::String(name)] = row?.as_slice() {
                tables.push(name.clone());
            }
        }
        Ok(in_order(tables))
    }

    /// Returns the columns of a table's primary key, each with its place in a row.
    fn key_columns(&self, table: &str) -> Result<Vec<(String, usize)>> {
        let query = "SELECT name, cid FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk";
        let mut columns = Vec::new();
        for row in self.sql().exec(query, vec![table.into()])?.raw() {
            if let [SqlStorageValue::String(name), SqlStorageValue::Integer(place)] = row?.as_slice() {
                columns.push((name.clone(), usize::try_from(*place).unwrap_or_default()));
            }
        }
        Ok(columns)
    }
}

fn from_sql(value: SqlStorageValue) -> SqlValue {
    match value {
        SqlStorageValue::Null => SqlValue::Null,
        SqlStorageValue::Boolean(value) => SqlValue::Integer(i64::from(value)),
        SqlStorageValue::Integer(number) => SqlValue::Integer(number),
        SqlStorageValue::Float(number) => SqlValue::Real(number),
        SqlStorageValue::String(text) => SqlValue::Text(text),
        SqlStorageValue::Blob(bytes) => SqlValue::Blob(bytes),
    }
}

fn to_sql(value: SqlValue) -> SqlStorageValue {
    match value {
        SqlValue::Null => SqlStorageValue::Null,
        SqlValue::Integer(number) => SqlStorageValue::Integer(number),
        SqlValue::Real(number) => SqlStorageValue::Float(number),
        SqlValue::Text(text) => SqlStorageValue::String(text),
        SqlValue::Blob(bytes) => SqlStorageValue::Blob(bytes),
    }
}

/// Pages follow each other within this time.
pub(super) const FREEZE_MS: u64 = 60_000;
const TOO_SLOW: &str = "the page before was read more than a minute ago; begin this shard again";
const MIGRATING: &str = "rows of an earlier release are being moved; try again in a minute";
