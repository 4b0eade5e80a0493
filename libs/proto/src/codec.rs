//! How messages enter and leave an RPC: what cannot be decoded or breaks a rule never reaches a handler.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{Codec as TonicCodec, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::ProstEncoder;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{Validate, check};

/// The codec of every generated client and server: sends `T`, receives and checks `U`.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> TonicCodec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Validate + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = CheckedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        CheckedDecoder(PhantomData)
    }
}

/// Decodes a message and checks its rules.
#[derive(Debug)]
pub struct CheckedDecoder<U>(PhantomData<U>);

impl<U: Message + Default + Validate> Decoder for CheckedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // The decoder's own error quotes names and positions; the sender learns only that it failed.
        let message = U::decode(source).map_err(|_| malformed::<U>())?;
        check(&message)?;
        Ok(Some(message))
    }
}

/// A request that cannot be decoded is its sender's fault; a response that cannot is the server's.
fn malformed<U: Validate>() -> Status {
    let code = if U::RESPONSE { Code::Internal } else { Code::InvalidArgument };
    let details = ErrorDetails::with_error_info("MALFORMED_MESSAGE", U::DOMAIN, []);
    Status::with_error_details(code, "the message is not valid protobuf of the expected type", details)
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut as _, Bytes, BytesMut};
    use http_body_util::Full;
    use tonic::codec::Streaming;

    use super::*;
    use crate::fixture::rapport::fixture::v1::{Chain, Leaf, RuledResponse};

    /// What the codec makes of one message with these bytes.
    async fn receive<U: Message + Default + Validate + Send + 'static>(message: &[u8]) -> Result<U, Status> {
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(message.len().try_into().unwrap());
        frame.put_slice(message);
        let decoder = Codec::<(), U>::default().decoder();
        let body: Full<Bytes> = Full::new(frame.freeze());
        Streaming::new_request(decoder, body, None, None)
            .message()
            .await
            .map(|message| message.expect("one message"))
    }

    fn reason(status: &Status) -> (Code, String) {
        let info = status.get_error_details().error_info().cloned().expect("an ErrorInfo");
        assert_eq!(info.domain, "rapport.fixture");
        (status.code(), info.reason)
    }

    #[tokio::test]
    async fn messages_are_checked_after_decoding() {
        let valid = Leaf { name: "abc".into() };
        assert_eq!(receive::<Leaf>(&valid.encode_to_vec()).await.unwrap(), valid);
        let refused = receive::<Leaf>(&Leaf { name: "abcd".into() }.encode_to_vec()).await.unwrap_err();
        assert_eq!(reason(&refused), (Code::InvalidArgument, "FIELDS_INVALID".to_owned()));
    }

    #[tokio::test]
    async fn malformed_messages_are_refused_without_quoting_them() {
        let truncated = b"\x0a\x7fsecret";
        let not_utf8 = b"\x0a\x02\xff\xfe";
        for bytes in [&truncated[..], not_utf8, b"\xff"] {
            let refused = receive::<Leaf>(bytes).await.unwrap_err();
            assert_eq!(reason(&refused), (Code::InvalidArgument, "MALFORMED_MESSAGE".to_owned()));
            assert_eq!(refused.message(), "the message is not valid protobuf of the expected type");
        }
    }

    #[tokio::test]
    async fn a_malformed_response_is_the_fault_of_the_server() {
        let refused = receive::<RuledResponse>(b"\xff").await.unwrap_err();
        assert_eq!(reason(&refused), (Code::Internal, "MALFORMED_MESSAGE".to_owned()));
    }

    #[tokio::test]
    async fn deep_nesting_is_an_error_and_not_a_panic() {
        let mut chain = Vec::new();
        for _ in 0..10_000 {
            let mut outer = vec![0x0a];
            prost::encoding::encode_varint(chain.len() as u64, &mut outer);
            outer.append(&mut chain);
            chain = outer;
        }
        // Groups of a field that the schema does not know are skipped by recursion.
        let groups = vec![0x7b; 1_000_000];
        for bytes in [chain, groups] {
            let refused = receive::<Chain>(&bytes).await.unwrap_err();
            assert_eq!(reason(&refused), (Code::InvalidArgument, "MALFORMED_MESSAGE".to_owned()));
        }
        let shallow =
            (0..90).fold(Chain::default(), |next, _| Chain { next: Some(next.into()), ..Chain::default() });
        assert_eq!(receive::<Chain>(&shallow.encode_to_vec()).await.unwrap(), shallow);
    }
}
