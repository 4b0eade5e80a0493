//! The wallet: running totals of its accounts and the numbers that its rows are counted with.

use ambient::Time;
use uuid::Uuid;

use super::{Account, HouseholdRole, MemberState, Program, Refusal, Standing, local_date, start_of_day};
use chrono::NaiveDate;

/// One wallet of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// Equal to the member's id unless shared.
    pub id: Uuid,
    /// The program it belongs to.
    pub program_id: String,
    /// Grows with every change.
    pub version: i64,
    /// The moment of its last decision; business time never goes back behind it.
    pub now: Time,
    /// The first expiry of its lots.
    pub first_expire: Time,
    /// No points expire before this moment.
    pub alive_until: Time,
    /// When pending points are next released.
    pub next_release: Time,
    /// When something next falls due: points are released or expire, the tier ends, or credits stop to count.
    pub next_due: Time,
    /// Expiries up to this moment were announced.
    pub warned_until: Time,
    /// When its owner is next to be warned of expiries, or of the end of the tier.
    pub next_warn: Time,
    /// Running totals.
    pub totals: Totals,
    /// Number of the last posting.
    pub posting_seq: i64,
    /// Number of the last lot.
    pub lot_seq: i64,
    /// Number of the last event.
    pub event_seq: i64,
    /// Order key of the last event.
    pub order_key: i64,
    /// Whether its owner may act.
    pub state: MemberState,
    /// When it was opened.
    pub open_time: Time,
    /// Where it stands on the ladder of tiers.
    pub tier: Standing,
    /// Number of the last row of the history of its tiers.
    pub tier_seq: i64,
    /// The end of a tier that was announced ahead.
    pub tier_warned: Option<NaiveDate>,
    /// Its owner was brought by somebody, and has not yet done what qualifies for the reward.
    pub referred: bool,
    /// The wallet that has what belongs to its owner; none: this one. What it has may be elsewhere again.
    pub moved_to: Option<Uuid>,
    /// The role of its owner in the household that `moved_to` is; none: its owner was merged, or is here.
    pub role: Option<HouseholdRole>,
    /// It belongs to a household, not to a member.
    pub shared: bool,
}

impl Wallet {
    /// An empty wallet whose history begins with one event, the enrolment.
    pub fn opened(id: Uuid, program: &Program, now: Time, order_key: i64) -> Wallet {
        Wallet {
            id,
            program_id: program.id.clone(),
            version: 1,
            now,
            first_expire: Time::NEVER,
            alive_until: Time::MIN,
            next_release: Time::NEVER,
            next_due: Time::NEVER,
            warned_until: Time::from_micros(0),
            next_warn: Time::NEVER,
            totals: Totals::default(),
            posting_seq: 0,
            lot_seq: 0,
            event_seq: 1,
            order_key,
            state: MemberState::Active,
            open_time: now,
            tier: Standing::opened(&program.ladder, now),
            tier_seq: 0,
            tier_warned: None,
            referred: false,
            moved_to: None,
            role: None,
            shared: false,
        }
    }

    /// When the tier next changes, or credits stop to count, without any activity.
    pub fn tier_due(&self, program: &Program) -> Time {
        self.tier.due(&program.ladder, local_date(program.time_zone, self.open_time), program.time_zone)
    }

    /// From when on activities go on from where the wallet stands among its tiers.
    pub fn tier_goes_on(&self, program: &Program) -> Time {
        let day = start_of_day(program.time_zone, self.tier.day);
        if self.tier_seq == 0 { day } else { day.max(self.tier.since) }
    }

    /// True if credits of the moment `at` have left the window by `now`.
    pub fn dropped_by(&self, program: &Program, at: Time, now: Time) -> bool {
        let local = |at| local_date(program.time_zone, at);
        let drops = program.ladder.policy.window.drop_day(local(self.open_time), local(at));
        drops.is_some_and(|day| day <= local(now))
    }

    /// When points next expire.
    pub fn next_expire(&self) -> Time {
        self.lives_until(self.first_expire)
    }

    /// When points expire that would expire at `expire_time` if nothing kept them alive.
    pub fn lives_until(&self, expire_time: Time) -> Time {
        expire_time.max(self.alive_until)
    }
}

/// Totals of a wallet's accounts, in points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Member account.
    pub pending: i64,
    /// Member account; never negative.
    pub available: i64,
    /// Member account.
    pub held: i64,
    /// Member account: what is owed.
    pub arrears: i64,
    /// The wallet's part of the program account.
    pub issued: i64,
    /// The wallet's part of the program account.
    pub reversed: i64,
    /// The wallet's part of the program account.
    pub redeemed: i64,
    /// The wallet's part of the program account.
    pub expired: i64,
    /// The wallet's part of the program account; negative if more was taken than given.
    pub adjusted: i64,
    /// The wallet's part of the program account.
    pub waived: i64,
    /// The wallet's part of the program account: received from other wallets less given to them.
    pub transferred: i64,
}

impl Totals {
    /// The total of one account.
    pub fn of(&self, account: Account) -> i64 {
        match account {
            Account::Pending => self.pending,
            Account::Available => self.available,
            Account::Held => self.held,
            Account::Arrears => self.arrears,
            Account::Issued => self.issued,
            Account::Reversed => self.reversed,
            Account::Redeemed => self.redeemed,
            Account::Expired => self.expired,
            Account::Adjusted => self.adjusted,
            Account::Waived => self.waived,
            Account::Transfer => self.transferred,
        }
    }

    fn of_mut(&mut self, account: Account) -> &mut i64 {
        match account {
            Account::Pending => &mut self.pending,
            Account::Available => &mut self.available,
            Account::Held => &mut self.held,
            Account::Arrears => &mut self.arrears,
            Account::Issued => &mut self.issued,
            Account::Reversed => &mut self.reversed,
            Account::Redeemed => &mut self.redeemed,
            Account::Expired => &mut self.expired,
            Account::Adjusted => &mut self.adjusted,
            Account::Waived => &mut self.waived,
            Account::Transfer => &mut self.transferred,
        }
    }

    /// Moves points between two accounts.
    ///
    /// # Errors
    /// `AmountOverflow` if a total does not fit.
    pub fn post(&mut self, debit: Account, credit: Account, points: i64) -> Result<(), Refusal> {
        for (account, grows) in [(debit, debit.grows_by_debit()), (credit, !credit.grows_by_debit())] {
            let total = self.of_mut(account);
            let moved = if grows { total.checked_add(points) } else { total.checked_sub(points) };
            *total = moved.ok_or(Refusal::AmountOverflow)?;
        }
        Ok(())
    }
}
