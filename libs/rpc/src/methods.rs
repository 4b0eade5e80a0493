//! The methods a process knows, each with what the layers need at hand: kind, privileges, prepared metric
//! attributes.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use telemetry::names::attribute;
use tonic::Code;

const CODES: usize = 17;

/// One RPC.
#[derive(Debug)]
pub(crate) struct Method {
    /// `package.Service/Method`, or `_OTHER`.
    pub(crate) name: String,
    pub(crate) known: bool,
    pub(crate) client_streaming: bool,
    pub(crate) server_streaming: bool,
    /// Health and reflection: never queued, never cut short, so that an overloaded process can still be
    /// looked at.
    pub(crate) exempt: bool,
    attributes: [Box<[KeyValue]>; CODES],
}

impl Method {
    fn new(name: &str, known: bool, client_streaming: bool, server_streaming: bool) -> Method {
        let attributes = std::array::from_fn(|code| {
            let code = Code::from(i32::try_from(code).unwrap_or(2));
            let mut attributes = vec![
                KeyValue::new(attribute::RPC_SYSTEM_NAME, attribute::RPC_SYSTEM_GRPC),
                KeyValue::new(attribute::RPC_METHOD, name.to_owned()),
                KeyValue::new(attribute::RPC_RESPONSE_STATUS_CODE, code_name(code)),
            ];
            if code != Code::Ok {
                attributes.push(KeyValue::new(attribute::ERROR_TYPE, code_name(code)));
            }
            attributes.into_boxed_slice()
        });
        let exempt = name.starts_with("grpc.health.") || name.starts_with("grpc.reflection.");
        Method { name: name.to_owned(), known, client_streaming, server_streaming, exempt, attributes }
    }

    pub(crate) fn is_unary(&self) -> bool {
        self.known && !self.client_streaming && !self.server_streaming
    }

    /// The attributes of one finished call.
    pub(crate) fn attributes(&self, code: Code) -> &[KeyValue] {
        &self.attributes[code as usize]
    }

    /// A span of one call, with the attributes that hold for every outcome and `more`.
    pub(crate) fn span(&self, kind: SpanKind, more: &[KeyValue], parent: &Context) -> Option<Context> {
        // Asked first, because the name costs an allocation.
        if !telemetry::enabled() {
            return None;
        }
        let attributes = self.attributes[0].iter().take(2).chain(more).cloned();
        telemetry::start(self.name.clone(), kind, attributes, parent)
    }
}

/// All methods, by path.
#[derive(Clone, Debug)]
pub(crate) struct Methods {
    by_path: HashMap<String, Arc<Method>>,
    other: Arc<Method>,
}

impl Methods {
    /// The methods of the given encoded descriptor sets, and of health and reflection.
    pub(crate) fn try_new(descriptors: &[&[u8]]) -> Result<Methods, prost::DecodeError> {
        let own = [
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut by_path = HashMap::new();
        for set in own.iter().chain(descriptors) {
            for file in FileDescriptorSet::decode(*set)?.file {
                for service in &file.service {
                    for method in &service.method {
                        let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                        let kinds = (method.client_streaming(), method.server_streaming());
                        let known = Method::new(&name, true, kinds.0, kinds.1);
                        by_path.insert(format!("/{name}"), Arc::new(known));
                    }
                }
            }
        }
        let other = Arc::new(Method::new(attribute::RPC_METHOD_OTHER, false, true, true));
        Ok(Methods { by_path, other })
    }

    pub(crate) fn of(&self, path: &str) -> Arc<Method> {
        self.by_path.get(path).unwrap_or(&self.other).clone()
    }
}

/// The code's name as it is written in specifications.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The codes that mean a fault of the server, by the conventions for server spans.
pub(crate) fn is_server_fault(code: Code) -> bool {
    match code {
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => false,
    }
}
