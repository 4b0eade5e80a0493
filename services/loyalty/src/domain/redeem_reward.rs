//! RedeemReward: points become a reward in one step.

use ambient::Time;
use uuid::Uuid;

use super::book::Book;
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

/// Where a redemption stands. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum RedemptionState {
    /// The points are spent.
    Captured = 1,
}

/// Points given for a reward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// UUIDv7, given with the command.
    pub id: Uuid,
    /// Who redeemed.
    pub member_id: Uuid,
    /// The program.
    pub program_id: String,
    /// What.
    pub reward_id: String,
    /// The version of the reward whose price was paid.
    pub reward_version: i64,
    /// How many units.
    pub quantity: i64,
    /// Points paid.
    pub points: i64,
    /// The code of their currency.
    pub currency: String,
    /// The number of its purse.
    pub purse: u32,
    /// Where it stands.
    pub state: RedemptionState,
    /// When it was made.
    pub create_time: Time,
}

pub(super) fn redeem(
    book: &mut Book<'_>,
    command: &RedeemReward,
    offer: Option<(&Reward, Stock)>,
) -> Result<Reply, Refusal> {
    let reward_id = || command.reward_id.clone();
    let (reward, stock) = offer.ok_or_else(|| Refusal::RewardNotFound { reward_id: reward_id() })?;
    let (today, rank) = (book.local_day(book.now), book.out.wallet.tier.rank);
    let price_points = book.program.ladder.discounted(today, rank, reward.price_points);
    let points = price_points.checked_mul(command.quantity).ok_or(Refusal::AmountOverflow)?;
    let purse = book.program.spendable(&reward.currency)?;
    if let Stock::Remaining(remaining) = stock {
        if remaining < command.quantity {
            return Err(Refusal::OutOfStock { reward_id: reward_id(), remaining });
        }
        book.out.stock_taken = command.quantity;
    }
    let redemption = Redemption {
        id: command.redemption_id,
        member_id: command.member_id,
        program_id: reward.program_id.clone(),
        reward_id: reward.id.clone(),
        reward_version: reward.version,
        quantity: command.quantity,
        points,
        currency: book.code(purse),
        purse,
        state: RedemptionState::Captured,
        create_time: book.now,
    };
    let source = Source {
        actor_member_id: command.member_id,
        redemption_id: command.redemption_id,
        ..Source::default()
    };
    book.slide(book.now);
    book.debit_lots((purse, Account::Redeemed), points, Reason::Redeem, book.now, source)?;
    book.out.redemption = Some(redemption.clone());
    let left = book.left(purse);
    book.announce(Event::RewardRedeemed { redemption: redemption.clone(), left });
    Ok(Reply::Redeemed(redemption))
}
