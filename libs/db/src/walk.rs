//! Walks over a whole table in the order of its key, a page at a time.

use futures::stream::{self, BoxStream, StreamExt};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};

use crate::{Db, Error};

/// What to walk over.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a> {
    /// `SELECT .. FROM ..` without a condition.
    pub select: &'a str,
    /// Columns that tell every row from all others, in the order of the walk; best those of an index.
    pub key: &'a [&'a str],
    /// Rows of one page.
    pub rows: usize,
}

/// Pages of rows, until there are none. A row that is written meanwhile is seen if its key lies ahead. Each
/// page is read from one snapshot; no transaction stays open between them.
pub fn walk<M: FromQueryResult + Send + 'static>(
    db: &Db,
    walk: Walk<'static>,
    key_of: fn(&M) -> Vec<Value>,
) -> BoxStream<'static, Result<Vec<M>, Error>> {
    let db = db.clone();
    let from: Option<Option<Vec<Value>>> = Some(None);
    stream::try_unfold(from, move |behind| {
        let db = db.clone();
        async move {
            let Some(behind) = behind else { return Ok(None) };
            let page: Vec<M> = walk.page(db.reader(), behind).await?;
            let Some(last) = page.last() else { return Ok(None) };
            // A page that is not full is the last.
            let next = (page.len() == walk.rows).then(|| Some(key_of(last)));
            Ok(Some((page, next)))
        }
    })
    .boxed()
}

impl Walk<'_> {
    /// The page of rows behind these values of the key, or the first one.
    ///
    /// # Errors
    /// That the database refused, or that a row does not fit `M`.
    pub async fn page<M: FromQueryResult>(
        &self,
        db: &impl ConnectionTrait,
        behind: Option<Vec<Value>>,
    ) -> Result<Vec<M>, Error> {
        let key = self.key.join(", ");
        let marks: Vec<String> = (1..=self.key.len()).map(|n| format!("${n}")).collect();
        let condition = match behind {
            Some(_) => format!("WHERE ({key}) > ({})", marks.join(", ")),
            None => String::new(),
        };
        let sql = format!("{} {condition} ORDER BY {key} LIMIT {}", self.select, self.rows);
        let values = behind.unwrap_or_default();
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        Ok(M::find_by_statement(statement).all(db).await?)
    }
}
