//! Submissions with their answers, and cases with their steps.

use db::schema::Kind::{self, Big, Int, Text, Uuid};
use db::schema::{NewTable, create, index};
use sea_orm_migration::prelude::*;

const TENANT: [(&str, Kind); 2] = [("bucket", Int), ("tenant_id", Text)];

#[derive(Debug)]
pub(super) struct CreateFeedback;

impl MigrationName for CreateFeedback {
    fn name(&self) -> &str {
        "m0005_feedback_create_feedback"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateFeedback {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, requests::secrets_table()).await?;
        create(manager, requests::table()).await?;
        for (name, key, columns, updated) in TABLES {
            let columns: Vec<(&str, Kind)> = TENANT.iter().chain(*columns).copied().collect();
            let table = NewTable { name, columns: &columns, key: 2 + key, checks: &[], updated: *updated };
            create(manager, table).await?;
        }
        let taken = ["tenant_id", "ingest_time", "feedback_id"];
        index(manager, ("feedback_ingest_time", "feedback"), &taken, false, None).await?;
        let said = ["tenant_id", "subject_id", "ingest_time", "feedback_id"];
        index(manager, ("feedback_subject", "feedback"), &said, false, None).await?;
        let due = ["tenant_id", "resolve_due_time", "case_id"];
        index(manager, ("service_case_due", "service_case"), &due, false, None).await?;
        let queue = ["tenant_id", "agent_id", "resolve_due_time", "case_id"];
        index(manager, ("service_case_agent", "service_case"), &queue, false, None).await?;
        let state = ["tenant_id", "state", "resolve_due_time", "case_id"];
        index(manager, ("service_case_state", "service_case"), &state, false, None).await
    }
}

/// Name, key columns below the tenant, columns, updated often.
type Table = (&'static str, usize, &'static [(&'static str, Kind)], bool);

const TABLES: &[Table] = &[
    (
        "feedback",
        1,
        &[
            ("feedback_id", Uuid),
            ("source_id", Text),
            ("submission_id", Text),
            ("channel", Int),
            ("customer_kind", Int),
            ("customer_key", Text),
            ("subject_id", Uuid),
            ("touchpoint", Text),
            ("branch_id", Text),
            ("staff_id", Text),
            ("invite_time", Big),
            ("start_time", Big),
            ("answer_time", Big),
            ("ingest_time", Big),
            ("status", Int),
            ("text", Text),
            ("language", Text),
            ("consent_scope", Text),
            ("attributes", Text),
            ("case_id", Uuid),
        ],
        false,
    ),
    (
        "answer",
        2,
        &[
            ("feedback_id", Uuid),
            ("ordinal", Int),
            ("question_id", Text),
            ("kind", Int),
            ("value", Int),
            ("text", Text),
        ],
        false,
    ),
    (
        "service_case",
        1,
        &[
            ("case_id", Uuid),
            ("feedback_id", Uuid),
            ("customer_id", Uuid),
            ("state", Int),
            ("priority", Int),
            ("reason", Int),
            ("agent_id", Text),
            ("open_time", Big),
            ("respond_due_time", Big),
            ("resolve_due_time", Big),
            ("first_response_time", Big),
            ("resolve_time", Big),
            ("version", Big),
            ("order_key", Big),
        ],
        true,
    ),
    (
        "case_step",
        2,
        &[
            ("case_id", Uuid),
            ("seq", Big),
            ("step_time", Big),
            ("subject", Text),
            ("action", Int),
            ("from_state", Int),
            ("to_state", Int),
            ("agent_id", Text),
            ("note", Text),
            ("remedy_code", Text),
        ],
        false,
    ),
];
