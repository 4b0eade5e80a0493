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
/// does nothing with what others redeemed either.
pub(super) fn allow(context: Context<'_>, command: &Command) -> Result<(), Refusal> {
    let Some(own) = context.shares_as else { return Ok(()) };
    change_state::allow(own.state, command)?;
    let of_others = context.redemption.is_some_and(|redemption| redemption.member_id != own.id);
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
