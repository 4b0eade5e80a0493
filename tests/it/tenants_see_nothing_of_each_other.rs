//! Whoever names what belongs to another tenant is told that there is no such thing, by any call, and changes
//! nothing of it.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut};
use futures::TryStreamExt;
use harness::calls::{
    PROGRAM, create_program, create_reward, enroll, purchase, record, redeem, redemption, request_id,
};
use harness::database;
use harness::holds::{held, hold};
use harness::house::House;
use harness::moves::{household, join};
use harness::servers::{Postgres, Redis};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value};
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};

use crate::limits_hold::adjustment;
use crate::rules_say_what_activities_earn::{create, per_dollar, rule_set};

/// Messages as their bytes.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

/// What fields are called, and what they are given.
type Given = BTreeMap<&'static str, Value>;

/// A request that names all that it may name.
fn request(of: &MessageDescriptor, given: &Given) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    for field in of.fields() {
        let taken = field.containing_oneof().is_some_and(|one| one.fields().any(|of| message.has_field(&of)));
        if let Some(value) = value(&field, given).filter(|_| !taken) {
            let value = if field.is_list() { Value::List(vec![value]) } else { value };
            message.set_field(&field, value);
        }
    }
    message
}

fn value(field: &FieldDescriptor, given: &Given) -> Option<Value> {
    let name = field.name();
    match (name, field.kind()) {
        ("request_id", _) => Some(Value::String(request_id())),
        ("update_mask", Kind::Message(of)) => {
            let path = if field.parent_message().name() == "UpdateMemberRequest" {
                "profile"
            } else {
                "display_name"
            };
            let mut mask = DynamicMessage::new(of);
            mask.set_field_by_name("paths", Value::List(vec![Value::String(path.into())]));
            Some(Value::Message(mask))
        }
        (
            "activity" | "activities" | "program" | "rule_set" | "rules" | "reward" | "member" | "requests"
            | "amount",
            Kind::Message(of),
        ) => Some(Value::Message(request(&of, given))),
        ("expiring_before" | "expire_time" | "expired_since", Kind::Message(of)) => {
            let mut moment = DynamicMessage::new(of);
            let seconds = if name == "expired_since" { 1_577_836_800 } else { 4_102_444_800 };
            moment.set_field_by_name("seconds", Value::I64(seconds));
            Some(Value::Message(moment))
        }
        ("currency_code", _) if field.parent_message().name() == "Money" => Some(Value::String("USD".into())),
        ("units", _) if field.parent_message().name() == "Money" => Some(Value::I64(1)),
        (_, Kind::Message(_)) => None,
        _ => given.get(name).cloned(),
    }
}

/// Methods of the service, but for the one that makes a program of this tenant's own.
fn methods() -> Vec<MethodDescriptor> {
    let pool = proto::message_of("rapport.loyalty.v1.Program").expect("it is there").parent_pool().clone();
    let services = pool.services().filter(|service| service.package_name() == "rapport.loyalty.v1");
    let methods: Vec<_> = services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    methods.into_iter().filter(|method| method.name() != "CreateProgram").collect()
}

/// All that a call is answered with.
async fn called(client: &Client, method: &MethodDescriptor, given: &Given) -> Result<Vec<u8>, Status> {
    let body = request(&method.input(), given).encode_to_vec();
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = path.parse().expect("a path");
    let mut grpc = tonic::client::Grpc::new(client.clone());
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    match (method.is_client_streaming(), method.is_server_streaming()) {
        (true, _) => {
            let pieces = tokio_stream::once(body);
            Ok(grpc.client_streaming(Request::new(pieces), path, Raw).await?.into_inner())
        }
        (_, true) => {
            let answer = grpc.server_streaming(Request::new(body), path, Raw).await?.into_inner();
            Ok(answer.try_collect::<Vec<_>>().await?.concat())
        }
        _ => Ok(grpc.unary(Request::new(body), path, Raw).await?.into_inner()),
    }
}

async fn seed(client: &Client) -> Given {
    create_program(client).await;
    create_reward(client, "mug", 10, Some(100)).await;
    create(client, rule_set(vec![per_dollar("base", 1)])).await.unwrap();
    let (anna, ben) = (enroll(client, "Marker anna").await, enroll(client, "Marker ben").await);
    let home = household(client, PROGRAM).await;
    join(client, &home, &ben, pb::HouseholdRole::Redeemer).await.unwrap();
    let mut bought = purchase(&anna, 500);
    bought.activity.as_mut().unwrap().external_id = "Marker order".into();
    let activity = record(client, bought).await.unwrap().activity.unwrap();
    redeem(client, redemption(&anna, "mug")).await.unwrap();
    let hold = held(client, hold(&anna, "mug", 600)).await.unwrap().redemption.unwrap();
    let review = pb::AdjustPointsRequest { for_review: true, ..adjustment(&anna, 100) };
    let review_id = review.request_id.clone();
    let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
    points.adjust_points(review).await.unwrap_err();
    let text = |text: &str| Value::String(text.to_owned());
    BTreeMap::from([
        ("program_id", text(PROGRAM)),
        ("member_id", text(&anna)),
        ("to_member_id", text(&ben)),
        ("into_member_id", text(&ben)),
        ("household_id", text(&home)),
        ("external_id", text("Marker anna")),
        ("activity_id", text(&activity.activity_id)),
        ("redemption_id", text(&hold.redemption_id)),
        ("review_id", text(&review_id)),
        ("reward_id", text("mug")),
        ("rule_id", text("x")),
        ("display_name", text("x")),
        ("reason", text("x")),
        ("approver", text("x")),
        ("month", text("2024-01")),
        ("codes", text("x")),
        ("points", Value::I64(1)),
        ("fixed_points", Value::I64(1)),
        ("price_points", Value::I64(1)),
        ("units", Value::I64(1)),
        ("hold_seconds", Value::I64(60)),
        ("version", Value::I64(2)),
        ("whole", Value::Bool(true)),
        ("unlimited", Value::Bool(true)),
        ("type", Value::EnumNumber(pb::ActivityType::Visit.into())),
        ("role", Value::EnumNumber(pb::HouseholdRole::Redeemer.into())),
    ])
}

/// Everything of a database, but for events, which go on by themselves.
const TABLES: &str = "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' \
     AND column_name = 'tenant_id' AND table_name NOT LIKE 'event%'";

async fn give(house: &House, (from, to): (&str, &str)) {
    let sql = format!(
        "DO $$ DECLARE t text; BEGIN FOR t IN {TABLES} LOOP EXECUTE format( \
         'UPDATE %I SET tenant_id = ''{to}'' WHERE tenant_id = ''{from}''', t); END LOOP; END $$"
    );
    database::execute(house.db(), &sql).await;
}

/// A sum of all that a tenant has.
async fn sum(house: &House, tenant: &str) -> i64 {
    let each = "SELECT (xpath('/row/n/text()', query_to_xml(format('SELECT \
         COALESCE(SUM(hashtext(t::text)::bigint), 0) AS n FROM %I t WHERE tenant_id = ''TENANT''', \
         table_name), false, true, '')))[1]::text::bigint AS n";
    let each = each.replace("TENANT", tenant);
    house.count(&format!("SELECT CAST(SUM(n) AS BIGINT) AS n FROM ({each} FROM ({TABLES}) names) sums")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_with_the_ids_of_another_tenant() {
    let mut redis = Redis::private();
    let url = Postgres::start().fresh_database().await;
    let house = House::process_on(&url, redis.url()).await;
    let given = seed(&house.client()).await;
    house.end().await;
    redis.flush();

    let house = House::process_on(&url, redis.url()).await;
    give(&house, ("default", "theirs")).await;
    let before = sum(&house, "theirs").await;
    assert_ne!(before, 0);
    for method in methods() {
        match (method.name(), called(&house.client(), &method, &given).await) {
            (_, Err(status)) => assert_eq!(status.code(), Code::NotFound, "{}: {status:?}", method.name()),
            (name, Ok(answer)) => {
                let answer = String::from_utf8_lossy(&answer);
                let is_batch = name.starts_with("Batch") && answer.contains("NOT_FOUND");
                let is_empty = ["ListPrograms", "AuditLedger"].contains(&name) && !answer.contains(PROGRAM);
                assert!((is_batch || is_empty) && !answer.contains("Marker"), "{name}: {answer}");
            }
        }
    }
    assert_eq!(sum(&house, "theirs").await, before, "nothing of theirs has changed");
    house.end().await;
    redis.flush();

    // The same calls of their own tenant are well-formed.
    let house = House::process_on(&url, redis.url()).await;
    give(&house, ("theirs", "default")).await;
    for method in methods() {
        if let Err(status) = called(&house.client(), &method, &given).await {
            let is_wrong =
                [Code::InvalidArgument, Code::Unimplemented, Code::Internal].contains(&status.code());
            assert!(!is_wrong, "{}: {status:?}", method.name());
        }
    }
    house.end().await;
}
