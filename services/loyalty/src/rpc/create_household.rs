//! CreateHousehold: a household without members, and its wallet.

use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use requests::{Caller, Once, Written};
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::program_wire::named;
use super::refusal::{DOMAIN, program_not_found};
use super::wire::{only_id, timestamp, uuid_text};
use crate::domain::Wallet;
use crate::store::households::{self, Household};
use crate::store::{Owner, wallets};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::CreateHouseholdRequest>,
) -> Result<pb::CreateHouseholdResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let request_id = only_id(&message.request_id, "request_id")?;
    let program = api.catalogue.program(api.db.reader(), &caller.tenant, &message.program_id).await;
    let program = program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(&message.program_id))?;
    let (now, id) = (api.clock.now(), api.ids.v4());
    let household = Household {
        id,
        program_id: program.id.clone(),
        display_name: named(&message.display_name, &id.to_string()),
        create_time: now,
    };
    // Nobody is told of a household before somebody joins it.
    let wallet = Wallet { shared: true, event_seq: 0, ..Wallet::opened(id, &program, now, 0) };
    let call = caller.call(DOMAIN, "CreateHousehold", request_id, &message);
    let command = Once { scope: Owner::named(&caller.tenant, &program.id), call, now };
    let tenant = caller.tenant.clone();
    let submitted = api.submit_once(&caller, command, move |tx| {
        let (tenant, household, wallet) = (tenant.clone(), household.clone(), wallet.clone());
        async move {
            households::insert(tx, &tenant, &household).await?;
            wallets::insert(tx, &[(Owner::new(&tenant, household.id), wallet)]).await?;
            let household = Some(household_message(&household));
            Ok(Written::done(&pb::CreateHouseholdResponse { household, replayed: false }))
        }
        .boxed()
    });
    let (response, replayed): (pb::CreateHouseholdResponse, bool) = submitted.await?;
    Ok(pb::CreateHouseholdResponse { replayed, ..response })
}

/// A household as it is now.
pub(super) fn household_message(household: &Household) -> pb::Household {
    pb::Household {
        household_id: uuid_text(household.id),
        program_id: household.program_id.clone(),
        display_name: household.display_name.clone(),
        create_time: Some(timestamp(household.create_time)),
    }
}
