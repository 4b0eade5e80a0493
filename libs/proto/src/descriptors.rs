//! What the .proto files declare, readable at run time.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor};

/// The encoded descriptors of our packages and everything they import, with annotations, without comments.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

pub(crate) static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the build wrote these descriptors"));

/// What the message with this full name is made of, such as `rapport.loyalty.v1.Program`; `None` if there is
/// no such message.
pub fn message_of(full_name: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(full_name)
}

/// Full names of the gRPC services in `package` and the packages below it, in alphabetical order.
/// `rapport.loyalty` and `rapport.loyalty.v1` both give `rapport.loyalty.v1.PointsService` and its siblings.
pub fn services_of(package: &str) -> Vec<String> {
    let is_below =
        |name: &str| name.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let mut names: Vec<String> = POOL
        .services()
        .filter(|service| is_below(service.package_name()))
        .map(|service| service.full_name().to_owned())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_found_by_package_not_by_prefix_of_its_name() {
        let services = services_of("rapport.loyalty.v1");
        assert!(services.contains(&"rapport.loyalty.v1.PointsService".to_owned()));
        assert!(services.is_sorted());
        assert_eq!(services_of("rapport.loyalty"), services);
        assert!(services_of("rapport.loy").is_empty());
    }

    #[test]
    fn the_descriptors_are_complete_and_carry_no_comments() {
        assert!(POOL.get_message_by_name("google.rpc.Status").is_some());
        assert!(POOL.get_extension_by_name("buf.validate.field").is_some());
        assert!(POOL.files().all(|file| file.file_descriptor_proto().source_code_info.is_none()));
        let request = POOL.get_message_by_name("rapport.loyalty.v1.GetMemberRequest").unwrap();
        assert_eq!(request.get_field_by_name("member_id").unwrap().options().extensions().count(), 1);
    }
}
