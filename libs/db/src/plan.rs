//! How PostgreSQL plans statements: by what they are for, not by statistics that may be older than the rows.

use sea_orm::{ConnectionTrait, DbBackend};

use crate::{Error, Tx};

/// How further statements of a transaction are planned on PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// For rows that are found by keys, which may still be many that are summed up in few groups: as every
    /// transaction begins, except scans.
    ByKey,
    /// For whole tables.
    ByTable,
    /// For joins that read each of their tables once, whole: many keys of a table that has few rows besides
    /// them.
    ByHash,
}

/// Plans further statements of a transaction in this way. Nothing of it is left after the transaction.
///
/// # Errors
/// That the database refused.
pub async fn plan(tx: &Tx, plan: Plan) -> Result<(), Error> {
    if tx.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let set = plan.settings().iter().map(|(name, value)| format!("set_config('{name}', '{value}', true)"));
    tx.execute_unprepared(&format!("SELECT {}", set.collect::<Vec<_>>().join(", "))).await?;
    Ok(())
}

impl Plan {
    /// Names of settings of PostgreSQL and their values, the same names in every way: none is left over from
    /// the way before.
    pub(crate) fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // A plan made while a table was empty reads it whole, and stays until the statistics catch up
            // with a table that grows; these leave nothing but indexes to plan with.
            Plan::ByKey => &[
                ("enable_seqscan", "off"),
                ("enable_bitmapscan", "off"),
                ("enable_nestloop", "on"),
                ("enable_hashjoin", "off"),
                ("enable_mergejoin", "off"),
                ("enable_sort", "on"),
                // No value makes another plan better, and planning a wide statement costs more than to run
                // it.
                ("plan_cache_mode", "force_generic_plan"),
            ],
            // For the values at hand. No merge joins: without statistics they go by the first column of a
            // key, and compare all rows that share it.
            Plan::ByTable => &[
                ("enable_seqscan", "on"),
                ("enable_bitmapscan", "on"),
                ("enable_nestloop", "on"),
                ("enable_hashjoin", "on"),
                ("enable_mergejoin", "off"),
                // Rows of few groups are hashed faster than sorted, however few of them are expected.
                ("enable_sort", "off"),
                ("plan_cache_mode", "force_custom_plan"),
            ],
            Plan::ByHash => &[
                ("enable_seqscan", "off"),
                ("enable_bitmapscan", "off"),
                ("enable_nestloop", "off"),
                ("enable_hashjoin", "on"),
                ("enable_mergejoin", "off"),
                ("enable_sort", "on"),
                ("plan_cache_mode", "force_generic_plan"),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_over_from_the_way_before() {
        let names = |plan: Plan| plan.settings().iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(names(Plan::ByKey), names(Plan::ByTable));
        assert_eq!(names(Plan::ByKey), names(Plan::ByHash));
    }
}
