//! Merging members and taking that back, joining a household and leaving it: what a member has moves to
//! another wallet, and commands that name the member act on that one from then on.
//!
//! Lots that hold points are closed, and successors with the same expiry opened, with postings through the
//! transfer account. What was done in the member's name goes along: activities with what they count for
//! tiers, redemptions with the points and the units that they hold, what counts for caps and limits, and what
//! is owed. What expired or was spent stays where that happened; points of redemptions that come back later
//! open successors of the lots they came from.

use std::collections::BTreeMap;

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, plus};
use super::purse::{Points, add};
use super::tiers::DayCredits;
use super::{
    Account, Activity, Context, Earning, Event, HouseholdRole, MemberMoved, MemberState, Reason, Redemption,
    Refusal, Reply, Source, State, Stay, Wallet, settle,
};

/// The command. It is decided on the wallet that has the member's points, and on that which gets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveMember {
    /// Who moves, with all who were merged into this member.
    pub member_id: Uuid,
    /// Where to.
    pub to: Destination,
    /// Why.
    pub note: String,
}

/// Where a member's points go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To this member, who is the same customer.
    Member(Uuid),
    /// To this household, in which the member has this role.
    Household(Uuid, HouseholdRole),
    /// From the member it was merged into back to the member's own wallet.
    Unmerged,
    /// From its household back to the member's own wallet.
    OutOfHousehold,
}

/// What belongs to the one who moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Belongings {
    /// The member, and all who were merged into it.
    pub members: Vec<Uuid>,
    /// What was done in their names.
    pub activities: Vec<Activity>,
}

/// Why a member does not move, or why nothing can be done about its own wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveRefusal {
    /// The wallet is that of a household.
    NoMember {
        /// The id given.
        member_id: Uuid,
    },
    /// The member was merged into another one.
    MemberMerged {
        /// Into whom.
        member_id: Uuid,
    },
    /// The member's points are those of a household.
    MemberInHousehold {
        /// Which.
        household_id: Uuid,
    },
    /// The member was not merged into another one.
    NotMerged,
    /// The member is in no household.
    NotInHousehold,
    /// The program has no such member to merge another one into.
    SurvivorNotFound {
        /// The id given.
        member_id: Uuid,
    },
    /// The member to merge another one into has left.
    SurvivorClosed {
        /// The member.
        member_id: Uuid,
    },
    /// The member to merge another one into was merged into that one.
    MergeLoop,
    /// The program has no such household.
    HouseholdNotFound {
        /// The id given.
        household_id: Uuid,
    },
}

/// Rows that change hands with a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// In whose names they are.
    pub members: Vec<Uuid>,
    /// What activities earned, as it was before, by the members who did them and their ids.
    pub earned: BTreeMap<(Uuid, Uuid), Vec<Earning>>,
    /// How long points of purses live here that slide: that goes for what comes back later, too.
    pub stays: BTreeMap<u32, Stay>,
}

impl From<MoveRefusal> for Refusal {
    fn from(refusal: MoveRefusal) -> Refusal {
        Refusal::Move(refusal)
    }
}

impl Destination {
    /// It is the member's own wallet.
    pub fn is_own(self) -> bool {
        matches!(self, Destination::Unmerged | Destination::OutOfHousehold)
    }
}

impl MoveMember {
    /// The wallet that it names as the one that gets the points.
    pub fn to_wallet(&self) -> Uuid {
        match self.to {
            Destination::Member(id) | Destination::Household(id, _) => id,
            Destination::Unmerged | Destination::OutOfHousehold => self.member_id,
        }
    }
}

pub(super) fn move_member<'a>(
    book: &mut Book<'a>,
    command: &MoveMember,
    context: Context<'a>,
) -> Result<Reply, Refusal> {
    let own = context.named.unwrap_or(&book.before.wallet);
    let target = target(book, own, command, context.other)?;
    let belongings = context.belongings.expect("who moves is given with what belongs to it");
    let mut there = Book::open(target, book.program, book.now);
    (book.hands_over, there.hands_over) = (true, true);
    settle::settle(&mut there)?;
    let points = hand_over(book, &mut there, command, belongings)?;
    let leaves_own = !command.to.is_own();
    let days = days(book, &belongings.activities)?;
    move_holds(book, &mut there, command, belongings)?;
    book.move_credits(&days, i64::checked_neg)?;
    there.move_credits(&days, Some)?;
    let other_wallet_id = if leaves_own { there.out.wallet.id } else { book.out.wallet.id };
    let at_home = if leaves_own { &mut *book } else { &mut there };
    // Nobody has its own tier while it is elsewhere: that is no change to tell of.
    at_home.tier_changed = None;
    at_home.out.wallet.role = match command.to {
        Destination::Household(_, role) => Some(role),
        _ => None,
    };
    at_home.out.wallet.moved_to = leaves_own.then(|| command.to_wallet());
    let (member_id, to, move_time) = (command.member_id, command.to, at_home.now);
    let told = at_home.told(&points);
    let told = MemberMoved { member_id, to, other_wallet_id, points: told, move_time };
    at_home.announce(Event::MemberMoved(told));
    let granted = belongings.activities.iter().filter(|activity| !activity.earned.is_empty());
    let earned = granted.map(|of| ((of.member_id, of.id), of.earned.clone())).collect();
    let stay = |purse: u32| Stay { alive: book.out.wallet.purse(purse).alive, left: book.now };
    let stays = book.program.purses().map(|purse| (purse, stay(purse))).collect();
    book.out.handed_over = Some(HandedOver { members: belongings.members.clone(), earned, stays });
    book.out.other = Some(Box::new(there.close()?));
    Ok(Reply::Points(points))
}

/// The wallet that gets the points, if they may go there.
fn target<'a>(
    book: &Book<'_>,
    own: &Wallet,
    command: &MoveMember,
    other: Option<&'a State>,
) -> Result<&'a State, Refusal> {
    if own.shared {
        return Err(MoveRefusal::NoMember { member_id: own.id }.into());
    }
    if own.state.is_over() {
        return Err(Refusal::MemberClosed);
    }
    // Whoever may not spend must not have it done by others.
    if own.state == MemberState::Suspended && !command.to.is_own() {
        return Err(Refusal::MemberSuspended);
    }
    match (command.to, own.moved_to, own.role) {
        (Destination::Member(_) | Destination::Household(..), None, _)
        | (Destination::Unmerged, Some(_), None)
        | (Destination::OutOfHousehold, Some(_), Some(_)) => {}
        (Destination::Unmerged, ..) => return Err(MoveRefusal::NotMerged.into()),
        (Destination::OutOfHousehold, ..) => return Err(MoveRefusal::NotInHousehold.into()),
        (_, Some(wallet_id), role) => return Err(elsewhere(wallet_id, role)),
    }
    let id = command.to_wallet();
    let other = other.filter(|state| state.wallet.program_id == book.program.id);
    let found = other.filter(|state| match command.to {
        Destination::Member(id) => !(state.wallet.shared && state.wallet.id == id),
        // Who is in a household is none.
        Destination::Household(id, _) => state.wallet.shared && state.wallet.id == id,
        Destination::Unmerged | Destination::OutOfHousehold => true,
    });
    let missing = match command.to {
        Destination::Household(..) => MoveRefusal::HouseholdNotFound { household_id: id },
        _ => MoveRefusal::SurvivorNotFound { member_id: id },
    };
    let found = found.ok_or(missing)?;
    if found.wallet.id == book.out.wallet.id {
        return Err(MoveRefusal::MergeLoop.into());
    }
    if found.wallet.state.is_over() {
        return Err(MoveRefusal::SurvivorClosed { member_id: id }.into());
    }
    Ok(found)
}

/// Why nothing can be done about the wallet of a member whose points are elsewhere.
pub(super) fn elsewhere(wallet_id: Uuid, role: Option<HouseholdRole>) -> Refusal {
    let refusal = match role {
        Some(_) => MoveRefusal::MemberInHousehold { household_id: wallet_id },
        None => MoveRefusal::MemberMerged { member_id: wallet_id },
    };
    refusal.into()
}

/// Moves points and what is owed; returns how many points.
fn hand_over(
    book: &mut Book<'_>,
    there: &mut Book<'_>,
    command: &MoveMember,
    belongings: &Belongings,
) -> Result<Points, Refusal> {
    let source = |other_wallet_id| Source {
        actor_member_id: command.member_id,
        note: command.note.clone(),
        other_wallet_id,
        ..Source::default()
    };
    let (from, to) = (book.out.wallet.id, there.out.wallet.id);
    for purse in book.purses().filter(|_| !command.to.is_own()) {
        let owed = book.out.wallet.purse(purse).totals.arrears;
        if owed > 0 {
            let [given, taken] =
                [(Account::Transfer, Account::Arrears), (Account::Arrears, Account::Transfer)];
            book.post((purse, given.0, given.1), owed, Reason::Move, book.now, source(to))?;
            there.post((purse, taken.0, taken.1), owed, Reason::Move, book.now, source(from))?;
        }
    }
    let mut lots = book.held_lots();
    lots.retain(|lot| belongings.members.contains(&lot.member_id));
    lots.sort_by_key(|lot| lot.key.number);
    for lot in &mut lots {
        let expire_time = book.lives_until(lot);
        book.set_expiry(lot, expire_time);
    }
    book.give_lots(&lots, source(to))?;
    there.receive_lots(&lots, from, source(from))?;
    there.repay_all(there.now)?;
    let mut points = Points::new();
    lots.iter().try_for_each(|lot| add(&mut points, lot.key.purse, lot.remaining))?;
    Ok(points)
}

/// Moves the points that open holds of those who move have reserved: these end there when they would have
/// here.
fn move_holds(
    book: &mut Book<'_>,
    there: &mut Book<'_>,
    command: &MoveMember,
    belongings: &Belongings,
) -> Result<(), Refusal> {
    let (from, to) = (book.out.wallet.id, there.out.wallet.id);
    let holds = book.open_holds().filter(|hold| belongings.members.contains(&hold.member_id));
    let holds: Vec<Redemption> = holds.cloned().collect();
    for hold in &holds {
        let source = |other_wallet_id| Source { other_wallet_id, ..hold.source(&command.note) };
        if hold.points > 0 {
            let given = (hold.purse, Account::Held, Account::Transfer);
            book.post(given, hold.points, Reason::Move, book.now, source(to))?;
            let taken = (hold.purse, Account::Transfer, Account::Held);
            there.post(taken, hold.points, Reason::Move, there.now, source(from))?;
        }
        there.out.wallet.next_hold = there.out.wallet.next_hold.min(hold.hold_expire_time);
    }
    let stays = book.open_holds().filter(|hold| !belongings.members.contains(&hold.member_id));
    book.out.wallet.next_hold = stays.map(|hold| hold.hold_expire_time).min().unwrap_or(Time::NEVER);
    Ok(())
}

/// What activities count for tiers, by local day.
fn days(book: &Book<'_>, activities: &[Activity]) -> Result<DayCredits, Refusal> {
    let mut days = DayCredits::new();
    for activity in activities {
        let sum = days.entry(book.local_day(activity.occurred_time)).or_default();
        *sum = plus(*sum, book.program.ladder.policy.credits(activity))?;
    }
    days.retain(|_, credits| *credits != 0);
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Ledger, adjust, at, hold};
    use super::super::rules::Period;
    use super::super::{Command, Past, RewardTerms, UnitLimit, decide};
    use super::*;

    #[test]
    fn whoever_moves_changes_no_count() {
        let now = at("2026-05-05T10:00:00Z");
        let mut ledger = Ledger::opened(now);
        let limit = Some(UnitLimit { units_max: 5, period: Period::Day });
        ledger.reward.terms = RewardTerms { limit, ..RewardTerms::default() };
        ledger.run(&adjust(1_000, None), now).unwrap();
        ledger.run(&hold(1, 2, 60), now).unwrap();
        ledger.run(&hold(2, 1, 600), now).unwrap();
        let [member_id, survivor] = [1, 2].map(Uuid::from_u128);
        let wallet = Wallet::opened(survivor, &ledger.program, now, 0);
        let there = State { past: Some(Past::default()), ..State::new(wallet) };
        let here = State { counted: ledger.used.clone(), ..ledger.state.clone() };
        let belongings = Belongings { members: vec![member_id], activities: Vec::new() };
        let to = Destination::Member(survivor);
        let command = Command::MoveMember(MoveMember { member_id, to, note: String::new() });
        let moved = |now| {
            let of = Context::of(&ledger.program);
            let context = Context { other: Some(&there), belongings: Some(&belongings), ..of };
            let outcome = decide(&here, &command, context, now).outcome;
            let there = outcome.other.expect("a second wallet");
            let told = |((_, name), units): ((_, Uuid), i64)| (name, units);
            [outcome.counted, there.counted].map(|counted| counted.into_iter().map(told).collect::<Vec<_>>())
        };
        assert_eq!(moved(now), [vec![], vec![]], "what is counted is handed over as it is");
        // One of them has timed out by then: its units are not held any more.
        assert_eq!(moved(now.plus_micros(60_000_000)), [vec![(member_id, -2)], vec![]]);
    }

    #[test]
    fn whoever_has_nothing_changes_both_wallets_too() {
        let now = at("2026-05-05T10:00:00Z");
        let ledger = Ledger::opened(now);
        let [member_id, survivor] = [1, 2].map(Uuid::from_u128);
        let wallet = Wallet::opened(survivor, &ledger.program, now, 0);
        let there = State { past: Some(Past::default()), ..State::new(wallet) };
        let belongings = Belongings { members: vec![member_id], activities: Vec::new() };
        let to = Destination::Member(survivor);
        let command = Command::MoveMember(MoveMember { member_id, to, note: String::new() });
        let of = Context::of(&ledger.program);
        let context = Context { other: Some(&there), belongings: Some(&belongings), ..of };
        let here = State { past: Some(Past::default()), ..ledger.state.clone() };
        let outcome = decide(&here, &command, context, now).outcome;
        let other = outcome.other.expect("a second wallet").wallet;
        let versions = [outcome.wallet.version, other.version];
        assert_eq!(versions, [here.wallet.version + 1, there.wallet.version + 1]);
    }
}
