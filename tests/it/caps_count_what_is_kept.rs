//! Caps count what rules grant, what of it is kept after returns, and what programs gave to everybody.

use harness::calls::{PROGRAM, create_program, enroll, purchase, record, usd};
use harness::house::House;
use proto::rapport::loyalty::v1 as pb;

use crate::activities_are_simulated::{simulate, told};
use crate::rules_say_what_activities_earn::{
    WHOLE, basket, cap, capped, fixed, item, on, owed, per_dollar, pieces, points, under,
};

in_process! {
    a_simulation_for_nobody_knows_what_the_program_gave;
    what_is_left_counts_by_the_rule_that_grants_it;
    caps_of_several_rules_do_not_forget_each_other;
    what_was_given_back_is_not_seen_by_rules;
}

async fn a_simulation_for_nobody_knows_what_the_program_gave(house: House) {
    let client = house.client();
    create_program(&client).await;
    let campaign = pb::Cap {
        owner: pb::CapOwner::Program.into(),
        budget_id: "campaign".into(),
        ..cap(100, pb::CapPeriod::Lifetime)
    };
    let welcome = on("now - member.join_time < duration('1h')", fixed("welcome", 7));
    under(&client, vec![capped(per_dollar("base", 1), campaign), welcome]).await;
    let anna = enroll(&client, "anna").await;
    assert_eq!(points(&client, purchase(&anna, 60)).await, 67);
    let who = pb::simulate_activity_request::Who::ProgramId(PROGRAM.into());
    let wanted = [30, 30].map(|units| purchase(&anna, units).activity.unwrap()).to_vec();
    let simulated = simulate(&client, who, None, wanted).await.unwrap();
    let earned = simulated.results.iter().map(|result| told(result).activity.as_ref().unwrap().points);
    assert_eq!(earned.collect::<Vec<_>>(), [30 + 7, 10 + 7]);
    house.end().await;
}

async fn what_is_left_counts_by_the_rule_that_grants_it(house: House) {
    let client = house.client();
    create_program(&client).await;
    for owner in [pb::CapOwner::Member, pb::CapOwner::Program] {
        let small = on("activity.amount < 100.0", per_dollar(owner.as_str_name(), 1));
        let large = on("activity.amount >= 100.0", fixed("large", 200));
        let monthly = pb::Cap { owner: owner.into(), ..cap(100, pb::CapPeriod::Month) };
        under(&client, vec![capped(small, monthly), large]).await;
        let anna = enroll(&client, owner.as_str_name()).await;
        assert_eq!(points(&client, purchase(&anna, 40)).await, 40);
        let mut bought = purchase(&anna, 120);
        bought.activity.as_mut().unwrap().external_id = "a".into();
        let bought = record(&client, bought).await.unwrap().activity.unwrap();
        assert_eq!(bought.points, 200);
        // As it was recorded when periods had no names.
        let renamed = "UPDATE activity SET room = REPLACE(room, '/month', '') WHERE room LIKE '%/month%'";
        assert_eq!(house.execute(renamed).await, 2);
        let part = pb::reverse_activity_request::Returned::Amount(usd(50, 0));
        assert_eq!(owed(&client, &anna, "a", part).await, 140, "60 of the 70 dollars that are left count");
        assert_eq!(points(&client, purchase(&anna, 60)).await, 0);
        assert_eq!(owed(&client, &anna, "a", WHOLE).await, 60);
        assert_eq!(points(&client, purchase(&anna, 90)).await, 60);
        // All of these are out of sight of the next round.
        house.execute("UPDATE activity SET room = ''").await;
        house.time_passes();
    }
    house.end().await;
}

async fn caps_of_several_rules_do_not_forget_each_other(house: House) {
    let client = house.client();
    create_program(&client).await;
    let of = |till: &str| {
        let rule = on(&format!("activity.location == '{till}'"), per_dollar(till, 1));
        capped(rule, cap(100, pb::CapPeriod::Day))
    };
    under(&client, vec![of("a"), of("b")]).await;
    let anna = enroll(&client, "anna").await;
    let earned = async |till: &str| {
        let mut request = purchase(&anna, 60);
        request.activity.as_mut().unwrap().location = till.into();
        points(&client, request).await
    };
    for (till, expected) in [("a", 60), ("b", 60), ("a", 40), ("b", 40), ("a", 0), ("b", 0)] {
        assert_eq!(earned(till).await, expected, "{till}");
    }
    house.end().await;
}

async fn what_was_given_back_is_not_seen_by_rules(house: House) {
    let client = house.client();
    create_program(&client).await;
    let wine = on("activity.items.exists(item, item.category == 'wine')", fixed("wine", 500));
    let many = on("size(activity.items) >= 2", fixed("many", 30));
    under(&client, vec![wine, many]).await;
    let anna = enroll(&client, "anna").await;
    let items = || vec![item("wine", 2, 2_000), item("bread", 1, 300)];
    assert_eq!(points(&client, basket(&anna, "a", items())).await, 530);
    assert_eq!(owed(&client, &anna, "a", pieces(&[(0, 1)])).await, 0, "a bottle is left");
    assert_eq!(owed(&client, &anna, "a", pieces(&[(0, 1)])).await, 530);
    assert_eq!(owed(&client, &anna, "a", WHOLE).await, 0);
    assert_eq!(points(&client, basket(&anna, "b", items())).await, 530);
    assert_eq!(owed(&client, &anna, "b", pieces(&[(1, 1)])).await, 30);
    house.end().await;
}
