//! Purses, earnings, counts and what is outstanding as rows for checks and sums, as far as they are kept as
//! JSON.

use db::sea_orm::DbBackend;

use super::audit::column;
use crate::domain::Account;

/// What is kept as JSON of further currencies: how each element of a text is a row, its number from 1, and
/// how a number of it is read.
fn elements(backend: DbBackend, text: &str) -> (String, &'static str, fn(&str) -> String) {
    match backend {
        DbBackend::Sqlite => {
            let rows = format!(", json_each(CASE {text} WHEN '' THEN '[]' ELSE {text} END) e");
            (rows, "e.key + 1", |field| format!("json_extract(e.value, '$.{field}')"))
        }
        _ => {
            let list = format!("jsonb_array_elements(CAST(NULLIF({text}, '') AS JSONB))");
            let rows = format!(" CROSS JOIN LATERAL {list} WITH ORDINALITY e(value, n)");
            (rows, "CAST(e.n AS INTEGER)", |field| format!("CAST(e.value->>'{field}' AS BIGINT)"))
        }
    }
}

/// A row for each purse of each wallet.
pub(super) fn purses(backend: DbBackend) -> String {
    const OF_WALLET: &str = "SELECT w.bucket, w.tenant_id, w.wallet_id, w.program_id, w.lot_seq, \
         w.next_release";
    let (rows, number, read) = elements(backend, "w.purses");
    let names = Account::ALL.map(column);
    let main = names.map(|name| format!("w.{name}")).join(", ");
    let further = names.map(|name| format!("{} AS {name}", read(name))).join(", ");
    format!(
        "({OF_WALLET}, 0 AS purse, w.next_expire, {main} FROM wallet w UNION ALL {OF_WALLET}, {number}, {}, \
         {further} FROM wallet w{rows})",
        read("first_expire")
    )
}

/// A row for what each activity earned of each currency.
pub(super) fn earnings(backend: DbBackend) -> String {
    const OF_ACTIVITY: &str = "SELECT a.bucket, a.tenant_id, a.wallet_id, a.activity_id";
    let (rows, _, read) = elements(backend, "a.earned");
    format!(
        "({OF_ACTIVITY}, 0 AS purse, a.points, a.points_reversed FROM activity a UNION ALL {OF_ACTIVITY}, \
         {}, {}, {} FROM activity a{rows})",
        read("purse"),
        read("points"),
        read("reversed")
    )
}

/// A row for what is outstanding of each return.
pub(super) fn outstanding(backend: DbBackend) -> String {
    let (rows, _, read) = elements(backend, "a.outstanding");
    format!(
        "(SELECT a.bucket, a.tenant_id, a.wallet_id, a.activity_id, {} AS purse, {} AS points \
         FROM activity a{rows} WHERE a.outstanding <> '')",
        read("purse"),
        read("points")
    )
}

/// A row for what was counted under each counter of a wallet, in one name.
pub(super) fn counts(backend: DbBackend) -> String {
    const OF_MEMBER: &str = "SELECT c.bucket, c.tenant_id, c.wallet_id, c.member_id";
    let (points, rows) = match backend {
        DbBackend::Sqlite => ("e.value", ", json_each(c.counted) e"),
        _ => {
            let each = " CROSS JOIN LATERAL jsonb_each_text(CAST(c.counted AS JSONB)) e(name, points)";
            ("CAST(e.points AS BIGINT)", each)
        }
    };
    format!("({OF_MEMBER}, {points} AS points FROM member_count c{rows})")
}
