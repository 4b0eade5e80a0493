//! What happens to points is told to the member: once, in the words of the template of that moment.

use ambient::Time;
use harness::calls::{
    create_program, create_reward, enroll, purchase, record, redeem, redemption, request_id, told,
};
use harness::house::{House, START};
use proto::rapport::notification::v1 as pb;
use proto::rapport::notification::v1::inbox_service_client::InboxServiceClient;
use proto::rapport::notification::v1::notification_service_client::NotificationServiceClient;
use proto::rapport::notification::v1::template_service_client::TemplateServiceClient;
use rpc::client::Client;

in_process! {
    a_redemption_and_a_better_tier_are_told_once;
    expiry_is_announced_once_in_a_local_week;
    a_new_template_counts_from_the_next_message_on;
}

const DAY: i64 = 86_400_000_000;

fn day(n: i64) -> Time {
    START.plus_micros(n * DAY)
}

async fn inbox(client: &Client, member_id: &str) -> pb::ListInboxResponse {
    let request = pb::ListInboxRequest { recipient_id: member_id.into(), ..Default::default() };
    InboxServiceClient::new(client.clone()).list_inbox(request).await.expect("an inbox").into_inner()
}

async fn a_redemption_and_a_better_tier_are_told_once(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, None).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 1_200)).await.expect("points");
    let request = redemption(&member, "mug");
    for _ in 0..3 {
        redeem(&client, request.clone()).await.expect("a redemption, or its replay");
    }
    house.settle().await;
    assert_eq!(told(&client, &member).await, ["tier_up", "reward_redeemed"]);
    let first = inbox(&client, &member).await;
    assert_eq!(first.unread_count, 2);
    let redeemed = &first.messages[0];
    assert!(redeemed.body.contains("mug") && redeemed.body.contains("1170"), "{}", redeemed.body);
    let mark = pb::MarkReadRequest {
        request_id: request_id(),
        recipient_id: member.clone(),
        notification_ids: vec![redeemed.notification_id.clone()],
        up_to_seq: 0,
    };
    let mut inboxes = InboxServiceClient::new(client.clone());
    let marked = inboxes.mark_read(mark.clone()).await.expect("marked").into_inner();
    assert_eq!((marked.marked_count, marked.unread_count, marked.replayed), (1, 1, false));
    let again = inboxes.mark_read(mark).await.expect("the same answer").into_inner();
    assert_eq!((again.marked_count, again.unread_count, again.replayed), (1, 1, true));
    let request = pb::GetNotificationRequest {
        recipient_id: member.clone(),
        notification_id: redeemed.notification_id.clone(),
    };
    let found = NotificationServiceClient::new(client).get_notification(request).await.expect("it is there");
    let found = found.into_inner().notification.expect("a notification");
    assert_eq!(found.deliveries[0].state(), pb::DeliveryState::Delivered);
    assert!(found.read_time.is_some());
    house.end().await;
}

async fn expiry_is_announced_once_in_a_local_week(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    // START is Monday, 1 January 2024; these points live until 31 March and 3 April.
    record(&client, purchase(&member, 100)).await.expect("points");
    house.clock().advance_to(day(3));
    record(&client, purchase(&member, 50)).await.expect("points");
    house.clock().advance_to(day(82));
    house.settle().await;
    assert!(told(&client, &member).await.is_empty(), "still more than a week");
    house.clock().advance_to(day(83));
    for _ in 0..2 {
        house.settle().await;
    }
    assert_eq!(told(&client, &member).await, ["points_expiring"]);
    let first = inbox(&client, &member).await.messages[0].body.clone();
    assert!(first.contains("100 of your 150"), "{first}");
    house.clock().advance_to(day(84).plus_micros(-1));
    house.settle().await;
    assert_eq!(told(&client, &member).await.len(), 1, "3 April lies beyond the next week, until Monday");
    for n in 84..100 {
        house.clock().advance_to(day(n));
        house.settle().await;
    }
    let second = inbox(&client, &member).await.messages[0].body.clone();
    assert!(second.contains("50 of your 150"), "{second}");
    assert_eq!(told(&client, &member).await.len(), 2, "each point is announced once");
    // New points are announced anew.
    record(&client, purchase(&member, 10)).await.expect("points");
    for n in 100..200 {
        house.clock().advance_to(day(n));
        house.settle().await;
    }
    assert_eq!(told(&client, &member).await.len(), 3);
    house.end().await;
}

async fn a_new_template_counts_from_the_next_message_on(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "mug", 30, None).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 100)).await.expect("points");
    redeem(&client, redemption(&member, "mug")).await.expect("a redemption");
    house.settle().await;
    let before = inbox(&client, &member).await.messages[0].clone();
    let request = pb::CreateTemplateVersionRequest {
        request_id: request_id(),
        template: Some(pb::Template {
            template_id: "reward_redeemed".into(),
            subject: "Yours: {{ reward_id }}".into(),
            body: "Left: {{ available }}".into(),
            ..Default::default()
        }),
    };
    TemplateServiceClient::new(client.clone()).create_template_version(request).await.expect("a version");
    redeem(&client, redemption(&member, "mug")).await.expect("a redemption");
    house.settle().await;
    let messages = inbox(&client, &member).await.messages;
    assert_eq!((messages[0].subject.as_str(), messages[0].body.as_str()), ("Yours: mug", "Left: 40"));
    assert_eq!(messages[1], before, "what was said stays said");
    house.end().await;
}
