//! A thousand parallel redemptions of one balance spend it exactly: no point more, none less.

use futures::future::join_all;
use harness::calls::{
    balance_of, create_program, create_reward, enroll, purchase, reason, record, redeem, redemption,
};
use harness::house::House;

everywhere! { a_thousand_redemptions_of_one_balance; }

async fn a_thousand_redemptions_of_one_balance(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "sticker", 7, None).await;
    let member = enroll(&client, "anna").await;
    // 40 lots, so that redemptions cross their borders; 1,003 points buy 143 stickers and leave 2.
    let earned: Vec<i64> = (0..40).map(|i| 5 + i).chain([23]).collect();
    assert_eq!(earned.iter().sum::<i64>(), 1_003);
    join_all(earned.into_iter().map(|units| record(&client, purchase(&member, units)))).await;
    let answers = join_all((0..1_000).map(|_| redeem(&client, redemption(&member, "sticker")))).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 143);
    for refused in refused {
        assert_eq!(reason(&refused.unwrap_err()), "INSUFFICIENT_POINTS");
    }
    let balance = balance_of(&client, &member).await;
    assert_eq!((balance.available, balance.redeemed), (2, 1_001));
    house.end().await;
}
