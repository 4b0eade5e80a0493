//! Whose rows: the leading columns of every key.

use std::fmt;
use std::sync::Arc;

use db::sea_orm::Value;
use db::sea_orm::sea_query::ArrayType;
use uuid::Uuid;

/// A tenant, from the caller's credential or the event. Never from a request's body.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// The tenant with this id.
    pub fn new(id: &str) -> Tenant {
        Tenant(Arc::from(id))
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A recipient (or another scope of request ids) of a tenant. Sorts in the order in which rows are locked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    bucket: i32,
    tenant: Tenant,
    id: Uuid,
}

impl Owner {
    /// The recipient `id` of `tenant`.
    pub fn new(tenant: &Tenant, id: Uuid) -> Owner {
        let bucket = db::bucket_of(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        Owner { bucket, tenant: tenant.clone(), id }
    }

    /// The scope of request ids that name a template rather than a recipient.
    pub fn template(tenant: &Tenant, template_id: &str) -> Owner {
        Owner::new(tenant, Uuid::new_v5(&Uuid::NAMESPACE_OID, template_id.as_bytes()))
    }

    /// Which bucket its rows live in.
    pub fn bucket(&self) -> i32 {
        self.bucket
    }

    /// Its tenant.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The recipient's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    pub(super) fn key(&self) -> Vec<Value> {
        vec![self.bucket.into(), self.tenant.id().into(), self.id.into()]
    }

    pub(super) fn key_with(&self, more: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let mut key = self.key();
        key.extend(more);
        key
    }

    /// The owner that a row's leading columns name.
    pub(super) fn of_row(bucket: i32, tenant_id: &str, id: Uuid) -> Owner {
        Owner { bucket, tenant: Tenant::new(tenant_id), id }
    }
}

pub(super) const OWNER: [&str; 3] = ["bucket", "tenant_id", "recipient_id"];
pub(super) const OWNER_TYPES: [ArrayType; 3] = [ArrayType::Int, ArrayType::String, ArrayType::Uuid];
