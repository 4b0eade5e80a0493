//! Points may lead to a tier, a tier to a bonus, and the bonus to points: each activity goes once around.

use harness::calls::{PROGRAM, create_program_like, enroll, program, purchase, record};
use harness::house::House;
use harness::moves::tier;
use proto::rapport::loyalty::v1 as pb;

use crate::points_are_of_several_currencies::{STATUS, of, status};
use crate::rules_say_what_activities_earn::{on, per_dollar, under};

in_process! { a_bonus_for_a_tier_leads_to_the_next_one_once; }

async fn a_bonus_for_a_tier_leads_to_the_next_one_once(house: House) {
    let client = house.client();
    let tier_of = |tier_id: &str, threshold_count| pb::Tier {
        tier_id: tier_id.into(),
        threshold_count,
        ..Default::default()
    };
    let tiers = [("base", 0), ("silver", 10), ("gold", 100), ("platinum", 1_000), ("black", 10_000)];
    let tiers = tiers.map(|(id, threshold)| tier_of(id, threshold)).to_vec();
    let tier_policy = Some(pb::TierPolicy { basis: pb::TierBasis::Credits.into(), ..Default::default() });
    let further_currencies = vec![status()];
    let wanted = pb::Program { tiers, tier_policy, further_currencies, ..program(PROGRAM) };
    create_program_like(&client, wanted).await;
    let bonus = |id: &str, rank: u32, credits: i64| {
        of(STATUS, on(&format!("tier.rank == {rank}"), per_dollar(id, credits)))
    };
    let rules =
        vec![bonus("base", 1, 1), bonus("silver", 2, 10), bonus("gold", 3, 100), bonus("platinum", 4, 1_000)];
    under(&client, rules).await;
    let anna = enroll(&client, "anna").await;
    for (credits, reached) in [(10, "silver"), (100, "gold"), (1_000, "platinum"), (10_000, "black")] {
        let recorded = record(&client, purchase(&anna, 10)).await.unwrap().activity.unwrap();
        assert_eq!((recorded.credits, tier(&client, &anna).await), (credits, reached.to_owned()));
    }
    let last = record(&client, purchase(&anna, 10)).await.unwrap().activity.unwrap();
    assert_eq!(last.credits, 0, "no rule is for the highest tier");
    house.end().await;
}
