//! Everything that a batch of decisions writes, gathered by table and written with one statement each.

use std::collections::BTreeMap;

use ambient::Time;
use chrono::NaiveDate;
use db::sea_orm::ConnectionTrait;
use db::{Owner, Tx, Writes};
use requests::Record;
use uuid::Uuid;

use super::counters::Counters;
use super::entity::{
    activity, allocation, lot, posting, redemption, redemption_step, tier_change, tier_credit, tier_history,
};
use super::moves::Move;
use super::{
    activities, lots, members, moves, postings, redemptions, referrals, reviews, rewards, tier_changes,
    tiers, wallets,
};
use crate::domain::{
    Event, HandedOver, Lot, MemberState, MoveMember, Outcome, Referred, Review, TierRow, Wallet,
};

/// What steps change of a redemption.
const REDEMPTION_CHANGES: [redemption::Column; 8] = [
    redemption::Column::Detail,
    redemption::Column::State,
    redemption::Column::PointsCaptured,
    redemption::Column::PointsRefunded,
    redemption::Column::QuantityCaptured,
    redemption::Column::HoldExpireTime,
    redemption::Column::ResolveTime,
    redemption::Column::StepSeq,
];

/// Rows of a batch.
#[derive(Debug, Default)]
pub struct Changes {
    wallets: BTreeMap<Owner, Wallet>,
    opened: BTreeMap<(Owner, i64), Lot>,
    changed: BTreeMap<(Owner, i64), Lot>,
    postings: Vec<posting::Model>,
    allocations: Vec<allocation::Model>,
    recorded: BTreeMap<(Owner, Uuid), activity::Model>,
    changed_activities: BTreeMap<(Owner, Uuid), activity::Model>,
    credits: BTreeMap<(Owner, NaiveDate), i64>,
    tiers: BTreeMap<(Owner, i64), TierRow>,
    superseded: BTreeMap<(Owner, i64), TierRow>,
    redemptions: Vec<redemption::Model>,
    resolved: BTreeMap<(Owner, Uuid), redemption::Model>,
    steps: Vec<redemption_step::Model>,
    tier_changes: Vec<tier_change::Model>,
    stock: BTreeMap<rewards::Key, rewards::Taken>,
    counters: Counters,
    states: BTreeMap<Owner, (MemberState, Time)>,
    referred: Vec<(Owner, Referred)>,
    roles: moves::Roles,
    moves: Vec<Move>,
    parked: Vec<(Owner, Review)>,
    reviewed: Vec<(Owner, Review)>,
    events: Vec<events::Event>,
    records: Vec<(Owner, Record)>,
}

impl Changes {
    /// Adds what one command changed of a wallet as it was before.
    pub fn add(&mut self, owner: &Owner, request_id: Uuid, before: &Wallet, outcome: &Outcome) {
        let now = outcome.wallet.now;
        self.wallets.insert(owner.clone(), outcome.wallet.clone());
        for (number, lot) in &outcome.lots {
            let place = (owner.clone(), *number);
            if *number > before.lot_seq || self.opened.contains_key(&place) {
                self.opened.insert(place, lot.clone());
            } else {
                self.changed.insert(place, lot.clone());
            }
        }
        self.postings.extend(outcome.postings.iter().map(|p| postings::row(owner, request_id, p)));
        self.allocations.extend(outcome.allocations.iter().map(|a| postings::allocation_row(owner, a)));
        if let Some(activity) = &outcome.recorded {
            self.recorded.insert((owner.clone(), activity.id), activities::row(owner, activity, now));
        }
        for (id, activity) in &outcome.changed {
            let place = (owner.clone(), *id);
            let row = activities::row(owner, activity, now);
            match self.recorded.get_mut(&place) {
                Some(new) => *new = activity::Model { create_time: new.create_time, ..row },
                None => drop(self.changed_activities.insert(place, row)),
            }
        }
        self.redemptions.extend(outcome.redemption.iter().map(|r| redemptions::row(owner, r)));
        let resolved = outcome.resolved.values().map(|r| ((owner.clone(), r.id), redemptions::row(owner, r)));
        self.resolved.extend(resolved);
        self.steps.extend(outcome.steps.iter().map(|step| redemptions::step_row(owner, step)));
        if outcome.wallet.state != before.state {
            self.states.insert(owner.clone(), (outcome.wallet.state, now));
        }
        if outcome.wallet.role != before.role {
            self.roles.insert(owner.clone(), outcome.wallet.role.map_or(0, |role| role as i32));
        }
        if let Some((friend_id, referred)) = outcome.referred {
            self.referred.push((Owner::new(owner.tenant(), friend_id), referred));
        }
        for (day, credits) in &outcome.credits {
            // An overflow is left to the database, which refuses the row.
            let sum = self.credits.entry((owner.clone(), *day)).or_default();
            *sum = sum.saturating_add(*credits);
        }
        for row in &outcome.tier_rows {
            let place = (owner.clone(), row.seq);
            if row.seq > before.tier_seq || self.tiers.contains_key(&place) {
                self.tiers.insert(place, *row);
            } else {
                self.superseded.insert(place, *row);
            }
        }
    }

    /// Adds what a command announced at business time `now`, each with its message.
    pub fn announce(&mut self, owner: &Owner, now: Time, announced: Vec<(&Event, events::Event)>) {
        for (event, message) in announced {
            let place = (message.aggregate_seq, message.order_key);
            self.tier_changes.extend(tier_changes::row(owner, now, place, event));
            self.events.push(message);
        }
    }

    /// Adds what goes from one wallet to another with a member, at business time `now`.
    pub fn move_member(
        &mut self,
        (from, to): (&Owner, &Owner),
        command: &MoveMember,
        rows: HandedOver,
        now: Time,
    ) {
        let (member_id, destination) = (command.member_id, command.to);
        let (from, to) = (from.clone(), to.clone());
        self.moves.push(Move { member_id, from, to, destination, rows, now });
    }

    /// Takes units from a reward's counted stock; gives them back if there are fewer than none.
    pub fn take_stock(&mut self, key: rewards::Key, units: i64) {
        if units != 0 {
            self.stock.entry(key).or_default().units += units;
        }
    }

    /// Hands out the next codes of a reward's pool.
    pub fn hand_out(&mut self, key: rewards::Key, codes: usize) {
        self.stock.entry(key).or_default().codes += i64::try_from(codes).unwrap_or(0);
    }

    /// The counters as the batch leaves them.
    pub fn count(&mut self, counters: Counters) {
        self.counters = counters;
    }

    /// Adds a command that is to wait for a review.
    pub fn park(&mut self, owner: &Owner, review: Review) {
        self.parked.push((owner.clone(), review));
    }

    /// Adds what became of a review of before.
    pub fn review(&mut self, owner: &Owner, review: Review) {
        self.reviewed.push((owner.clone(), review));
    }

    /// Adds the record of a request.
    pub fn record(&mut self, owner: &Owner, record: Record) {
        self.records.push((owner.clone(), record));
    }

    /// Writes everything.
    ///
    /// # Errors
    /// `Constraint` if a request id or activity was recorded meanwhile; otherwise that the database refused.
    pub async fn write(mut self, tx: &Tx) -> Result<(), db::Error> {
        const ADD_CREDITS: &str = "ON CONFLICT (bucket, tenant_id, wallet_id, day) \
             DO UPDATE SET credits = tier_credit.credits + excluded.credits";
        const LOT_CHANGES: [lot::Column; 7] = [
            lot::Column::Remaining,
            lot::Column::Open,
            lot::Column::Pending,
            lot::Column::ActivateTime,
            lot::Column::ExpireTime,
            lot::Column::Expired,
            lot::Column::Returned,
        ];
        const ACTIVITY_CHANGES: [activity::Column; 8] = [
            activity::Column::Earned,
            activity::Column::Credits,
            activity::Column::State,
            activity::Column::PointsReversed,
            activity::Column::Outstanding,
            activity::Column::ReturnedMicros,
            activity::Column::Detail,
            activity::Column::Units,
        ];
        let lot_rows = |lots: BTreeMap<(Owner, i64), Lot>| -> Vec<lot::Model> {
            lots.iter().map(|((owner, _), lot)| lots::row(owner, lot)).collect()
        };
        self.forget_erased();
        let recorded: Vec<_> = self.recorded.into_values().collect();
        let changed: Vec<_> = self.changed_activities.into_values().collect();
        let tier_rows = |rows: BTreeMap<(Owner, i64), TierRow>| -> Vec<tier_history::Model> {
            rows.iter().map(|((owner, _), row)| tiers::row(owner, row)).collect()
        };
        let credits = tiers::credit_rows(self.credits);
        let wallets: Vec<_> = self.wallets.into_iter().collect();
        let mut writes = Writes::new(tx);
        requests::insert_to(&mut writes, self.records)?;
        writes.insert::<activity::Entity>(&recorded)?;
        writes.update::<activity::Entity>(&changed, &ACTIVITY_CHANGES)?;
        writes.insert::<posting::Entity>(&self.postings)?;
        writes.insert::<lot::Entity>(&lot_rows(self.opened))?;
        writes.update::<lot::Entity>(&lot_rows(self.changed), &LOT_CHANGES)?;
        writes.insert::<allocation::Entity>(&self.allocations)?;
        writes.insert::<redemption::Entity>(&self.redemptions)?;
        let resolved: Vec<_> = self.resolved.into_values().collect();
        writes.update::<redemption::Entity>(&resolved, &REDEMPTION_CHANGES)?;
        writes.insert::<redemption_step::Entity>(&self.steps)?;
        writes.upsert::<tier_credit::Entity>(&credits, ADD_CREDITS)?;
        writes.insert::<tier_history::Entity>(&tier_rows(self.tiers))?;
        let superseded = tier_rows(self.superseded);
        writes.update::<tier_history::Entity>(&superseded, &[tier_history::Column::SupersededTime])?;
        writes.insert::<tier_change::Entity>(&self.tier_changes)?;
        self.counters.write(&mut writes)?;
        events::append_to(&mut writes, self.events)?;
        wallets::update(&mut writes, &wallets)?;
        let write = async {
            for (owner, (state, now)) in &self.states {
                members::change_state(tx, owner, *state, *now).await?;
            }
            writes.run(tx).await?;
            referrals::change(tx, self.referred).await?;
            reviews::insert(tx, &self.parked).await?;
            reviews::update(tx, &self.reviewed).await?;
            rewards::take_stock(tx, &self.stock).await?;
            moves::change_roles(tx, &self.roles).await?;
            for one in &self.moves {
                one.write(tx).await?;
            }
            Ok(())
        };
        db::traced(tx.get_database_backend(), "INSERT ledger", write).await
    }

    /// Takes off activities that change with an erasure what is personal: the others are forgotten when it is
    /// written, and none is recorded in the same batch.
    fn forget_erased(&mut self) {
        for ((owner, _), row) in &mut self.changed_activities {
            if self.states.get(owner).is_some_and(|(state, _)| *state == MemberState::Erased) {
                activities::forget(row);
            }
        }
    }

    /// The wallets as they will be.
    pub fn wallets(&self) -> impl Iterator<Item = (&Owner, &Wallet)> {
        self.wallets.iter()
    }

    /// True if there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.wallets.is_empty() && self.records.is_empty() && self.reviewed.is_empty()
    }
}
