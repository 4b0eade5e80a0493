//! What a member did.

use std::collections::BTreeMap;
use std::ops::Range;

use ambient::Time;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rules::{Counter, Facts, LineItem, MemberFacts, Room, room_under};
use super::{Money, Points, Program, local_date};

/// Kinds of activities. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(i32)]
pub enum ActivityKind {
    /// Bought something; the only kind whose amount counts for tiers.
    Purchase = 1,
    /// Came by.
    Visit = 2,
    /// Wrote a review.
    Review = 3,
    /// Answered a survey.
    SurveyCompleted = 4,
    /// Checked in at a place.
    CheckIn = 5,
    /// Anything else.
    Custom = 6,
    /// Brought a friend, or was brought by one.
    Referral = 7,
    /// Had a birthday.
    Birthday = 8,
}

impl ActivityKind {
    /// The kind with this stored number.
    pub fn from_number(number: i32) -> Option<ActivityKind> {
        use ActivityKind::{Birthday, CheckIn, Custom, Purchase, Referral, Review, SurveyCompleted, Visit};
        [Purchase, Visit, Review, SurveyCompleted, CheckIn, Custom, Referral, Birthday]
            .into_iter()
            .find(|k| *k as i32 == number)
    }
}

impl ActivityKind {
    /// The name that rules know it by.
    pub fn name(self) -> &'static str {
        match self {
            ActivityKind::Purchase => "PURCHASE",
            ActivityKind::Visit => "VISIT",
            ActivityKind::Review => "REVIEW",
            ActivityKind::SurveyCompleted => "SURVEY_COMPLETED",
            ActivityKind::CheckIn => "CHECK_IN",
            ActivityKind::Custom => "CUSTOM",
            ActivityKind::Referral => "REFERRAL",
            ActivityKind::Birthday => "BIRTHDAY",
        }
    }

    /// How much of what was paid earns points and counts for tiers.
    pub fn spend_micros(self, amount_micros: i64) -> i64 {
        match self {
            ActivityKind::Purchase => amount_micros,
            ActivityKind::Visit
            | ActivityKind::Review
            | ActivityKind::SurveyCompleted
            | ActivityKind::CheckIn
            | ActivityKind::Custom
            | ActivityKind::Referral
            | ActivityKind::Birthday => 0,
        }
    }
}

/// What became of an activity. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ActivityState {
    /// It counts whole.
    Recorded = 1,
    /// A part of it was taken back.
    PartlyReversed = 2,
    /// All of it was taken back.
    Reversed = 3,
    /// It was cancelled while its points were pending.
    Cancelled = 4,
}

impl ActivityState {
    /// The state with this stored number.
    pub fn from_number(number: i32) -> Option<ActivityState> {
        use ActivityState::{Cancelled, PartlyReversed, Recorded, Reversed};
        [Recorded, PartlyReversed, Reversed, Cancelled].into_iter().find(|state| *state as i32 == number)
    }
}

/// How a command names an activity of the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivityRef {
    /// By its id.
    Id(Uuid),
    /// By the caller's own key.
    External(String),
}

/// One activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// UUIDv7, given with the command.
    pub id: Uuid,
    /// Who did it.
    pub member_id: Uuid,
    /// What kind.
    pub kind: ActivityKind,
    /// When it happened.
    pub occurred_time: Time,
    /// What was paid.
    pub amount: Option<Money>,
    /// The caller's own key; empty if none.
    pub external_id: String,
    /// What it earned, by purse; nothing of purses in which it earned nothing.
    pub earned: Vec<Earning>,
    /// Credits that it was granted and that were not taken back; they count where credits count for tiers.
    pub credits: i64,
    /// What became of it.
    pub state: ActivityState,
    /// What was given back of the amount so far, in millionths of the currency's unit.
    pub returned_micros: i64,
    /// What was waived of returns because it was gone, in the order of these: points that come back pay it.
    pub outstanding: Vec<Outstanding>,
    /// What else is known of it.
    pub detail: Detail,
    /// What its points were granted by.
    pub pinned: Pinned,
}

/// What an activity earned in one purse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earning {
    /// Which purse.
    pub purse: u32,
    /// Points it earned; positive.
    pub points: i64,
    /// Points of it that were owed back so far.
    pub reversed: i64,
    /// Points of it that expired in wallets that it was in before.
    pub expired_before: i64,
    /// The lots it opened: the number of the first, and how many; their numbers follow each other. None once
    /// it is in another wallet: lots there that continue these know their activity.
    pub lots: (i64, i64),
}

/// Points that a return owed when they were spent or on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Of which purse.
    pub purse: u32,
    /// When it was returned. Redemptions that were made later took other points.
    pub since: Time,
    /// How many; positive.
    pub points: i64,
}

/// What else is known of an activity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// What was bought.
    pub lines: Vec<Line>,
    /// Where; may be empty.
    pub location: String,
    /// Whatever the caller told.
    pub attributes: BTreeMap<String, String>,
}

/// One line of a purchase, and how much of it was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// As it was bought.
    pub item: LineItem,
    /// How many were given back so far.
    pub returned: i64,
}

/// What points were granted by: with it, grants can be evaluated again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pinned {
    /// The version of the rule set; 0 if none held.
    pub rule_version: i64,
    /// The tier at that moment.
    pub tier_rank: u32,
    /// How much the caps left.
    pub room: Room,
    /// Who the member was at that moment, if a rule asks.
    pub member: Option<Box<MemberFacts>>,
}

impl Line {
    /// True if all of it was given back.
    pub fn is_returned(&self) -> bool {
        self.returned >= self.item.quantity
    }

    /// What it costs if so many are given back, in millionths of the currency's unit, rounded down.
    fn left_micros(&self, returned: i64) -> i64 {
        let kept = i128::from(self.item.quantity.saturating_sub(returned));
        let product = i128::from(self.item.amount_micros).saturating_mul(kept);
        let share = product.checked_div_euclid(i128::from(self.item.quantity)).unwrap_or(0);
        i64::try_from(share).unwrap_or(0)
    }

    /// What giving back so many more of it gives back of the amount, in millionths of the currency's unit.
    pub fn share_micros(&self, more: i64) -> i64 {
        let after = self.left_micros(self.returned.saturating_add(more));
        self.left_micros(self.returned).saturating_sub(after)
    }
}

impl Earning {
    /// Points that may yet be owed back, whatever is given back.
    pub fn owed_max(&self) -> i64 {
        self.points.saturating_sub(self.reversed).max(0)
    }

    /// The numbers of its lots.
    pub fn lot_numbers(&self) -> Range<i64> {
        let (first, count) = self.lots;
        first..first.saturating_add(count)
    }
}

impl Activity {
    /// What it earned in one purse.
    pub fn earning(&self, purse: u32) -> Earning {
        let found = self.earned.iter().find(|earning| earning.purse == purse);
        found.copied().unwrap_or(Earning { purse, ..Earning::default() })
    }

    /// What it earned of the program's main currency.
    pub fn main(&self) -> Earning {
        self.earning(0)
    }

    /// What it earned of further currencies.
    pub fn further(&self) -> Vec<Earning> {
        self.earned.iter().filter(|earning| earning.purse > 0).copied().collect()
    }

    /// Points of one purse that were waived and are taken of what comes back.
    pub fn points_outstanding(&self, purse: u32) -> i64 {
        let of_purse = self.outstanding.iter().filter(|of| of.purse == purse);
        of_purse.fold(0, |sum, of| sum.saturating_add(of.points))
    }

    /// The numbers of the lots that it opened.
    pub fn lot_numbers(&self) -> impl Iterator<Item = i64> + use<'_> {
        self.earned.iter().flat_map(Earning::lot_numbers)
    }

    /// As it was before anything was given back.
    pub fn as_recorded(&self) -> Activity {
        let lines = self.detail.lines.iter().map(|line| Line { item: line.item.clone(), returned: 0 });
        let detail = Detail { lines: lines.collect(), ..self.detail.clone() };
        let state = ActivityState::Recorded;
        let earned = self.earned.iter().map(|earning| Earning { reversed: 0, ..*earning }).collect();
        Activity { detail, state, earned, returned_micros: 0, outstanding: Vec::new(), ..self.clone() }
    }

    /// The counters that the whole of it, or what is left, may count under.
    pub fn counters(&self, program: &Program) -> Vec<Counter> {
        let set = program.rule_set(self.pinned.rule_version);
        let of_set = set.map(|set| set.rules.counters(self.occurred_time)).unwrap_or_default();
        of_set.into_keys().filter(|counter| room_under(&self.pinned.room, counter).is_some()).collect()
    }

    /// Points that it still holds, by purse: those that were not taken back, and its credits.
    pub fn held(&self, program: &Program) -> Points {
        let earned = self.earned.iter().map(|of| (of.purse, of.points.saturating_sub(of.reversed)));
        earned.chain(program.qualifying().map(|purse| (purse, self.credits))).collect()
    }

    /// What rules see of what is left of it.
    pub fn facts<'a>(&'a self, program: &'a Program) -> Facts<'a> {
        let (ladder, day) = (&program.ladder, local_date(program.time_zone, self.occurred_time));
        let lines = &self.detail.lines;
        let left: Vec<i64> = lines.iter().map(|line| line.left_micros(line.returned)).collect();
        let of_items =
            lines.iter().zip(&left).map(|(line, left)| line.item.amount_micros.saturating_sub(*left));
        let itemised = of_items.fold(0_i64, i64::saturating_add);
        // What was given back without naming items is spread over all of them.
        let before = self.amount.map_or(0, |amount| amount.micros.saturating_sub(itemised));
        let after = self.residual_micros();
        let kept = lines.iter().zip(left).filter(|(line, _)| !line.is_returned());
        let items = kept.map(|(line, left)| LineItem {
            quantity: line.item.quantity.saturating_sub(line.returned),
            amount_micros: if after == before { left } else { spread(left, after, before) },
            ..line.item.clone()
        });
        Facts {
            kind: self.kind,
            at: self.occurred_time,
            amount_micros: after,
            items: items.collect(),
            external_id: &self.external_id,
            location: &self.detail.location,
            attributes: &self.detail.attributes,
            tier_id: ladder.tier_id(self.pinned.tier_rank),
            tier_rank: self.pinned.tier_rank,
            earn_percent: ladder.earn_percent(day, self.pinned.tier_rank),
            member: self.pinned.member.as_deref(),
        }
    }

    /// True if all of it or a part of it was given back.
    pub fn is_taken_back(&self) -> bool {
        self.state != ActivityState::Recorded
    }

    /// Units of its line items that were not given back: none of an activity that was taken back as a whole.
    pub fn units_left(&self) -> i64 {
        let left = self.detail.lines.iter().map(|line| line.item.quantity.saturating_sub(line.returned));
        match self.state {
            ActivityState::Recorded | ActivityState::PartlyReversed => left.fold(0, i64::saturating_add),
            ActivityState::Reversed | ActivityState::Cancelled => 0,
        }
    }

    /// What was paid and not given back, in millionths of the currency's unit.
    pub fn residual_micros(&self) -> i64 {
        self.amount.map_or(0, |amount| amount.micros.saturating_sub(self.returned_micros))
    }
}

fn spread(amount: i64, after: i64, before: i64) -> i64 {
    let product = i128::from(amount).saturating_mul(i128::from(after.max(0)));
    let share = product.checked_div_euclid(i128::from(before.max(1))).unwrap_or(0);
    i64::try_from(share).unwrap_or(i64::MAX)
}
