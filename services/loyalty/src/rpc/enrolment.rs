//! Enrolments: any number of them in one transaction, each acting once and refused on its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ambient::Time;
use db::Tx;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Answer, Call, Caller, Record, Written, replay};
use rpc::Problem;
use tonic::Status;
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::member_wire::{external_id, member_message, profile};
use super::referrer::{canonical_code, referrer};
use super::refusal::{DOMAIN, exists, program_not_found};
use super::wire::{read_token, uuid};
use crate::domain::{Member, Program, Wallet};
use crate::ledger::enrolled;
use crate::store::referrals::{self, Referral};
use crate::store::{Owner, Tenant, members, wallets};

/// An enrolment on its way.
struct Asked {
    /// The scope of its request id.
    scope: Owner,
    call: Call,
    program: Arc<Program>,
    /// As the member will be, if nobody has the external id.
    member: Member,
    /// Of the member who brought this one; empty: nobody did.
    referral_code: String,
}

struct Batch {
    tenant: Tenant,
    asked: Vec<Asked>,
    now: Time,
    traceparent: String,
}

/// What is to be written, by the keys that their rows are locked by.
#[derive(Default)]
struct Rows {
    members: BTreeMap<(String, String), (Member, Uuid)>,
    wallets: Vec<(Owner, Wallet)>,
    referrals: Vec<Referral>,
    events: Vec<events::Event>,
    records: BTreeMap<(Owner, Uuid), Record>,
}

/// Enrols members; one answer each, in the order of the requests.
pub(super) async fn enrol(
    api: &Api,
    caller: &Caller,
    messages: Vec<pb::EnrollMemberRequest>,
) -> Result<Vec<Result<pb::EnrollMemberResponse, Status>>, Status> {
    let now = api.clock.now();
    let mut places = Vec::with_capacity(messages.len());
    let mut asked = Vec::with_capacity(messages.len());
    for message in &messages {
        places.push(match prepare(api, caller, message, now).await {
            Ok(one) => {
                asked.push(one);
                Ok(())
            }
            Err(status) => Err(status),
        });
    }
    let traceparent = telemetry::traceparent().unwrap_or_default();
    let batch = Arc::new(Batch { tenant: caller.tenant.clone(), asked, now, traceparent });
    let (db, bell) = (api.db.clone(), api.bell.clone());
    let work = async move {
        let decided = requests::decided(&db, move |tx| {
            let batch = batch.clone();
            async move { batch.decide(tx).await }.boxed()
        });
        decided.await.inspect(|_| bell.ring())
    };
    let mut answers = caller.run(work).await?.map_err(|e| told(&e))?.into_iter();
    let missing = || Err(rpc::error::internal_because("an enrolment was not answered"));
    let answer = |place: Result<(), Status>| {
        place?;
        let answer = answers.next().map_or_else(missing, |answer| requests::response(DOMAIN, answer))?;
        let (response, replayed): (pb::EnrollMemberResponse, bool) = answer;
        Ok(pb::EnrollMemberResponse { replayed, ..response })
    };
    Ok(places.into_iter().map(answer).collect())
}

async fn prepare(
    api: &Api,
    caller: &Caller,
    message: &pb::EnrollMemberRequest,
    now: Time,
) -> Result<Asked, Status> {
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let given = message.profile.clone().unwrap_or_default();
    let profile = profile(&given, &Path::ROOT.field("profile"), &mut found);
    external_id(&message.external_id, &Path::ROOT, &mut found);
    found.into_result(DOMAIN)?;
    let program_id = &message.program_id;
    let program = api.catalogue.program(api.db.reader(), &caller.tenant, program_id).await;
    let program = program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(program_id))?;
    let member = Member::enrolled(api.ids.v4(), program_id, &message.external_id, profile, now);
    let call = caller.call(DOMAIN, "EnrollMember", request_id, message);
    let referral_code = canonical_code(&message.referral_code);
    Ok(Asked { scope: Owner::named(&caller.tenant, program_id), call, program, member, referral_code })
}

impl Batch {
    async fn decide(&self, tx: &Tx) -> Result<Vec<Answer>, db::Error> {
        let ids: BTreeSet<(Owner, Uuid)> =
            self.asked.iter().map(|asked| (asked.scope.clone(), asked.call.request_id)).collect();
        let mut recorded = requests::find(tx, &ids.into_iter().collect::<Vec<_>>()).await?;
        let keys: BTreeSet<members::ExternalKey> = self.asked.iter().map(Asked::key).collect();
        let keys: Vec<_> = keys.into_iter().collect();
        let mut known = members::find_all_external(tx, &self.tenant, &keys).await?;
        let mut rows = Rows::default();
        let (mut answers, mut refused) = (Vec::with_capacity(self.asked.len()), Vec::new());
        for asked in &self.asked {
            let place = (asked.scope.clone(), asked.call.request_id);
            if let Some(record) = recorded.get(&place) {
                answers.push(replay(&asked.call, record));
                continue;
            }
            let brought = match asked.referral_code.as_str() {
                "" => Ok(None),
                code => referrer(tx, &self.tenant, &asked.member, &asked.program, code).await?.map(Some),
            };
            let written = self.one(asked, brought, &mut known, &mut rows);
            match asked.call.record(&written, self.now) {
                Some(record) => {
                    recorded.insert(place.clone(), record.clone());
                    rows.records.insert(place, record);
                }
                None => refused.push((answers.len(), asked, place)),
            }
            answers.push(Answer::Written { written, replayed: false });
        }
        // What is in the way may be what the same request did meanwhile.
        let places: Vec<(Owner, Uuid)> = refused.iter().map(|(.., place)| place.clone()).collect();
        let done = requests::find(tx, &places).await?;
        for (n, asked, place) in refused {
            if let Some(record) = done.get(&place) {
                answers[n] = replay(&asked.call, record);
            }
        }
        rows.write(tx, &self.tenant).await?;
        Ok(answers)
    }

    /// Decides one. What is refused may be about somebody who is enrolled already, and whoever erases that
    /// one would not find it: nothing of it is kept.
    fn one(
        &self,
        asked: &Asked,
        brought: Result<Option<Uuid>, Problem>,
        known: &mut HashMap<members::ExternalKey, Uuid>,
        rows: &mut Rows,
    ) -> Written {
        let Asked { program, member, .. } = asked;
        let member = &match brought {
            Ok(referred_by) => Member { referred_by, ..member.clone() },
            Err(problem) => return Written::refused_and_forgotten(&problem),
        };
        if let Some(first) = known.get(&asked.key()) {
            let problem = exists("MEMBER_EXISTS", "a member with this external_id");
            return Written::refused_and_forgotten(&problem.with("member_id", first));
        }
        known.insert(asked.key(), member.id);
        let owner = Owner::new(&self.tenant, member.wallet_id);
        let order_key = events::next_order_key(events::machine_now_micros(), 0);
        let mut wallet = Wallet::opened(member.wallet_id, program, member.create_time, order_key);
        if let Some(referrer_id) = member.referred_by {
            wallet.referred = true;
            rows.referrals.push(Referral::opened(&owner, referrer_id, member));
        }
        let response = pb::EnrollMemberResponse {
            member: Some(member_message(member)),
            read_token: read_token(wallet.id, wallet.version),
            replayed: false,
        };
        rows.events.push(enrolled(&owner, member, self.traceparent.clone(), order_key));
        rows.wallets.push((owner, wallet));
        rows.members.insert(asked.key(), (member.clone(), asked.call.request_id));
        Written::done(&response)
    }
}

impl Asked {
    fn key(&self) -> members::ExternalKey {
        (self.member.program_id.clone(), self.member.external_id.clone())
    }
}

impl Rows {
    /// Rows that others may insert at the same time go in one order.
    async fn write(self, tx: &Tx, tenant: &Tenant) -> Result<(), db::Error> {
        let records = self.records.into_iter().map(|((scope, _), record)| (scope, record)).collect();
        requests::insert(tx, records).await?;
        let new: Vec<(Member, Uuid)> = self.members.into_values().collect();
        members::insert(tx, tenant, &new).await?;
        wallets::insert(tx, &self.wallets).await?;
        referrals::insert(tx, &self.referrals).await?;
        events::append(tx, self.events).await
    }
}
