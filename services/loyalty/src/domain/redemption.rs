//! Redemptions: points reserved or paid for a reward, and the lots that they came from.
//!
//! `HELD -> CAPTURED -> (partially) refunded`, or `HELD -> VOIDED | EXPIRED`. A redemption keeps where its
//! points came from once and for all, in the order of debits: what is captured is the front of that list,
//! what is given back is its end, and what is refunded the end of what was captured. So totals say which
//! points lie where.

use ambient::Time;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::book::{Book, next};
use super::reward::unit_counter;
use super::rules::{Counter, Period};
use super::{Account, Alive, Money, Program, Reason, Refusal, Source, Supply, Worth};

/// Where a redemption stands. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum RedemptionState {
    /// The points are spent, as far as they were not refunded.
    Captured = 1,
    /// The points are reserved.
    Held = 2,
    /// The points were given back.
    Voided = 3,
    /// Nobody captured the points in time: they were given back.
    Expired = 4,
}

impl RedemptionState {
    /// The state with this stored number.
    pub fn from_number(number: i32) -> Option<RedemptionState> {
        use RedemptionState::{Captured, Expired, Held, Voided};
        [Captured, Held, Voided, Expired].into_iter().find(|state| *state as i32 == number)
    }
}

/// Points given for a reward, or reserved for it.
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
    /// The version of the reward whose price is paid.
    pub reward_version: i64,
    /// Which of the reward's prices; empty: its own.
    pub price_id: String,
    /// What is paid beside the points for all units that were asked for, or is left of the bill.
    pub money: Option<Money>,
    /// The bill that is paid.
    pub amount: Option<Money>,
    /// What points pay of the bill.
    pub worth: Option<Worth>,
    /// How many units were asked for.
    pub quantity: i64,
    /// How many of them were handed out.
    pub quantity_captured: i64,
    /// How units of the reward are counted.
    pub supply: Supply,
    /// Over which period the wallet may have so many of them, if that is limited.
    pub limited: Option<Period>,
    /// The codes that were handed out, one for each unit.
    pub codes: Vec<String>,
    /// The code of the currency of the points.
    pub currency: String,
    /// The number of its purse.
    pub purse: u32,
    /// Points reserved, or paid at once.
    pub points: i64,
    /// Points spent.
    pub captured: i64,
    /// Points of those that were given back.
    pub refunded: i64,
    /// Where the points came from: numbers of lots and points, in the order of debits.
    pub lots: Vec<(i64, i64)>,
    /// The wallet that those lots are in, if the redemption moved with its member.
    pub lots_wallet_id: Option<Uuid>,
    /// The wallets that it has left, as far as points may have lived longer there.
    pub stays: Vec<Stay>,
    /// Where it stands.
    pub state: RedemptionState,
    /// When the hold ends, or ended, by itself.
    pub hold_expire_time: Time,
    /// When it was made.
    pub create_time: Time,
    /// When the points were spent or given back; `NEVER` while they are held.
    pub resolve_time: Time,
    /// Number of its last step.
    pub step_seq: i64,
}

/// How long points live in a wallet that a redemption has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// What kept points from expiring there when it left.
    pub alive: Alive,
    /// When it left.
    pub left: Time,
}

/// What happened to a redemption after, or as, it was made. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum StepKind {
    /// Points were reserved.
    Held = 1,
    /// The hold lasts longer.
    Extended = 2,
    /// Points were spent.
    Captured = 3,
    /// Points were given back.
    Voided = 4,
    /// Points were given back because nobody captured them in time.
    Expired = 5,
    /// Points that were spent were given back.
    Refunded = 6,
}

impl StepKind {
    /// The kind with this stored number.
    pub fn from_number(number: i32) -> Option<StepKind> {
        use StepKind::{Captured, Expired, Extended, Held, Refunded, Voided};
        [Held, Extended, Captured, Voided, Expired, Refunded].into_iter().find(|kind| *kind as i32 == number)
    }
}

/// One step of a redemption: a record that never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The redemption.
    pub redemption_id: Uuid,
    /// Number within the redemption, from 1.
    pub number: i64,
    /// What.
    pub kind: StepKind,
    /// How many points.
    pub points: i64,
    /// How many units.
    pub quantity: i64,
    /// When the hold ends from then on.
    pub hold_expire_time: Time,
    /// Why.
    pub note: String,
    /// When it took effect.
    pub effective_time: Time,
    /// When it was recorded.
    pub create_time: Time,
}

/// How much of a redemption is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Portion {
    /// All that there is.
    Whole,
    /// So many points.
    Points(i64),
    /// So many units at their price.
    Quantity(i64),
}

/// What becomes of points that come back to a lot which expired meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LateRefund {
    /// They expire at once.
    Expire,
    /// They live this many times 24 hours.
    Grace(u32),
}

/// How rewards of a program are redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedemptionPolicy {
    /// The longest hold, in seconds; also that of whoever asks for none.
    pub hold_max_seconds: i64,
    /// What becomes of points that come back late.
    pub late_refund: LateRefund,
}

impl RedemptionPolicy {
    /// A quarter of an hour, and what comes back late expires.
    pub const DEFAULT: RedemptionPolicy =
        RedemptionPolicy { hold_max_seconds: 900, late_refund: LateRefund::Expire };
}

/// Why a redemption is not held, captured, voided or refunded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedemptionRefusal {
    /// The wallet has no such redemption.
    NotFound {
        /// The id given.
        redemption_id: Uuid,
    },
    /// The hold is over.
    Resolved {
        /// Which.
        redemption_id: Uuid,
        /// What became of it.
        state: RedemptionState,
    },
    /// Nothing of it was spent yet that could be refunded.
    NotCaptured {
        /// Which.
        redemption_id: Uuid,
    },
    /// More than what is held.
    CaptureExceedsHold {
        /// Points asked for.
        points: i64,
        /// Points that are held.
        held: i64,
        /// Units asked for.
        quantity: i64,
        /// Units that are held.
        quantity_held: i64,
    },
    /// More than what was spent and not refunded.
    RefundExceedsRedemption {
        /// Points asked for.
        points: i64,
        /// Points that can be refunded.
        left: i64,
    },
    /// Longer than the program allows.
    HoldTooLong {
        /// Asked for.
        seconds: i64,
        /// Allowed.
        max_seconds: i64,
    },
    /// It cannot be held any longer.
    HoldEnds {
        /// Its last end.
        last: Time,
    },
}

impl From<RedemptionRefusal> for Refusal {
    fn from(refusal: RedemptionRefusal) -> Refusal {
        Refusal::Redemption(refusal)
    }
}

impl Redemption {
    /// Points that were spent and not given back.
    pub fn kept(&self) -> i64 {
        self.captured.saturating_sub(self.refunded)
    }

    /// Points of one unit.
    pub(super) fn unit_points(&self) -> i64 {
        self.points.checked_div(self.quantity).unwrap_or(0)
    }

    /// Points that so many of the units which were handed out did cost: those that follow on the units whose
    /// points were given back, so that all units did cost all points.
    pub(super) fn points_of_units(&self, units: i64) -> Result<i64, Refusal> {
        let [captured, quantity] = [self.captured, self.quantity_captured.max(1)].map(i128::from);
        let first = i128::from(self.refunded).saturating_mul(quantity).div_euclid(captured.max(1));
        let up_to = |units: i128| {
            let points = captured.saturating_mul(units);
            points.saturating_add(quantity.saturating_sub(1)).div_euclid(quantity)
        };
        let points = up_to(first.saturating_add(units.into())).saturating_sub(up_to(first));
        i64::try_from(points).map_err(|_| Refusal::AmountOverflow)
    }

    /// How many points are spent if it may be so many, and what is to be paid in money beside them: as few
    /// as pay as much of a bill.
    ///
    /// # Errors
    /// `InsufficientPoints` if they pay nothing of a bill.
    pub(super) fn spent_of(&self, points: i64) -> Result<(i64, Option<Money>), Refusal> {
        match (self.amount, self.worth) {
            (Some(amount), Some(Worth { points: price, rate })) if points < self.points => {
                let share = rate.share(price, amount, points)?;
                if share.points == 0 {
                    let needed = rate.points_for(price, rate.step_micros.min(amount.micros))?;
                    return Err(Refusal::InsufficientPoints { needed, available: points });
                }
                Ok((share.points, Some(share.rest)))
            }
            _ => Ok((points, self.money)),
        }
    }

    /// Where its postings come from.
    pub(super) fn source(&self, note: &str) -> Source {
        Source {
            actor_member_id: self.member_id,
            redemption_id: self.id,
            note: note.to_owned(),
            ..Source::default()
        }
    }

    /// What its units count under; `None` if they are not limited.
    pub fn counter(&self, program: &Program) -> Option<Counter> {
        unit_counter(&self.reward_id, self.limited?, program, self.create_time)
    }

    /// The numbers of the lots of its wallet that points may come back to.
    pub fn own_lots(&self) -> impl Iterator<Item = i64> {
        self.of_own_lots().map(|(number, _)| *number)
    }

    /// The same, each with the points that were taken from it.
    pub(super) fn of_own_lots(&self) -> impl Iterator<Item = &(i64, i64)> {
        let own = self.lots_wallet_id.is_none();
        self.lots.iter().filter(move |_| own)
    }

    /// The lots, by other wallets and their numbers, that points may come back to.
    pub fn other_lots(&self) -> impl Iterator<Item = (Uuid, i64)> {
        let wallet_id = self.lots_wallet_id;
        self.lots.iter().filter_map(move |(number, _)| Some((wallet_id?, *number)))
    }

    /// The lots of the points from one place of its list to another.
    pub(super) fn between(&self, from: i64, to: i64) -> Vec<(i64, i64)> {
        let mut start = 0_i64;
        let part = |(number, points): &(i64, i64)| {
            let end = start.saturating_add(*points);
            let taken = end.min(to).saturating_sub(start.max(from));
            start = end;
            (taken > 0).then_some((*number, taken))
        };
        self.lots.iter().filter_map(part).collect()
    }

    /// The state that steps must find it in.
    ///
    /// # Errors
    /// Why it is over.
    pub(super) fn held(&self) -> Result<(), Refusal> {
        match self.state {
            RedemptionState::Held => Ok(()),
            state => Err(RedemptionRefusal::Resolved { redemption_id: self.id, state }.into()),
        }
    }
}

impl Book<'_> {
    /// The redemption that a command names, as it is now.
    pub(super) fn redemption(&self, id: Uuid) -> Result<Redemption, Refusal> {
        let missing = || RedemptionRefusal::NotFound { redemption_id: id };
        Ok(self.found_redemption(id).cloned().ok_or_else(missing)?)
    }

    /// Remembers a step of a redemption that was made before.
    pub(super) fn step(
        &mut self,
        mut redemption: Redemption,
        kind: StepKind,
        (points, quantity): (i64, i64),
        note: &str,
        effective_time: Time,
    ) -> Result<Redemption, Refusal> {
        self.note_step(&mut redemption, kind, (points, quantity), note, effective_time)?;
        self.out.resolved.insert(redemption.id, redemption.clone());
        // What was captured is no hold: no refund changes which one ends next.
        if kind != StepKind::Refunded {
            self.find_next_hold();
        }
        Ok(redemption)
    }

    /// Adds the record of a step.
    pub(super) fn note_step(
        &mut self,
        redemption: &mut Redemption,
        kind: StepKind,
        (points, quantity): (i64, i64),
        note: &str,
        effective_time: Time,
    ) -> Result<(), Refusal> {
        let number = next(&mut redemption.step_seq)?;
        self.out.steps.push(Step {
            redemption_id: redemption.id,
            number,
            kind,
            points,
            quantity,
            hold_expire_time: redemption.hold_expire_time,
            note: note.to_owned(),
            effective_time,
            create_time: self.now,
        });
        Ok(())
    }

    /// Takes the points of a redemption from lots, and remembers from which.
    pub(super) fn pay(
        &mut self,
        redemption: &mut Redemption,
        (credit, reason): (Account, Reason),
    ) -> Result<(), Refusal> {
        let (purse, points, source) = (redemption.purse, redemption.points, redemption.source(""));
        if points == 0 {
            return Ok(());
        }
        let first = self.out.allocations.len();
        self.debit_lots((purse, credit), points, reason, self.now, source)?;
        let taken = self.out.allocations.iter().skip(first);
        redemption.lots = taken.map(|one| (one.lot_number, one.points)).collect();
        Ok(())
    }

    /// The open holds of the wallet, as far as they are known.
    pub(super) fn open_holds(&self) -> impl Iterator<Item = &Redemption> {
        let untouched = self.before.holds.values().filter(|one| !self.out.resolved.contains_key(&one.id));
        untouched.chain(self.out.resolved.values()).filter(|one| one.state == RedemptionState::Held)
    }

    /// Finds anew when a hold next ends: after one was resolved.
    fn find_next_hold(&mut self) {
        let next = self.open_holds().map(|one| one.hold_expire_time).min();
        self.out.wallet.next_hold = next.unwrap_or(Time::NEVER);
    }

    fn found_redemption(&self, id: Uuid) -> Option<&Redemption> {
        let held = || self.before.holds.iter().find(|((_, of), _)| *of == id).map(|(_, one)| one);
        let named = || self.named_redemption.filter(|one| one.id == id);
        self.out.resolved.get(&id).or_else(held).or_else(named)
    }
}

#[cfg(test)]
mod tests;
