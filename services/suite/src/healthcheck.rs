//! `rapport healthcheck`: asks `/readyz` of the operations port, with nothing but a socket.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cli::HealthcheckArgs;
use crate::{Failure, output};

const TIMEOUT: Duration = Duration::from_secs(5);
/// More than the status line and the headers ever are.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// Succeeds if the suite is ready.
pub(crate) async fn run(args: &HealthcheckArgs) -> Result<(), Failure> {
    let address = args.ops.trim_start_matches("http://").trim_end_matches('/');
    if !address.contains(':') {
        return Err(Failure::usage(format!("--ops `{}` is not HOST:PORT, such as 127.0.0.1:7401", args.ops)));
    }
    let answer = tokio::time::timeout(TIMEOUT, ask(address)).await;
    let answer = answer
        .map_err(|_| Failure::failed(format!("no answer from {address} within {} s", TIMEOUT.as_secs())))?;
    let answer = answer.map_err(|error| {
        Failure::failed(format!("nobody answers at {address} ({error}); is `rapport all` running?"))
    })?;
    match status_of(&answer) {
        Some(200) => {
            output::print("ready\n");
            Ok(())
        }
        Some(503) => Err(Failure::failed(format!("the suite at {address} is not ready"))),
        _ => Err(Failure::failed(format!(
            "what answers at {address} is not the operations port of a suite; see --ops"
        ))),
    }
}

async fn ask(address: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn status_of(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next()?.starts_with("HTTP/1.").then_some(())?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_has_a_status() {
        assert_eq!(status_of(b"HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(status_of(b"HTTP/1.0 503 Service Unavailable\r\n"), Some(503));
        assert_eq!(status_of(b"SSH-2.0-x\r\n"), None);
        assert_eq!(status_of(b""), None);
    }
}
