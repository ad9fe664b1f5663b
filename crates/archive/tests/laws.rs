//! A backup that is restored page by page has the same rows; whatever is missing, repeated or foreign is refused.

use archive::{
    ArchiveError, BackupPage, Cursor, PageLine, Restore, ShardHeader, SqlValue, in_order, is_own_fact,
    parse_page,
};
use proptest::prelude::*;
use wire::UnixMillis;

type TableRow = (String, Vec<SqlValue>);

fn header(shard: u32) -> ShardHeader {
    ShardHeader { shard, shards: 4, tables: 5, at: UnixMillis(1_800_000_000_000) }
}

/// Writes rows as pages of so many rows, as an object does that is asked for one page after the other.
fn backup(rows: &[TableRow], rows_of_page: usize) -> Vec<String> {
    let mut pages = Vec::new();
    let mut page = BackupPage::first(header(0));
    for (index, (table, row)) in rows.iter().enumerate() {
        page.add_row(table, row.clone());
        if (index + 1) % rows_of_page == 0 {
            let key: Vec<SqlValue> = row.iter().take(1).cloned().collect();
            let text = page.next_after(table, key.clone());
            let cursor = Cursor { table: table.clone(), key, rows: index as u64 + 1 };
            let last = parse_page(&text).ok().and_then(|mut lines| lines.pop());
            assert_eq!(last, Some(PageLine::Next(cursor.clone())));
            pages.push(text);
            page = BackupPage::following(0, &cursor);
        }
    }
    pages.push(page.end());
    pages
}

fn take(progress: Option<Restore>, text: &str) -> Result<archive::RestoreStep, ArchiveError> {
    Restore::take(progress, &header(0), progress.is_none(), parse_page(text)?)
}

fn value() -> impl Strategy<Value = SqlValue> {
    prop_oneof![
        Just(SqlValue::Null),
        any::<i64>().prop_map(SqlValue::Integer),
        (-1e300..1e300_f64).prop_map(|number| SqlValue::Real(number + 0.5)),
        ".{0,20}".prop_map(SqlValue::Text),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(SqlValue::Blob),
    ]
}

fn rows() -> impl Strategy<Value = Vec<TableRow>> {
    prop::collection::vec(("[a-z]{1,6}", prop::collection::vec(value(), 1..4)), 0..30)
}

proptest! {
    #[test]
    fn a_restored_backup_has_the_same_rows_though_pages_arrive_twice(
        rows in rows(), rows_of_page in 1_usize..9, repeats in prop::collection::vec(any::<bool>(), 40),
    ) {
        let (mut restored, mut progress) = (Vec::new(), None);
        for (index, page) in backup(&rows, rows_of_page).iter().enumerate() {
            for _ in 0..=usize::from(repeats[index % 40]) {
                let step = take(progress, page).expect("the next page, or the same again");
                restored.extend(step.rows);
                progress = Some(step.progress);
            }
        }
        // A whole number that is written as one is read as one.
        prop_assert_eq!(restored, rows);
        prop_assert!(progress.is_some_and(|progress| progress.is_complete));
    }

    #[test]
    fn a_backup_without_one_of_its_pages_is_never_complete(
        rows in rows(), rows_of_page in 1_usize..9, missing in any::<prop::sample::Index>(),
    ) {
        let mut pages = backup(&rows, rows_of_page);
        let missing = missing.index(pages.len());
        pages.remove(missing);
        let mut progress = None;
        for page in &pages {
            match take(progress, page) {
                Ok(step) => progress = Some(step.progress),
                Err(_) => break,
            }
        }
        prop_assert!(!progress.is_some_and(|progress| progress.is_complete));
    }

    #[test]
    fn a_page_without_one_of_its_lines_is_refused(rows in rows(), missing in any::<prop::sample::Index>()) {
        let page = backup(&rows, usize::MAX).remove(0);
        let lines: Vec<&str> = page.lines().collect();
        let missing = missing.index(lines.len());
        let rest: Vec<&str> =
            lines.iter().enumerate().filter(|(index, _)| *index != missing).map(|(_, line)| *line).collect();
        prop_assert!(take(None, &rest.join("\n")).is_err());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _ = parse_page(&text);
    }
}

#[test]
fn a_backup_is_restored_only_where_it_fits() {
    let page = backup(&[], 1).remove(0);
    let lines = || parse_page(&page).expect("own page");
    let try_on = |object: ShardHeader, is_empty| Restore::take(None, &object, is_empty, lines()).map(drop);
    assert_eq!(try_on(header(0), true), Ok(()));
    assert_eq!(try_on(header(0), false), Err(ArchiveError::NotEmpty));
    assert_eq!(try_on(header(1), true), Err(ArchiveError::OtherShard));
    let mistake = try_on(ShardHeader { tables: 6, ..header(0) }, true);
    assert_eq!(mistake, Err(ArchiveError::OtherTables { backup: 5, worker: 6 }));
    let mistake = try_on(ShardHeader { shards: 1, ..header(0) }, true);
    assert_eq!(mistake, Err(ArchiveError::OtherShards { backup: 4, site: 1 }));
}

#[test]
fn pages_end_at_a_bounded_size() {
    let mut page = BackupPage::first(header(0));
    let mut rows = 0;
    while !page.is_full() {
        page.add_row("journal", vec![SqlValue::Blob(vec![7; 1_000])]);
        rows += 1;
    }
    assert!((100..200).contains(&rows), "{rows}");
}

#[test]
fn the_journal_comes_last_and_tables_of_the_platform_not_at_all() {
    let tables = ["packs", "journal", "_cf_KV", "pages", "facts", "sqlite_sequence", "folded"];
    let ordered = in_order(tables.map(str::to_owned).to_vec());
    assert_eq!(ordered, ["facts", "folded", "packs", "pages", "journal"]);
    let fact = |name: &str| [SqlValue::Text(name.into()), SqlValue::Text("5".into())];
    for own in ["schema", "site", "restore"] {
        assert!(is_own_fact("facts", &fact(own)), "{own}: a site may be restored under another name");
    }
    assert!(!is_own_fact("facts", &fact("horizon")) && !is_own_fact("packs", &fact("schema")));
}
