//! What a series of activities would do to a wallet, each after the ones before it.

use std::collections::BTreeMap;

use ambient::Time;
use uuid::Uuid;

use super::rules::Counter;
use super::{
    Activity, Command, Context, Decision, Lot, Member, Program, RecordActivity, Refusal, State, Wallet,
    decide,
};

/// A wallet on which nothing is written.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The wallet, with lots as a decision at the last moment of the series needs them, and with its past.
    pub state: State,
    /// Time does not go back behind this moment.
    pub now: Time,
    /// Points counted for caps so far.
    pub used: BTreeMap<Counter, i64>,
    /// Activities by their callers' own keys.
    pub external: BTreeMap<String, Uuid>,
    /// Who does it all.
    pub member: Option<Member>,
    /// The wallet of this member if it shares that of a household.
    pub shares_as: Option<Wallet>,
}

impl Simulation {
    /// A wallet as it stands, with its past.
    pub fn new(state: State, now: Time) -> Simulation {
        let (used, external) = (BTreeMap::new(), BTreeMap::new());
        Simulation { state, now, used, external, member: None, shares_as: None }
    }

    /// Records an activity, at its own moment if that lies ahead. Returns it with the lots that it opened.
    ///
    /// # Errors
    /// Why it would be refused; then it did nothing but let time go on.
    pub fn record(
        &mut self,
        program: &Program,
        command: &RecordActivity,
    ) -> Result<(Activity, Vec<Lot>), Refusal> {
        self.now = self.now.max(self.state.wallet.now).max(command.occurred_time.unwrap_or(self.now));
        let context = Context {
            activity_taken: self.external.get(&command.external_id).copied(),
            used: &self.used,
            member: self.member.as_ref(),
            shares_as: self.shares_as.as_ref(),
            ..Context::of(program)
        };
        let command = Command::RecordActivity(command.clone());
        let Decision { outcome, answer } = decide(&self.state, &command, context, self.now);
        self.state.evolve(&outcome);
        for ((counter, _), points) in outcome.counted {
            let counted = self.used.entry(counter).or_default();
            *counted = counted.saturating_add(points);
        }
        let reply = answer?;
        let activity = reply.activity().expect("what is recorded is told").clone();
        if !activity.external_id.is_empty() {
            self.external.insert(activity.external_id.clone(), activity.id);
        }
        let opened = activity.lot_numbers().filter_map(|number| outcome.lots.get(&number).cloned()).collect();
        Ok((activity, opened))
    }
}
