//! A generated service trait, method by method.

/// Implements the methods of a generated trait for `$api`, each by `handle` in the module of the same name:
/// `serve!(Api, pb, pb::x_server::X { get_x(GetXRequest) -> GetXResponse; });`.
#[macro_export]
macro_rules! serve {
    ($api:ty, $pb:ident, $service:path {
        $($method:ident($request:ident) -> $response:ident;)+
    } $(streams {
        $($stream:ident = $streaming:ident($asked:ident) -> $piece:ident;)+
    })? $(uploads {
        $($uploading:ident($part:ident) -> $summary:ident;)+
    })?) => {
        #[tonic::async_trait]
        impl $service for $api {
            $(async fn $method(
                &self,
                request: tonic::Request<$pb::$request>,
            ) -> Result<tonic::Response<$pb::$response>, tonic::Status> {
                $method::handle(self, request).await.map(tonic::Response::new)
            })+

            $($(type $stream = futures::stream::BoxStream<'static, Result<$pb::$piece, tonic::Status>>;

            async fn $streaming(
                &self,
                request: tonic::Request<$pb::$asked>,
            ) -> Result<tonic::Response<Self::$stream>, tonic::Status> {
                $streaming::handle(self, request).await.map(tonic::Response::new)
            })+)?

            $($(async fn $uploading(
                &self,
                request: tonic::Request<tonic::Streaming<$pb::$part>>,
            ) -> Result<tonic::Response<$pb::$summary>, tonic::Status> {
                $uploading::handle(self, request).await.map(tonic::Response::new)
            })+)?
        }
    };
}
