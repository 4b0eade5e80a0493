//! Households: members who share a wallet, each in a role.

use super::book::Book;
use super::{Command, Context, MoveRefusal, Refusal, Reply, Wallet, change_state};

/// What a member may do with the points of the household. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum HouseholdRole {
    /// Earns for it and spends of it.
    Redeemer = 1,
    /// Earns for it.
    Earner = 2,
}

impl HouseholdRole {
    /// The role with this stored number.
    pub fn from_number(number: i32) -> Option<HouseholdRole> {
        use HouseholdRole::{Earner, Redeemer};
        [Redeemer, Earner].into_iter().find(|role| *role as i32 == number)
    }
}

/// Of the wallets from the one that is named to the one that has its points: that of the member of a
/// household in whose name it is done, if there is one.
pub fn shares_as<'a>(way: impl IntoIterator<Item = &'a Wallet>) -> Option<&'a Wallet> {
    way.into_iter().find(|wallet| wallet.role.is_some())
}

/// Refuses what the member who is named may not do with the wallet that it shares: who may not spend of it
/// does nothing with what others redeemed either. Who was merged into a member is that member.
pub(super) fn allow(context: Context<'_>, command: &Command) -> Result<(), Refusal> {
    let Some(own) = context.shares_as else { return Ok(()) };
    change_state::allow(own.state, command)?;
    let is_own = |member_id| member_id == own.id || context.redeemed_as == Some(own.id);
    let of_others = context.redemption.is_some_and(|redemption| !is_own(redemption.member_id));
    if (command.spends() || of_others) && own.role != Some(HouseholdRole::Redeemer) {
        return Err(Refusal::RoleRequired { role: HouseholdRole::Redeemer });
    }
    Ok(())
}

/// ChangeRole: what a member may do in its household.
pub(super) fn change_role(book: &mut Book<'_>, role: HouseholdRole) -> Result<Reply, Refusal> {
    let held = book.out.wallet.role.as_mut().ok_or(MoveRefusal::NotInHousehold)?;
    *held = role;
    Ok(Reply::Done)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::VoidRedemption;
    use crate::domain::fixture::{Ledger, at, hold};

    #[test]
    fn who_may_only_earn_touches_what_its_own_names_made() {
        let now = at("2026-01-01T00:00:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.earn(100, now, now).unwrap();
        let made = ledger.run(&hold(9, 1, 60), now).unwrap();
        let redemption = made.redemption();
        let (maker, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let note = String::new();
        let void = Command::VoidRedemption(VoidRedemption { redemption_id: Uuid::from_u128(9), note });
        let as_whom = |id: Uuid, role, redeemed_as| {
            let own = Wallet { id, role: Some(role), ..ledger.state.wallet.clone() };
            let of = Context::of(&ledger.program);
            allow(Context { redemption, shares_as: Some(&own), redeemed_as, ..of }, &void)
        };
        use HouseholdRole::{Earner, Redeemer};
        let refused = Err(Refusal::RoleRequired { role: Redeemer });
        assert_eq!(as_whom(maker, Earner, None), Ok(()));
        assert_eq!(as_whom(other, Earner, None), refused);
        assert_eq!(as_whom(other, Earner, Some(other)), Ok(()), "the maker was merged into it");
        assert_eq!(as_whom(other, Earner, Some(Uuid::from_u128(3))), refused);
        assert_eq!(as_whom(other, Redeemer, None), Ok(()));
    }
}
