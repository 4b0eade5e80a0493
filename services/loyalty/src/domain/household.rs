//! Households: members who share a wallet, each in a role.

use super::book::Book;
use super::{Command, MoveRefusal, Refusal, Reply, Wallet, change_state};

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

/// Refuses what the member whose own wallet this is may not do with the wallet that it shares.
pub(super) fn allow(own: Option<&Wallet>, command: &Command) -> Result<(), Refusal> {
    let Some(own) = own else { return Ok(()) };
    change_state::allow(own.state, command)?;
    if command.spends() && own.role != Some(HouseholdRole::Redeemer) {
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
