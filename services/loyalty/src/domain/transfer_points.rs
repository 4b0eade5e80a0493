//! TransferPoints: points go from one wallet to another of the same program and keep their expiry.
//!
//! Both wallets are settled at one moment, and what one gives the other receives in the same commit: the
//! program's transfer account is 0 whenever anybody looks.

use uuid::Uuid;

use super::book::{Book, Outcome};
use super::{Account, Context, Event, Lot, MemberState, Reason, Refusal, Reply, Source, Transferred, settle};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferPoints {
    /// Who gives.
    pub member_id: Uuid,
    /// Who receives: another member.
    pub to_member_id: Uuid,
    /// How many; positive.
    pub points: i64,
    /// The code of their currency; empty: the main one.
    pub currency: String,
    /// Why.
    pub note: String,
    /// Refuse unless the wallet of the one who gives has this version.
    pub expected_version: Option<i64>,
}

pub(super) fn transfer(
    book: &mut Book<'_>,
    command: &TransferPoints,
    context: Context<'_>,
) -> Result<Reply, Refusal> {
    let purse = book.program.spendable(&command.currency)?;
    let recipient = context.other.filter(|state| state.wallet.program_id == book.program.id);
    let Some(recipient) = recipient else {
        return Err(Refusal::RecipientNotFound { member_id: command.to_member_id });
    };
    let acts_as = context.other_shares_as.unwrap_or(&recipient.wallet);
    match acts_as.state {
        MemberState::Active => {}
        state => return Err(Refusal::RecipientNotActive { member_id: command.to_member_id, state }),
    }
    if recipient.wallet.id == book.out.wallet.id {
        return Err(Refusal::RecipientSharesWallet { member_id: command.to_member_id });
    }
    let lots = give(book, command, purse, recipient.wallet.id)?;
    let there = Book::open(recipient, book.program, book.now);
    let received = receive(there, command, purse, (book.out.wallet.id, lots))?;
    book.out.other = Some(Box::new(received));
    Ok(Reply::Done)
}

/// Takes the points; returns what lots they came from, each with the points that it gave.
fn give(book: &mut Book<'_>, command: &TransferPoints, purse: u32, to: Uuid) -> Result<Vec<Lot>, Refusal> {
    let TransferPoints { member_id, to_member_id, points, .. } = *command;
    let source = source(command, to);
    book.slide(book.now);
    let first = book.out.allocations.len();
    book.debit_lots((purse, Account::Transfer), points, Reason::Transfer, book.now, source)?;
    let given = book.out.allocations.iter().skip(first);
    let lots = given.filter_map(|taken| {
        let mut lot = book.out.lots.get(&taken.lot_number)?.clone();
        lot.key.expire_time = book.lives_until(&lot);
        let (remaining, member_id) = (taken.points, to_member_id);
        Some(Lot { remaining, member_id, returned: false, ..lot })
    });
    let lots = lots.collect();
    let (points, left) = (points.saturating_neg(), book.left(purse));
    let told = Transferred { member_id, other_member_id: to_member_id, points, left };
    book.announce(Event::PointsTransferred(told));
    Ok(lots)
}

/// Opens successors of the lots that gave.
fn receive(
    mut book: Book<'_>,
    command: &TransferPoints,
    purse: u32,
    (from, lots): (Uuid, Vec<Lot>),
) -> Result<Outcome, Refusal> {
    let TransferPoints { member_id: other_member_id, to_member_id: member_id, points, .. } = *command;
    settle::settle(&mut book)?;
    let source = source(command, from);
    let accounts = (purse, Account::Transfer, Account::Available);
    book.post(accounts, points, Reason::Transfer, book.now, source)?;
    for lot in lots {
        book.continue_lot(&lot, from)?;
    }
    book.repay(purse, book.now)?;
    let left = book.left(purse);
    let told = Transferred { member_id, other_member_id, points, left };
    book.announce(Event::PointsTransferred(told));
    book.close()
}

fn source(command: &TransferPoints, other_wallet_id: Uuid) -> Source {
    let (actor_member_id, note) = (command.member_id, command.note.clone());
    Source { actor_member_id, note, other_wallet_id, ..Source::default() }
}
