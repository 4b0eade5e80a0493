//! Whose rows: the leading columns of every key.

use std::fmt;
use std::sync::Arc;

use sea_orm::Value;
use sea_orm::sea_query::ArrayType;
use uuid::Uuid;

use crate::bucket_of;

/// A tenant, from the caller's credential or from an event. Never from a request's body.
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

/// The one whom rows belong to, within a tenant: its bucket, its tenant and its id lead their primary key.
/// Sorts in the order in which rows are locked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    bucket: i32,
    tenant: Tenant,
    id: Uuid,
}

impl Owner {
    /// The owner `id` of `tenant`.
    pub fn new(tenant: &Tenant, id: Uuid) -> Owner {
        let bucket = bucket_of(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        Owner { bucket, tenant: tenant.clone(), id }
    }

    /// An owner that has a name rather than an id.
    pub fn named(tenant: &Tenant, name: &str) -> Owner {
        Owner::new(tenant, Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
    }

    /// Which bucket its rows live in.
    pub fn bucket(&self) -> i32 {
        self.bucket
    }

    /// Its tenant.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The values of its leading columns, of the types [`OWNER_TYPES`].
    pub fn key(&self) -> Vec<Value> {
        vec![self.bucket.into(), self.tenant.id().into(), self.id.into()]
    }

    /// The same with further values behind them.
    pub fn key_with(&self, more: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let mut key = self.key();
        key.extend(more);
        key
    }

    /// The owner that a row's leading columns name.
    pub fn of_row(bucket: i32, tenant_id: &str, id: Uuid) -> Owner {
        Owner { bucket, tenant: Tenant::new(tenant_id), id }
    }
}

/// The types of an owner's columns.
pub const OWNER_TYPES: [ArrayType; 3] = [ArrayType::Int, ArrayType::String, ArrayType::Uuid];
