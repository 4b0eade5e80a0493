//! What ActivateRuleSet and RetireRuleSet share: a change of when the rule sets of a program hold.

use ambient::Time;
use db::Tx;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use requests::{Call, Caller, Once, Written};
use tonic::Status;

use super::Api;
use super::call::told;
use super::refusal::{program_not_found, rule_set_not_found, term_problem};
use super::rule_wire::rule_set_message;
use crate::domain::{Currency, Term, TermRefusal};
use crate::store::{Owner, Tenant, rule_sets};

/// The change of one version, given all terms of the program.
#[derive(Clone, Copy)]
pub(super) struct Change<F> {
    /// The version.
    pub(super) version: i64,
    /// The present.
    pub(super) now: Time,
    /// Which terms become what.
    pub(super) decide: F,
}

impl Api {
    /// Decides a change with the program locked, so that one follows the other, and writes it.
    pub(super) async fn change_terms<F, R>(
        &self,
        caller: &Caller,
        call: Call,
        program_id: &str,
        change: Change<F>,
        answer: fn(pb::RuleSet) -> R,
    ) -> Result<(R, bool), Status>
    where
        F: Fn(&[Term]) -> Result<Vec<Term>, TermRefusal> + Copy + Send + Sync + 'static,
        R: prost::Message + Default + 'static,
    {
        let program = self.catalogue.program(self.db.reader(), &caller.tenant, program_id).await;
        let program = program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(program_id))?;
        let currency = program.currency;
        let command = Once { scope: Owner::named(&caller.tenant, program_id), call, now: change.now };
        let (tenant, program_id) = (caller.tenant.clone(), program_id.to_owned());
        self.submit_once(caller, command, move |tx| {
            let (tenant, program_id) = (tenant.clone(), program_id.clone());
            async move { write(tx, (&tenant, &program_id), currency, change, answer).await }.boxed()
        })
        .await
    }
}

async fn write<F, R: prost::Message>(
    tx: &Tx,
    (tenant, program_id): (&Tenant, &str),
    currency: Currency,
    change: Change<F>,
    answer: fn(pb::RuleSet) -> R,
) -> Result<Written, db::Error>
where
    F: Fn(&[Term]) -> Result<Vec<Term>, TermRefusal>,
{
    rule_sets::lock_program(tx, tenant, program_id, 0).await?;
    if rule_sets::find(tx, tenant, program_id, change.version).await?.is_none() {
        return Ok(Written::refused(&rule_set_not_found(program_id, change.version)));
    }
    let active = rule_sets::active(tx, tenant, program_id).await?;
    let terms: Vec<Term> = active.iter().filter_map(rule_sets::Stored::term).collect();
    match (change.decide)(&terms) {
        Err(refusal) => Ok(Written::refused(&term_problem(&refusal))),
        Ok(changed) => {
            rule_sets::set_terms(tx, tenant, program_id, &changed).await?;
            rule_sets::lock_program(tx, tenant, program_id, 1).await?;
            let set = rule_sets::find(tx, tenant, program_id, change.version).await?;
            let message = set.map(|set| rule_set_message(&set, currency, change.now));
            Ok(Written::done(&answer(message.unwrap_or_default())))
        }
    }
}
