//! RedeemReward: points become a reward in one step.

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, minus};
use super::redemption::{Redemption, RedemptionState};
use super::{
    Account, Asker, Bill, Context, Event, Money, Price, Reason, Refusal, Reply, Reward, RewardRefusal, Stock,
};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeemReward {
    /// The id the redemption gets.
    pub redemption_id: Uuid,
    /// Who redeems.
    pub member_id: Uuid,
    /// A reward of the wallet's program.
    pub reward_id: String,
    /// Which of its prices; empty: its own.
    pub price_id: String,
    /// How many units; at least 1.
    pub quantity: i64,
    /// What is to be paid, if the reward pays bills.
    pub bill: Option<Bill>,
}

pub(super) fn redeem(
    book: &mut Book<'_>,
    command: &RedeemReward,
    context: Context<'_>,
) -> Result<Reply, Refusal> {
    let made = priced(book, command, context)?;
    let mut redemption = Redemption {
        captured: made.points,
        quantity_captured: made.quantity,
        state: RedemptionState::Captured,
        resolve_time: book.now,
        ..made
    };
    book.slide(book.now);
    book.pay(&mut redemption, (Account::Redeemed, Reason::Redeem))?;
    book.hand_out(&mut redemption);
    book.out.redemption = Some(redemption.clone());
    let left = book.left(redemption.purse);
    book.announce(Event::RewardRedeemed { redemption: redemption.clone(), left });
    Ok(Reply::Redeemed(redemption))
}

/// A redemption at a price of a reward, for which nothing is paid yet; its units are taken.
pub(super) fn priced(
    book: &mut Book<'_>,
    command: &RedeemReward,
    context: Context<'_>,
) -> Result<Redemption, Refusal> {
    let (reward_id, quantity) = (&command.reward_id, command.quantity);
    let missing = || Refusal::RewardNotFound { reward_id: reward_id.clone() };
    let (reward, stock) = context.reward.ok_or_else(missing)?;
    let price = reward.price(&command.price_id)?;
    // What timed out just now gave its units back.
    let taken = book.out.stock.get(reward_id).copied().unwrap_or(0);
    let stock = match stock {
        Stock::Unlimited => Stock::Unlimited,
        Stock::Remaining(remaining) => Stock::Remaining(minus(remaining, taken)?),
    };
    let had = reward.counter(book.program, book.now).map_or(0, |counter| book.counted(&counter));
    let wallet = &book.out.wallet;
    let asker = Asker { program: book.program, wallet, member: context.member, had, now: book.now };
    if let Some(barred) = reward.barred(asker, stock, quantity).into_iter().next() {
        return Err(barred);
    }
    let redemption = redemption(book, command, (reward, price))?;
    book.take_units(&redemption, quantity)?;
    Ok(redemption)
}

fn redemption(
    book: &Book<'_>,
    command: &RedeemReward,
    (reward, price): (&Reward, &Price),
) -> Result<Redemption, Refusal> {
    let quantity = command.quantity;
    let (points, money) = cost(book, command, (reward, price))?;
    let purse = book.program.spendable(&price.currency)?;
    Ok(Redemption {
        id: command.redemption_id,
        member_id: command.member_id,
        program_id: reward.program_id.clone(),
        reward_id: reward.id.clone(),
        reward_version: reward.version,
        price_id: price.id.clone(),
        money,
        amount: command.bill.map(|bill| bill.amount),
        worth: command.bill.and_then(|_| reward.worth(book.program, &book.out.wallet, book.now)),
        quantity,
        quantity_captured: 0,
        supply: reward.supply,
        limited: reward.terms.limit.map(|limit| limit.period),
        codes: Vec::new(),
        currency: book.code(purse),
        purse,
        points,
        captured: 0,
        refunded: 0,
        lots: Vec::new(),
        lots_wallet_id: None,
        stays: Vec::new(),
        state: RedemptionState::Held,
        hold_expire_time: book.now,
        create_time: book.now,
        resolve_time: Time::NEVER,
        step_seq: 0,
    })
}

/// Points, and the money that is to be paid beside them.
fn cost(
    book: &Book<'_>,
    command: &RedeemReward,
    (reward, price): (&Reward, &Price),
) -> Result<(i64, Option<Money>), Refusal> {
    let of_all = |one: i64| one.checked_mul(command.quantity).ok_or(Refusal::AmountOverflow);
    match (reward.terms.rate, command.bill) {
        (Some(_), None) => Err(RewardRefusal::BillRequired.into()),
        (_, Some(bill)) => {
            let share = reward.share(book.program, &book.out.wallet, bill, book.now)?;
            Ok((share.points, Some(share.rest)))
        }
        (None, None) => {
            let money = price.money.map(|one| of_all(one.micros).map(|micros| Money { micros, ..one }));
            let points = of_all(price.points_of(book.program, &book.out.wallet, book.now))?;
            Ok((points, money.transpose()?))
        }
    }
}
