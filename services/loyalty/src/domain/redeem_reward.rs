//! RedeemReward: points become a reward in one step.

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, minus, plus};
use super::redemption::{Redemption, RedemptionState};
use super::{Account, Event, Reason, Refusal, Reply, Reward, Source, Stock};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeemReward {
    /// The id the redemption gets.
    pub redemption_id: Uuid,
    /// Who redeems.
    pub member_id: Uuid,
    /// A reward of the wallet's program.
    pub reward_id: String,
    /// How many units; at least 1.
    pub quantity: i64,
}

pub(super) fn redeem(
    book: &mut Book<'_>,
    command: &RedeemReward,
    offer: Option<(&Reward, Stock)>,
) -> Result<Reply, Refusal> {
    let ids = (command.redemption_id, command.member_id);
    let made = priced(book, ids, (&command.reward_id, command.quantity), offer)?;
    let mut redemption = Redemption {
        captured: made.points,
        quantity_captured: made.quantity,
        state: RedemptionState::Captured,
        resolve_time: book.now,
        ..made
    };
    let source = Source {
        actor_member_id: command.member_id,
        redemption_id: command.redemption_id,
        ..Source::default()
    };
    book.slide(book.now);
    book.pay(&mut redemption, (Account::Redeemed, Reason::Redeem), source)?;
    book.out.redemption = Some(redemption.clone());
    let left = book.left(redemption.purse);
    book.announce(Event::RewardRedeemed { redemption: redemption.clone(), left });
    Ok(Reply::Redeemed(redemption))
}

/// A redemption at the price of a reward, for which nothing is paid yet; its units are taken from the stock.
pub(super) fn priced(
    book: &mut Book<'_>,
    (id, member_id): (Uuid, Uuid),
    (reward_id, quantity): (&str, i64),
    offer: Option<(&Reward, Stock)>,
) -> Result<Redemption, Refusal> {
    let reward_id = || reward_id.to_owned();
    let (reward, stock) = offer.ok_or_else(|| Refusal::RewardNotFound { reward_id: reward_id() })?;
    let (today, rank) = (book.local_day(book.now), book.out.wallet.tier.rank);
    let price_points = book.program.ladder.discounted(today, rank, reward.price_points);
    let points = price_points.checked_mul(quantity).ok_or(Refusal::AmountOverflow)?;
    let purse = book.program.spendable(&reward.currency)?;
    if let Stock::Remaining(remaining) = stock {
        // Holds that timed out just now gave their units back.
        let taken = book.out.stock.entry(reward.id.clone()).or_default();
        let remaining = minus(remaining, *taken)?;
        if remaining < quantity {
            return Err(Refusal::OutOfStock { reward_id: reward_id(), remaining });
        }
        *taken = plus(*taken, quantity)?;
    }
    Ok(Redemption {
        id,
        member_id,
        program_id: reward.program_id.clone(),
        reward_id: reward.id.clone(),
        reward_version: reward.version,
        quantity,
        quantity_captured: 0,
        counted: reward.counted,
        currency: book.code(purse),
        purse,
        points,
        captured: 0,
        refunded: 0,
        lots: Vec::new(),
        lots_wallet_id: None,
        state: RedemptionState::Held,
        hold_expire_time: book.now,
        create_time: book.now,
        resolve_time: Time::NEVER,
        step_seq: 0,
    })
}
