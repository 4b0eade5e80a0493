//! The wallet: its purses, where it stands among the tiers, and the numbers that its rows are counted with.

use ambient::Time;
use uuid::Uuid;

use super::{HouseholdRole, MemberState, Program, Purse, Standing, local_date, start_of_day};
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
    /// When pending points are next released.
    pub next_release: Time,
    /// When the first of its open holds ends by itself.
    pub next_hold: Time,
    /// When something next falls due: points are released or expire, a hold or the tier ends, or credits stop
    /// to count.
    pub next_due: Time,
    /// Expiries up to this moment were announced.
    pub warned_until: Time,
    /// Number of the last lot that was there, and held what it holds, when expiries were last announced;
    /// negative if that is not known.
    pub warned_lot: i64,
    /// When its owner is next to be warned of expiries, or of the end of the tier.
    pub next_warn: Time,
    /// What it holds of each currency: first of the program's main one, which is always there, then of the
    /// further ones as far as it ever held any.
    pub purses: Vec<Purse>,
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
            next_release: Time::NEVER,
            next_hold: Time::NEVER,
            next_due: Time::NEVER,
            warned_until: Time::from_micros(0),
            warned_lot: 0,
            next_warn: Time::NEVER,
            purses: vec![Purse::EMPTY],
            posting_seq: 0,
            lot_seq: 0,
            event_seq: 1,
            order_key,
            state: MemberState::Active,
            open_time: now,
            tier: Standing::opened(&program.ladder, now, program.time_zone),
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

    /// What it holds of the program's main currency.
    pub fn main(&self) -> &Purse {
        self.purse(0)
    }

    /// What it holds of one currency.
    pub fn purse(&self, number: u32) -> &Purse {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        self.purses.get(place).unwrap_or(&Purse::EMPTY)
    }

    pub(super) fn purse_mut(&mut self, number: u32) -> &mut Purse {
        let place = usize::try_from(number).expect("programs have few currencies");
        if self.purses.len() <= place {
            self.purses.resize(place.saturating_add(1), Purse::EMPTY);
        }
        &mut self.purses[place]
    }

    /// Its purses with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &Purse)> {
        (0..).zip(&self.purses)
    }

    /// When points of any currency next expire.
    pub fn next_expire(&self) -> Time {
        self.purses.iter().map(Purse::next_expire).min().unwrap_or(Time::NEVER)
    }
}
