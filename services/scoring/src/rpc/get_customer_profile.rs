//! GetCustomerProfile: what is known of one customer.

use ambient::Time;
use proto::rapport::scoring::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use requests::wire::{timestamp, uuid};
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::refusal::{DOMAIN, customer_not_found, rebuilding, told};
use crate::domain::{Given, Profile, Tier};
use crate::store::{Owner, profiles};

const DAY_MICROS: i64 = 86_400_000_000;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetCustomerProfileRequest>,
) -> Result<pb::GetCustomerProfileResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let customer_id = uuid(&message.customer_id, &Path::ROOT, "customer_id", &mut found);
    found.into_result(DOMAIN)?;
    let owner = Owner::new(&caller.tenant, customer_id);
    let read = profiles::find(api.db.reader(), &owner).await.map_err(|e| told(&e))?;
    let profile = read.map_err(rebuilding)?.ok_or_else(|| customer_not_found(customer_id))?;
    let profile = profile_message(customer_id, profile, api.clock.now());
    Ok(pb::GetCustomerProfileResponse { profile: Some(profile) })
}

fn profile_message(customer_id: Uuid, profile: Profile, now: Time) -> pb::CustomerProfile {
    let cases_open_count = profile.cases_open_count();
    pb::CustomerProfile {
        customer_id: customer_id.to_string(),
        enroll_time: profile.enroll_time.map(timestamp),
        purchases: Some(purchases(&profile, now)),
        visit_count: profile.visit_count,
        activity_count: profile.activity_count,
        last_nps: profile.last_nps.map(last_answer),
        last_csat: profile.last_csat.map(last_answer),
        answer_count: profile.answer_count,
        dismissed_count: profile.dismissed_count,
        cases_opened_count: profile.cases_opened_count,
        cases_open_count,
        tier: profile.tier.and_then(tier),
        redemption_count: profile.redemption_count,
        points_spent: profile.points_spent,
        update_time: Some(timestamp(Time::from_micros(profile.order_key))),
    }
}

fn purchases(profile: &Profile, now: Time) -> pb::Purchases {
    let days = |last: Time| now.micros().saturating_sub(last.micros()).max(0) / DAY_MICROS;
    let spend = |(currency, micros): (&String, &i64)| pb::Spend {
        currency_code: currency.clone(),
        spend_micros: *micros,
    };
    pb::Purchases {
        first_time: profile.first_purchase_time.map(timestamp),
        last_time: profile.last_purchase_time.map(timestamp),
        recency_days: profile.last_purchase_time.map(days),
        count: profile.purchase_count,
        spend: profile.spend.0.iter().map(spend).collect(),
    }
}

fn last_answer(given: Given) -> pb::LastAnswer {
    pb::LastAnswer { value: given.value, answer_time: Some(timestamp(given.time)) }
}

/// A tier whose id is empty is none.
fn tier(tier: Tier) -> Option<pb::Tier> {
    let effective_time = Some(timestamp(tier.time));
    let named = !tier.tier_id.is_empty();
    named.then_some(pb::Tier { tier_id: tier.tier_id, rank: tier.rank, effective_time })
}

#[cfg(test)]
mod tests {
    use proto::rapport::feedback::v1::RatingScale as S;

    use super::*;
    use crate::fixture::{
        HOUR, House, TENANT, at, call, feedback_event, id, opened, purchase, refused, submitted, tier_changed,
    };

    async fn profile(house: &House, tenant: &str, customer_id: &str) -> Result<pb::CustomerProfile, Status> {
        let message = pb::GetCustomerProfileRequest { customer_id: customer_id.into() };
        Ok(handle(house.service.api(), call(tenant, message)).await?.profile.unwrap())
    }

    #[tokio::test]
    async fn a_profile_says_what_is_known_and_leaves_out_what_is_not() {
        let house = House::open().await;
        house.apply(&[purchase(1, 7, 0, 1_500_000), purchase(2, 7, HOUR, 0)]).await.unwrap();
        house.apply(&[tier_changed(3, 7, 0, "gold"), opened(4, 7, HOUR)]).await.unwrap();
        house.apply(&[feedback_event(5, &submitted(5, 7, HOUR, &[(S::Nps, 9)]))]).await.unwrap();
        house.clock.advance_to(crate::fixture::START.plus_micros(HOUR + 3 * DAY_MICROS - 1));
        let found = profile(&house, TENANT, &id(7)).await.unwrap();
        let spend = vec![pb::Spend { currency_code: "EUR".into(), spend_micros: 1_500_000 }];
        let purchases =
            pb::Purchases { first_time: at(0), last_time: at(HOUR), recency_days: Some(2), count: 2, spend };
        let expected = pb::CustomerProfile {
            customer_id: id(7),
            purchases: Some(purchases),
            activity_count: 2,
            last_nps: Some(pb::LastAnswer { value: 9, answer_time: at(HOUR) }),
            answer_count: 1,
            cases_opened_count: 1,
            cases_open_count: 1,
            tier: Some(pb::Tier { tier_id: "gold".into(), rank: 4, effective_time: at(0) }),
            update_time: at(5),
            ..pb::CustomerProfile::default()
        };
        assert_eq!(found, expected);
        house.apply(&[tier_changed(6, 7, HOUR, "")]).await.unwrap();
        assert_eq!(profile(&house, TENANT, &id(7)).await.unwrap().tier, None);
    }

    #[tokio::test]
    async fn who_is_not_known_is_not_found_nor_is_another_tenants_customer() {
        let house = House::open().await;
        house.apply(&[purchase(1, 7, 0, 1)]).await.unwrap();
        assert!(profile(&house, TENANT, &id(7)).await.is_ok());
        assert_eq!(refused(profile(&house, TENANT, &id(8)).await).0, "CUSTOMER_NOT_FOUND");
        assert_eq!(refused(profile(&house, "other", &id(7)).await).0, "CUSTOMER_NOT_FOUND");
        let (reason, fields) = refused(profile(&house, TENANT, "x").await);
        assert_eq!((reason.as_str(), fields[0].0.as_str()), ("FIELDS_INVALID", "customer_id"));
    }
}
