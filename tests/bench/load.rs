//! Callers in a closed loop: each asks again as soon as it is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use harness::calls::{self, purchase, redemption};
use proto::rapport::event::v1 as event;
use proto::rapport::event::v1::event_log_service_client::EventLogServiceClient;
use proto::rapport::feedback::v1 as feedback;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::notification::v1::ListInboxRequest;
use proto::rapport::notification::v1::inbox_service_client::InboxServiceClient;
use tonic::transport::Channel;

use crate::report::Measured;

/// Callers of one server.
pub(crate) struct Load {
    channel: Channel,
    pub(crate) members: Arc<Vec<String>>,
}

/// One of 20 rules: every fourth with a cap, half of them true of a purchase of 3 USD.
fn rule_of(n: i64) -> pb::Rule {
    let condition = match n % 4 {
        0 => format!("activity.amount > {n}.5 && tier.rank >= 1"),
        1 => format!("activity.type == 'PURCHASE' && activity.external_id != 'order-{n}'"),
        2 => format!("activity.location.startsWith('shop-{n}')"),
        _ => format!("!has(activity.attributes.channel) || activity.attributes.channel == 'app-{n}'"),
    };
    let cap = pb::Cap { points_max: 1_000_000, period: pb::CapPeriod::Day.into(), ..Default::default() };
    pb::Rule {
        rule_id: format!("rule-{n}"),
        condition,
        effect: Some(pb::rule::Effect::FixedPoints(n + 1)),
        caps: if n % 4 == 1 { vec![cap] } else { Vec::new() },
        ..Default::default()
    }
}

impl Load {
    /// Creates a program, a reward and members with points to spend.
    pub(crate) async fn prepare(target: &str, members: usize) -> Load {
        let client = harness::house::client(target).await;
        calls::create_program(&client).await;
        calls::create_reward(&client, "sticker", 1, None).await;
        let mut enrolled = Vec::with_capacity(members);
        let names: Vec<String> = (0..members).map(|i| format!("member-{i}")).collect();
        for some in names.chunks(64) {
            let some = join_all(some.iter().map(|name| calls::enroll(&client, name))).await;
            join_all(some.iter().map(|member| calls::record(&client, purchase(member, 100_000)))).await;
            enrolled.extend(some);
        }
        Load { channel: channel(target).await, members: Arc::new(enrolled) }
    }

    /// Creates another program, whose purchases are asked about by 20 rules, and members.
    pub(crate) async fn under_rules(target: &str, members: usize) -> Load {
        const RULED: &str = "ruled";
        let client = harness::house::client(target).await;
        calls::create_program_like(&client, calls::program(RULED)).await;
        let rules = (0..20).map(rule_of).collect();
        let set = pb::RuleSet { program_id: RULED.into(), rules, ..Default::default() };
        let create = pb::CreateRuleSetRequest { request_id: calls::request_id(), rule_set: Some(set) };
        let mut rules = pb::rule_service_client::RuleServiceClient::new(client.clone());
        let created = rules.create_rule_set(create).await.expect("rules").into_inner();
        let version = created.rule_set.expect("a rule set").version;
        let request_id = calls::request_id();
        let activate =
            pb::ActivateRuleSetRequest { request_id, program_id: RULED.into(), version, start_time: None };
        rules.activate_rule_set(activate).await.expect("they hold");
        let names: Vec<String> = (0..members).map(|i| format!("member-{i}")).collect();
        let mut enrolled = Vec::with_capacity(members);
        for some in names.chunks(64) {
            enrolled.extend(join_all(some.iter().map(|name| calls::enroll_in(&client, RULED, name))).await);
        }
        Load { channel: channel(target).await, members: Arc::new(enrolled) }
    }

    /// Callers of one member of [`Load::prepare`]'s program, who has so many open lots of two points.
    pub(crate) async fn laden(target: &str, lots: usize) -> Load {
        let client = harness::house::client(target).await;
        let member = calls::enroll(&client, "laden").await;
        let mut activities = pb::activity_service_client::ActivityServiceClient::new(client);
        for first in (0..lots).step_by(1_000) {
            let requests = (first..lots.min(first + 1_000)).map(|_| purchase(&member, 2)).collect();
            let request = pb::BatchRecordActivitiesRequest { requests, ..Default::default() };
            activities.batch_record_activities(request).await.expect("they are recorded");
        }
        Load { channel: channel(target).await, members: Arc::new(vec![member]) }
    }

    /// Callers of a server that needs no preparation.
    pub(crate) async fn bare(target: &str, members: &Arc<Vec<String>>) -> Load {
        Load { channel: channel(target).await, members: members.clone() }
    }

    pub(crate) async fn earns(&self, callers: usize, time: Duration) -> Measured {
        self.run(callers, time, async |channel, member| {
            let mut client = pb::activity_service_client::ActivityServiceClient::new(channel);
            client.record_activity(purchase(member, 3)).await.map(|_| ())
        })
        .await
    }

    /// From the answer to a redemption until its message can be read in the inbox, one after the other.
    pub(crate) async fn redemptions_told(&self, notification: &str, time: Duration) -> Measured {
        let reader = channel(notification).await;
        let start = Instant::now();
        let mut latencies = Vec::new();
        let mut next = 0;
        while start.elapsed() < time {
            next = (next + 7_919) % self.members.len();
            let member = &self.members[next];
            let before = last_message(&reader, member).await;
            let mut client =
                pb::redemption_service_client::RedemptionServiceClient::new(self.channel.clone());
            client.redeem_reward(redemption(member, "sticker")).await.expect("a redemption");
            let answered = Instant::now();
            let mut beat = tokio::time::interval(Duration::from_millis(1));
            while last_message(&reader, member).await == before {
                beat.tick().await;
            }
            latencies.push(answered.elapsed());
        }
        Measured::of(latencies, start.elapsed())
    }

    /// Events that subscribers lack now, and the age of the oldest in seconds.
    pub(crate) async fn lag(&self) -> (i64, f64) {
        let mut client = EventLogServiceClient::new(self.channel.clone());
        let asked = client.list_subscriptions(event::ListSubscriptionsRequest {}).await;
        let answer = asked.expect("an answer").into_inner();
        let oldest = answer.subscriptions.iter().filter_map(|s| s.oldest_age.as_ref());
        let oldest = oldest.map(|age| age.seconds as f64 + f64::from(age.nanos) / 1e9).fold(0.0, f64::max);
        (answer.pending + answer.subscriptions.iter().map(|s| s.lag).sum::<i64>(), oldest)
    }

    /// Says every five seconds how far the subscribers are.
    pub(crate) async fn watch(&self, time: Duration) {
        let start = Instant::now();
        let mut beat = tokio::time::interval(Duration::from_secs(5));
        beat.tick().await;
        while start.elapsed() + Duration::from_secs(5) <= time {
            beat.tick().await;
            let (lag, oldest) = self.lag().await;
            let at = start.elapsed().as_secs();
            println!("after {at:>2} s: {lag:>7} events behind, the oldest {oldest:.2} s old (bar < 2 s)");
        }
    }

    pub(crate) async fn submits(&self, callers: usize, time: Duration) -> Measured {
        self.run(callers, time, async |channel, member| {
            let value = feedback::answer::Value::Csat(4);
            let feedback = Some(calls::answer(&calls::request_id(), member, value));
            let mut client = feedback::feedback_service_client::FeedbackServiceClient::new(channel);
            client.submit_feedback(feedback::SubmitFeedbackRequest { feedback }).await.map(|_| ())
        })
        .await
    }

    pub(crate) async fn earns_of_one(&self, callers: usize, time: Duration) -> Measured {
        let one = Load { channel: self.channel.clone(), members: Arc::new(vec![self.members[0].clone()]) };
        one.earns(callers, time).await
    }

    pub(crate) async fn redeems(&self, callers: usize, time: Duration) -> Measured {
        self.run(callers, time, async |channel, member| {
            let mut client = pb::redemption_service_client::RedemptionServiceClient::new(channel);
            client.redeem_reward(redemption(member, "sticker")).await.map(|_| ())
        })
        .await
    }

    /// Balances that are cached: all are read once before, for what is older than half a minute is not.
    pub(crate) async fn balances(&self, callers: usize, time: Duration) -> Measured {
        let reads = self.members.chunks(self.members.len().div_ceil(64)).map(async |members| {
            for member in members {
                balance(self.channel.clone(), member).await.expect("a balance");
            }
        });
        join_all(reads).await;
        self.run(callers, time, balance).await
    }

    /// How long a liability report takes: the first one, which sums up what was posted, and another one.
    pub(crate) async fn liability(&self) -> [Duration; 2] {
        let mut reports = pb::report_service_client::ReportServiceClient::new(self.channel.clone());
        let mut took = [Duration::ZERO; 2];
        for took in &mut took {
            let request = pb::GetLiabilityReportRequest {
                program_id: calls::PROGRAM.to_owned(),
                ..pb::GetLiabilityReportRequest::default()
            };
            let start = Instant::now();
            reports.get_liability_report(request).await.expect("a report");
            *took = start.elapsed();
        }
        took
    }

    async fn run(
        &self,
        callers: usize,
        time: Duration,
        call: impl AsyncFn(Channel, &str) -> Result<(), tonic::Status>,
    ) -> Measured {
        let start = Instant::now();
        let until = start + time;
        let loops = (0..callers).map(|caller| {
            let (members, call) = (&self.members, &call);
            async move {
                let mut latencies = Vec::new();
                let mut next = caller;
                loop {
                    let begun = Instant::now();
                    if begun >= until {
                        return latencies;
                    }
                    // A step prime to the number of members visits all of them.
                    next = (next + 7_919) % members.len();
                    call(self.channel.clone(), &members[next]).await.expect("the call succeeds");
                    latencies.push(begun.elapsed());
                }
            }
        });
        let latencies: Vec<Duration> = join_all(loops).await.into_iter().flatten().collect();
        Measured::of(latencies, start.elapsed())
    }
}

async fn balance(channel: Channel, member: &str) -> Result<(), tonic::Status> {
    let mut client = pb::points_service_client::PointsServiceClient::new(channel);
    let request = pb::GetBalanceRequest { member_id: member.to_owned(), ..Default::default() };
    client.get_balance(request).await.map(|_| ())
}

/// The number of the newest message in an inbox.
async fn last_message(notification: &Channel, member: &str) -> i64 {
    let request = ListInboxRequest { recipient_id: member.to_owned(), page_size: 1, ..Default::default() };
    let asked = InboxServiceClient::new(notification.clone()).list_inbox(request).await;
    asked.expect("an inbox").into_inner().messages.first().map_or(0, |message| message.seq)
}

async fn channel(target: &str) -> Channel {
    let endpoint = Channel::from_shared(target.to_owned()).expect("an address").tcp_nodelay(true);
    endpoint.connect().await.expect("the server answers")
}
