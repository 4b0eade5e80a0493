//! Reads what was counted in a window: whole days and hours from histograms, the edges from observations.

use std::collections::BTreeMap;

use db::Tenant;
use db::sea_orm::{ConnectionTrait, FromQueryResult, QueryResult, Statement, Value};

use super::codes;
use super::histograms::{DAY, HOUR};
use crate::domain::{BINS, Counts, Dimension, Metric, Series, Span, Window};

/// Most values of a dimension that are counted at once.
pub const GROUPS_MAX: usize = 1_000;

/// What to count.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Whose answers.
    pub tenant: Tenant,
    /// On which scale.
    pub metric: Metric,
    /// Given when.
    pub window: Window,
}

/// The values of a dimension to count.
#[derive(Clone, Debug)]
pub struct Grouped {
    /// The dimension.
    pub dimension: Dimension,
    /// One value alone; all if none.
    pub value: Option<String>,
}

/// Counts of each value of a dimension.
pub type Groups = BTreeMap<String, Counts>;

/// Counts everything in the window.
///
/// # Errors
/// That the database refused.
pub async fn total(db: &impl ConnectionTrait, counted: &Counted) -> Result<Counts, db::Error> {
    let mut groups = Groups::new();
    for span in counted.window.spans() {
        gather(db, counted, None, span, &mut groups).await?;
    }
    Ok(groups.remove("").unwrap_or_default())
}

/// Counts each value of a dimension that occurs in the window; none if there are more than [`GROUPS_MAX`].
///
/// # Errors
/// That the database refused.
pub async fn groups(
    db: &impl ConnectionTrait,
    counted: &Counted,
    grouped: &Grouped,
) -> Result<Option<Groups>, db::Error> {
    let mut groups = Groups::new();
    for span in counted.window.spans() {
        let whole = gather(db, counted, Some(grouped), span, &mut groups).await?;
        if !whole || groups.len() > GROUPS_MAX {
            return Ok(None);
        }
    }
    Ok(Some(groups))
}

/// Adds what was counted in one span; false if it was more than is read at once.
async fn gather(
    db: &impl ConnectionTrait,
    counted: &Counted,
    grouped: Option<&Grouped>,
    span: Span,
    groups: &mut Groups,
) -> Result<bool, db::Error> {
    let (sql, values, rows_max) = match span {
        Span::Micros(from, to) => edge(counted, grouped, (from, to)),
        Span::Hours(from, to) => slots(counted, grouped, HOUR, (from, to)),
        Span::Days(from, to) => slots(counted, grouped, DAY, (from, to)),
    };
    let sql = format!("{sql} LIMIT {}", rows_max + 1);
    let rows = db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values));
    let rows = rows.await?;
    for row in &rows {
        let (value, series, bins) = match span {
            Span::Micros(..) => single(row)?,
            Span::Hours(..) | Span::Days(..) => summed(row)?,
        };
        let counts = groups.entry(value).or_default();
        for (bin, count) in bins {
            if series == codes::DISMISSED {
                counts.dismissed = counts.dismissed.saturating_add(count);
            } else {
                counts.answers.add(bin, count);
            }
        }
    }
    Ok(rows.len() <= rows_max)
}

type Query = (String, Vec<Value>, usize);

/// The answers in the slots `from..to`: a row for each series and value.
fn slots(counted: &Counted, grouped: Option<&Grouped>, slot_hours: i32, (from, to): (i64, i64)) -> Query {
    let sums: Vec<String> = (0..BINS).map(|i| format!("CAST(SUM(b{i}) AS BIGINT) AS b{i}")).collect();
    let dimension = grouped.map_or(codes::ALL, |grouped| codes::dimension(grouped.dimension));
    let mut values = whose(counted);
    values.extend([dimension.into(), slot_hours.into(), from.into(), to.into()]);
    let only = grouped.and_then(|grouped| grouped.value.as_ref());
    values.extend(only.map(|value| value.as_str().into()));
    let only = if only.is_some() { "AND value = $8 " } else { "" };
    let sql = format!(
        "SELECT series, value AS grp, {} FROM histogram WHERE tenant_id = $1 AND series IN ($2, $3) \
         AND dimension = $4 AND slot_hours = $5 AND slot >= $6 AND slot < $7 {only}GROUP BY series, value",
        sums.join(", ")
    );
    (sql, values, 2 * GROUPS_MAX)
}

/// The answers from one microsecond up to another: a row for each series, value and answer.
fn edge(counted: &Counted, grouped: Option<&Grouped>, (from, to): (i64, i64)) -> Query {
    let mut values = whose(counted);
    values.extend([from.into(), to.into()]);
    let column = grouped.map(|grouped| codes::column(grouped.dimension));
    let only = grouped.and_then(|grouped| grouped.value.as_ref());
    values.extend(only.map(|value| value.as_str().into()));
    let only = column.filter(|_| only.is_some()).map(|column| format!("AND {column} = $6 "));
    let (named, group) = match column {
        Some(column) => (column, format!(", {column}")),
        None => ("''", String::new()),
    };
    // The bound on `kind` is spelled out, so that the partial index is found.
    let sql = format!(
        "SELECT kind AS series, {named} AS grp, value AS bin, COUNT(*) AS n FROM observation \
         WHERE tenant_id = $1 AND kind IN ($2, $3) AND kind <= {} AND time >= $4 AND time < $5 \
         {}GROUP BY kind, value{group}",
        codes::SCORED_MAX,
        only.unwrap_or_default()
    );
    (sql, values, (BINS + 1) * GROUPS_MAX)
}

fn whose(counted: &Counted) -> Vec<Value> {
    let series = [Series::Answers(counted.metric), Series::Dismissals].map(codes::series);
    vec![counted.tenant.id().into(), series[0].into(), series[1].into()]
}

type Found = (String, i32, Vec<(i32, i64)>);

fn summed(row: &QueryResult) -> Result<Found, db::Error> {
    let mut bins = Vec::with_capacity(BINS);
    for bin in (0..).take(BINS) {
        bins.push((bin, row.try_get("", &format!("b{bin}"))?));
    }
    Ok((row.try_get("", "grp")?, row.try_get("", "series")?, bins))
}

fn single(row: &QueryResult) -> Result<Found, db::Error> {
    #[derive(FromQueryResult)]
    struct Single {
        series: i32,
        grp: String,
        bin: i64,
        n: i64,
    }
    let single = Single::from_query_result(row, "")?;
    let bin = i32::try_from(single.bin).map_err(|_| db::Error::Damaged("an answer off its scale".into()))?;
    Ok((single.grp, single.series, vec![(bin, single.n)]))
}
