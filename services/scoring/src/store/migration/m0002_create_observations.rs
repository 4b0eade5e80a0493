//! Keys of the service, facts about customers, and the profiles made of them.

use db::schema::Kind::{self, Big, Bool, Int, Text, Uuid};
use db::schema::{NewTable, create, index};
use sea_orm_migration::prelude::*;

const OBSERVATION: &[(&str, Kind)] = &[
    ("bucket", Int),
    ("tenant_id", Text),
    ("customer_id", Uuid),
    ("event_id", Uuid),
    ("ordinal", Int),
    ("anonymous", Bool),
    ("kind", Int),
    ("value", Big),
    ("label", Text),
    ("channel", Text),
    ("touchpoint", Text),
    ("branch_id", Text),
    ("staff_id", Text),
    ("time", Big),
    ("order_key", Big),
];

const PROFILE: &[(&str, Kind)] = &[
    ("bucket", Int),
    ("tenant_id", Text),
    ("customer_id", Uuid),
    ("enroll_time", Big),
    ("first_purchase_time", Big),
    ("last_purchase_time", Big),
    ("purchase_count", Big),
    ("spend", Text),
    ("visit_count", Big),
    ("activity_count", Big),
    ("nps", Int),
    ("nps_time", Big),
    ("nps_event_id", Uuid),
    ("csat", Int),
    ("csat_time", Big),
    ("csat_event_id", Uuid),
    ("answer_count", Big),
    ("dismissed_count", Big),
    ("cases_opened_count", Big),
    ("cases_resolved_count", Big),
    ("tier_id", Text),
    ("tier_rank", Int),
    ("tier_time", Big),
    ("tier_order_key", Big),
    ("tier_event_id", Uuid),
    ("redemption_count", Big),
    ("points_spent", Big),
    ("order_key", Big),
];

#[derive(Debug)]
pub(super) struct CreateObservations;

impl MigrationName for CreateObservations {
    fn name(&self) -> &str {
        "m0002_scoring_create_observations"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateObservations {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, requests::secrets_table()).await?;
        let observation = NewTable {
            name: "observation",
            columns: OBSERVATION,
            key: 5,
            checks: &["ordinal >= 0", "kind > 0"],
            updated: false,
        };
        create(manager, observation).await?;
        // Answers and dismissals: those that the edges of a window are counted from.
        let by_time = ["tenant_id", "kind", "time"];
        index(manager, ("observation_scored", "observation"), &by_time, false, Some("kind <= 5")).await?;
        let profile = NewTable { name: "profile", columns: PROFILE, key: 3, checks: &[], updated: true };
        create(manager, profile).await
    }
}
