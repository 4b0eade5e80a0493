//! GetTierHistory: the tiers that a member had, as they are known now or were known before.

use ambient::Time;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use rpc::Problem;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::DOMAIN;
use super::wire::{time, timestamp, uuid};
use crate::domain::{Program, TierRow, local_date};
use crate::store::tiers;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetTierHistoryRequest>,
) -> Result<pb::GetTierHistoryResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let known_time = time(message.known_time, &Path::ROOT, "known_time", &mut found);
    found.into_result(DOMAIN)?;
    let now = api.clock.now();
    if let Some(at) = known_time.filter(|at| *at > now) {
        return Err(known_in_future(at, now).to_status());
    }
    let (owner, wallet, program) = api.settled(&caller, member_id).await?;
    // Everything that was ever decided is known now, whatever the clock says.
    let at = known_time.unwrap_or(Time::MAX);
    let rows = tiers::known_at(api.db.reader(), &owner, at).await.map_err(|e| told(&e))?;
    Ok(pb::GetTierHistoryResponse { tiers: periods(&program, wallet.open_time, &rows) })
}

/// The tiers of a wallet that was opened at a moment.
pub(super) fn periods(program: &Program, opened: Time, rows: &[TierRow]) -> Vec<pb::TierPeriod> {
    let ladder = &program.ladder;
    let period = |rank: u32, row: Option<&TierRow>| pb::TierPeriod {
        tier_id: ladder.tier_id(rank).to_owned(),
        rank: i32::try_from(rank).unwrap_or(i32::MAX),
        start_time: row.map(|row| timestamp(row.effective_time)),
        known_time: row.map(|row| timestamp(row.known_time)),
    };
    let first = ladder.first_of(local_date(program.time_zone, opened));
    let first = (first > 0).then(|| period(first, None));
    first.into_iter().chain(rows.iter().map(|row| period(row.rank, Some(row)))).collect()
}

fn known_in_future(at: Time, now: Time) -> Problem {
    let message = format!("known_time is {at}, which lies after {now}");
    Problem::invalid(DOMAIN, "KNOWN_TIME_IN_FUTURE", message)
        .with("known_time", at)
        .with("now", now)
        .field("known_time", "must not lie in the future")
}
