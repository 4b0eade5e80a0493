//! What a series of activities would do to a wallet, each after the ones before it.

use std::collections::{BTreeMap, HashMap};

use ambient::Time;
use uuid::Uuid;

use super::rules::Counter;
use super::{
    Activity, Command, Context, Decision, Event, Lot, Program, RecordActivity, Refusal, State, decide,
};

/// A wallet on which nothing is written.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The wallet, with lots as a decision at the last moment of the series needs them.
    pub state: State,
    /// Time does not go back behind this moment.
    pub now: Time,
    /// Points counted for caps so far.
    pub used: BTreeMap<Counter, i64>,
    /// The tiers at past moments, each with its beginning.
    pub ranks: HashMap<Time, (Time, u32)>,
    /// Activities by their callers' own keys.
    pub external: BTreeMap<String, Uuid>,
    /// Changes of the tier within the series.
    changes: Vec<(Time, u32)>,
}

impl Simulation {
    /// A wallet as it stands.
    pub fn new(state: State, now: Time) -> Simulation {
        let (used, ranks, external) = (BTreeMap::new(), HashMap::new(), BTreeMap::new());
        Simulation { state, now, used, ranks, external, changes: Vec::new() }
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
        let at = command.occurred_at(self.now);
        let before = self.ranks.get(&at).copied();
        let tier_rank_then = (at < self.now).then(|| program.ladder.rank_then(before, &self.changes, at));
        let context = Context {
            activity_taken: self.external.get(&command.external_id).copied(),
            tier_rank_then,
            used: &self.used,
            ..Context::of(program)
        };
        let command = Command::RecordActivity(command.clone());
        let Decision { outcome, answer } = decide(&self.state, &command, context, self.now);
        self.state.evolve(&outcome);
        for event in &outcome.events {
            if let Event::TierChanged { effective_time, to_rank, .. } = event {
                self.changes.push((*effective_time, *to_rank));
            }
        }
        for (counter, points) in outcome.counted {
            let counted = self.used.entry(counter).or_default();
            *counted = counted.saturating_add(points);
        }
        let reply = answer?;
        let activity = reply.activity().expect("what is recorded is told").clone();
        if !activity.external_id.is_empty() {
            self.external.insert(activity.external_id.clone(), activity.id);
        }
        let (first, count) = activity.lots;
        let numbers = first..first.saturating_add(count);
        let opened = numbers.filter_map(|number| outcome.lots.get(&number).cloned()).collect();
        Ok((activity, opened))
    }
}
