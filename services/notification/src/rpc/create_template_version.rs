//! CreateTemplateVersion: checks a text and keeps it as the newest version.

use futures::FutureExt;
use proto::rapport::notification::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::refusal::{DOMAIN, template_invalid};
use super::wire::{template_message, uuid, variables};
use crate::domain::{Part, Shipped, Template};
use crate::store::templates::{self, Key};
use crate::store::{Owner, Tenant};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::CreateTemplateVersionRequest>,
) -> Result<pb::CreateTemplateVersionResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let given = message.template.clone().unwrap_or_default();
    let template = decode(given, api.clock.now(), &mut found);
    found.into_result(DOMAIN)?;
    let flaws = template.check();
    if !flaws.is_empty() {
        return Err(template_invalid(&template.id, &flaws, field).to_status());
    }
    let call = caller.call(DOMAIN, "CreateTemplateVersion", request_id, &message);
    let scope = Owner::named(&caller.tenant, &template.id);
    let tenant = caller.tenant.clone();
    let submitted = api.submit_once(&caller, scope, call, move |tx| {
        let (tenant, template) = (tenant.clone(), template.clone());
        async move { create(tx, &tenant, template).await }.boxed()
    });
    let (response, replayed): (pb::CreateTemplateVersionResponse, bool) = submitted.await?;
    Ok(pb::CreateTemplateVersionResponse { replayed, ..response })
}

/// The version after the newest one, which may be the shipped one. Of two at once the key lets one through.
async fn create(tx: &db::Tx, tenant: &Tenant, template: Template) -> Result<Written, db::Error> {
    let key = Key { tenant: tenant.clone(), template_id: template.id.clone() };
    let newest = templates::find(tx, &key, 0).await?;
    let template = Template { version: newest.map_or(1, |newest| newest.version + 1), ..template };
    templates::insert(tx, tenant, &template).await?;
    let template = Some(template_message(&template));
    let response = pb::CreateTemplateVersionResponse { template, replayed: false };
    Ok(Written::done(&response))
}

fn decode(given: pb::Template, now: ambient::Time, found: &mut Violations) -> Template {
    let root = Path::ROOT;
    let path = root.field("template");
    let own = variables(&given.variables, &path, "variables", found);
    let shipped = Shipped::from_id(&given.template_id);
    if shipped.is_some() && !own.is_empty() {
        found.add(&path, "variables", "must be empty: those of a shipped template are fixed");
    }
    Template {
        variables: shipped.map_or(own, Shipped::variables),
        id: given.template_id,
        version: 0,
        subject: given.subject,
        body: given.body,
        create_time: now,
    }
}

fn field(part: Part) -> &'static str {
    match part {
        Part::Subject => "template.subject",
        Part::Body => "template.body",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{get_template, list_templates, preview_template};
    use super::*;
    use crate::fixture::{House, TENANT, call, refused, request_id, template};

    async fn create(
        house: &House,
        tenant: &str,
        request_id: &str,
        template: pb::Template,
    ) -> Result<pb::CreateTemplateVersionResponse, Status> {
        let message =
            pb::CreateTemplateVersionRequest { request_id: request_id.into(), template: Some(template) };
        handle(house.service.api(), call(tenant, message)).await
    }

    async fn version_of(house: &House, tenant: &str, template_id: &str, version: i64) -> Result<i64, Status> {
        let message = pb::GetTemplateRequest { template_id: template_id.into(), version };
        let response = get_template::handle(house.service.api(), call(tenant, message)).await?;
        Ok(response.template.unwrap().version)
    }

    #[tokio::test]
    async fn versions_go_on_from_the_shipped_one_and_stay_within_the_tenant() {
        let house = House::open().await;
        let shipped = template("tier_up", "Up", "{{ from_tier_id }} to {{ to_tier_id }}");
        let own = template("hello", "Hello", "Hello {{ name }}");
        for (given, versions) in [(shipped, [2, 3]), (own, [1, 2])] {
            for version in versions {
                let created = create(&house, TENANT, &request_id(), given.clone()).await.unwrap();
                assert_eq!(created.template.unwrap().version, version);
            }
        }
        assert_eq!(version_of(&house, TENANT, "tier_up", 0).await.unwrap(), 3);
        assert_eq!(version_of(&house, TENANT, "tier_up", 1).await.unwrap(), 1);
        assert_eq!(version_of(&house, TENANT, "hello", 1).await.unwrap(), 1);
        assert_eq!(version_of(&house, "other", "tier_up", 0).await.unwrap(), 1);
        for (tenant, template_id, version) in
            [("other", "tier_up", 2), ("other", "hello", 0), (TENANT, "hello", 3), (TENANT, "tier_up", 4)]
        {
            let (reason, _) = refused(version_of(&house, tenant, template_id, version).await);
            assert_eq!(reason, "TEMPLATE_NOT_FOUND", "{tenant} {template_id} {version}");
        }
    }

    #[tokio::test]
    async fn a_request_acts_once_and_its_id_is_for_it_alone() {
        let house = House::open().await;
        let id = request_id();
        let first = create(&house, TENANT, &id, template("hello", "Hello", "{{ name }}")).await.unwrap();
        let again = create(&house, TENANT, &id, template("hello", "Hello", "{{ name }}")).await.unwrap();
        assert_eq!((first.replayed, again.replayed), (false, true));
        assert_eq!(first.template, again.template);
        let other = create(&house, TENANT, &id, template("hello", "Hello", "{{ name }}!")).await;
        let told = other.clone().unwrap_err();
        assert_eq!(refused(other).0, "REQUEST_ID_REUSED");
        assert!(told.message().contains("template.body"), "{}", told.message());
        assert!(!create(&house, "other", &id, template("hello", "x", "y")).await.unwrap().replayed);
        assert_eq!(house.count("template").await, 2);
    }

    #[tokio::test]
    async fn two_at_once_become_two_versions() {
        let house = House::open().await;
        let one = |n: u32| {
            let given = template("hello", "Hello", &format!("{n}"));
            let house = &house;
            async move {
                let created = create(house, TENANT, &request_id(), given).await.unwrap();
                created.template.unwrap().version
            }
        };
        let (a, b, c) = tokio::join!(one(1), one(2), one(3));
        let mut versions = [a, b, c];
        versions.sort_unstable();
        assert_eq!(versions, [1, 2, 3]);
    }

    #[tokio::test]
    async fn flaws_are_told_by_field_and_nothing_is_kept() {
        let house = House::open().await;
        let (reason, fields) = refused(
            create(&house, TENANT, &request_id(), template("tier_up", "{{ tier }}", "{% if %}")).await,
        );
        assert_eq!(reason, "TEMPLATE_INVALID");
        assert_eq!(
            fields[0],
            (
                "template.subject".to_owned(),
                "uses unknown variables: tier; it may use from_tier_id, to_tier_id".to_owned()
            )
        );
        assert_eq!(fields[1].0, "template.body");
        assert!(fields[1].1.starts_with("is not a template in line 1: syntax error: "), "{}", fields[1].1);
        let mut given = template("hello", "Hello", "{{ name }}");
        given.variables.push(given.variables[0].clone());
        let (reason, fields) = refused(create(&house, TENANT, &request_id(), given.clone()).await);
        assert_eq!((reason.as_str(), fields[0].0.as_str()), ("FIELDS_INVALID", "template.variables[1].name"));
        given.template_id = "tier_up".into();
        let (_, fields) = refused(create(&house, TENANT, &request_id(), given).await);
        assert_eq!(fields.last().unwrap().0, "template.variables");
        assert_eq!((house.count("template").await, house.count("command").await), (0, 0));
    }

    #[tokio::test]
    async fn lists_hold_shipped_and_own_ones_once_each_page_by_page() {
        let house = House::open().await;
        for id in ["Zebra", "a.first", "tier_up", "zebra", "tier_up"] {
            create(&house, TENANT, &request_id(), template(id, "Hello", "World")).await.unwrap();
        }
        let (mut listed, mut page_token) = (Vec::new(), String::new());
        loop {
            let message = pb::ListTemplatesRequest { page_size: 2, page_token };
            let page = list_templates::handle(house.service.api(), call(TENANT, message)).await.unwrap();
            listed.extend(page.templates.into_iter().map(|t| (t.template_id, t.version)));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let expected = [
            ("Zebra", 1),
            ("a.first", 1),
            ("complaint_received", 1),
            ("complaint_resolved", 1),
            ("points_expiring", 1),
            ("reward_redeemed", 1),
            ("tier_at_risk", 1),
            ("tier_up", 3),
            ("zebra", 1),
        ];
        assert_eq!(listed, expected.map(|(id, version)| (id.to_owned(), version)));
    }

    #[tokio::test]
    async fn a_preview_shows_the_samples_or_the_values_given() {
        let house = House::open().await;
        let body = "{{ name }}{% if name == 'x' %}{{ 1 / 0 }}{% endif %}";
        create(&house, TENANT, &request_id(), template("hello", "To {{ name }}", body)).await.unwrap();
        let preview = async |named: &[(&str, &str)]| {
            let value = |text: &str| Some(pb::template_variable::Value::Text(text.into()));
            let values = named
                .iter()
                .map(|(name, text)| pb::TemplateVariable { name: (*name).into(), value: value(text) })
                .collect();
            let message = pb::PreviewTemplateRequest { template_id: "hello".into(), version: 0, values };
            preview_template::handle(house.service.api(), call(TENANT, message)).await
        };
        assert_eq!(preview(&[]).await.unwrap().subject, "To Ann");
        assert_eq!(preview(&[("name", "Bob")]).await.unwrap().body, "Bob");
        let (reason, fields) = refused(preview(&[("nmae", "Bob")]).await);
        assert_eq!((reason.as_str(), fields[0].0.as_str()), ("FIELDS_INVALID", "values[0].name"));
        let (reason, fields) = refused(preview(&[("name", "x")]).await);
        assert_eq!((reason.as_str(), fields[0].0.as_str()), ("TEMPLATE_INVALID", "values"));
    }
}
