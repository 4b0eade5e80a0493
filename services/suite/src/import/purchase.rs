//! One purchase, and the request that it becomes: the same row always makes the same request.

use ambient::Time;
use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;
use uuid::Uuid;

/// Namespace of the namespaces that programs have.
const PROGRAMS: Uuid = Uuid::from_u128(0x2b6f_07a3_8a4c_5d0e_8a55_31c9_7be2_40fa);

/// A purchase as its row has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Purchase {
    /// Where the row stands in its file, from 1.
    pub(crate) line: u64,
    /// The caller's own number of it.
    pub(crate) id: String,
    /// The caller's own key of who bought.
    pub(crate) member: String,
    /// When.
    pub(crate) occurred: Time,
    /// What was paid.
    pub(crate) amount: Money,
}

/// The program that purchases go to, and the request ids that follow from it.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) id: String,
    namespace: Uuid,
}

impl Program {
    pub(crate) fn new(id: impl Into<String>) -> Program {
        let id = id.into();
        let namespace = Uuid::new_v5(&PROGRAMS, id.as_bytes());
        Program { id, namespace }
    }

    /// The request that records the purchase of a member.
    pub(crate) fn record(&self, purchase: &Purchase, member_id: &str) -> pb::RecordActivityRequest {
        let (seconds, nanos) = purchase.occurred.parts();
        pb::RecordActivityRequest {
            request_id: Uuid::new_v5(&self.namespace, purchase.id.as_bytes()).to_string(),
            member_id: member_id.to_owned(),
            activity: Some(pb::Activity {
                r#type: pb::ActivityType::Purchase.into(),
                occurred_time: Some(prost_types::Timestamp { seconds, nanos }),
                amount: Some(purchase.amount.clone()),
                external_id: purchase.id.clone(),
                ..pb::Activity::default()
            }),
        }
    }

    /// The request that enrols who bought.
    pub(crate) fn enrol(&self, external_id: &str) -> pb::EnrollMemberRequest {
        let name = format!("member/{external_id}");
        pb::EnrollMemberRequest {
            request_id: Uuid::new_v5(&self.namespace, name.as_bytes()).to_string(),
            program_id: self.id.clone(),
            external_id: external_id.to_owned(),
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_repeat_and_differ_by_program_and_id() {
        let purchase = Purchase {
            line: 2,
            id: "31198515072".into(),
            member: "1419".into(),
            occurred: Time::from_micros(1_483_277_983_000_000),
            amount: Money { currency_code: "USD".into(), units: 2, nanos: 290_000_000 },
        };
        let request = Program::new("shop").record(&purchase, "m");
        // Pinned: another id would import every purchase of the past a second time.
        assert_eq!(request.request_id, "843d72ef-7889-57f8-a5c6-71c1a8a94114");
        let later = Purchase { line: 900, ..purchase.clone() };
        assert_eq!(request, Program::new("shop").record(&later, "m"));
        assert_ne!(request.request_id, Program::new("cafe").record(&purchase, "m").request_id);
        let other = Purchase { id: "31198515073".into(), ..purchase };
        assert_ne!(request.request_id, Program::new("shop").record(&other, "m").request_id);
    }
}
