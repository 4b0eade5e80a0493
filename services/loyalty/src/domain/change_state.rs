//! SuspendMember, ReactivateMember, CloseMember and EraseMember: whether a member may act.
//!
//! Whoever leaves forfeits what is left, pending and held points too, and owes nothing any more. What was,
//! stays.

use uuid::Uuid;

use super::book::Book;
use super::move_member::elsewhere;
use super::purse::{Points, add};
use super::void_redemption::void_all;
use super::{
    Account, Command, Event, Lot, MemberState, MoveRefusal, Reason, Refusal, Reply, Source, StateChange,
};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeState {
    /// Whose.
    pub member_id: Uuid,
    /// To what.
    pub to: MemberState,
    /// Why.
    pub note: String,
}

/// Refuses what a wallet in this state may not do.
pub(super) fn allow(state: MemberState, command: &Command) -> Result<(), Refusal> {
    let acts = matches!(command, Command::RecordActivity(_)) || command.spends();
    match (state, command) {
        (
            _,
            Command::Settle | Command::ChangeState(_) | Command::RejectReview | Command::ReopenReferral(_),
        ) => Ok(()),
        (MemberState::Active, _) => Ok(()),
        (MemberState::Suspended, _) if acts => Err(Refusal::MemberSuspended),
        (MemberState::Suspended, _) => Ok(()),
        (MemberState::Closed | MemberState::Erased, _) => Err(Refusal::MemberClosed),
    }
}

pub(super) fn change(book: &mut Book<'_>, command: &ChangeState) -> Result<Reply, Refusal> {
    let (from, to) = (book.out.wallet.state, command.to);
    let done = from == to || (from == MemberState::Erased && to.is_over());
    if book.out.wallet.shared {
        return Err(MoveRefusal::NoMember { member_id: command.member_id }.into());
    }
    if let Some(wallet_id) = book.out.wallet.moved_to {
        let role = book.out.wallet.role;
        if role.is_none() || to.is_over() {
            return Err(elsewhere(wallet_id, role));
        }
    }
    if from.is_over() && !to.is_over() {
        return Err(Refusal::MemberClosed);
    }
    if done {
        return Ok(Reply::State { state: from, forfeited: Points::new() });
    }
    book.out.wallet.state = to;
    let leaves = to.is_over() && !from.is_over();
    let forfeited = if leaves { forfeit(book, command)? } else { Points::new() };
    if !(from.is_over() && to == MemberState::Erased) {
        let state = if to == MemberState::Erased { MemberState::Closed } else { to };
        let (member_id, note, change_time) = (command.member_id, command.note.clone(), book.now);
        let change = StateChange { member_id, state, note, forfeited: book.told(&forfeited), change_time };
        book.announce(Event::MemberStateChanged(change));
    }
    if to == MemberState::Erased {
        book.announce(Event::MemberErased { member_id: command.member_id, erase_time: book.now });
    }
    Ok(Reply::State { state: to, forfeited })
}

/// Takes all that is left; returns how many points that were.
fn forfeit(book: &mut Book<'_>, command: &ChangeState) -> Result<Points, Refusal> {
    let source =
        Source { actor_member_id: command.member_id, note: command.note.clone(), ..Source::default() };
    void_all(book, &command.note)?;
    let mut forfeited = Points::new();
    let lots: Vec<Lot> = book.held_lots();
    for lot in lots {
        add(&mut forfeited, lot.key.purse, lot.remaining)?;
        book.forfeit(lot, source.clone())?;
    }
    for purse in book.purses() {
        let arrears = book.out.wallet.purse(purse).totals.arrears;
        if arrears > 0 {
            let accounts = (purse, Account::Waived, Account::Arrears);
            book.post(accounts, arrears, Reason::Forfeit, book.now, source.clone())?;
        }
    }
    Ok(forfeited)
}
