//! The `grpc-timeout` header: at most eight digits and a unit.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

pub(crate) const HEADER: &str = "grpc-timeout";

/// The caller's timeout. `Err` holds a value that the gRPC specification does not allow.
pub(crate) fn parse(headers: &HeaderMap) -> Result<Option<Duration>, String> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    value
        .to_str()
        .ok()
        .and_then(parse_text)
        .map(Some)
        .ok_or_else(|| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn parse_text(text: &str) -> Option<Duration> {
    let digits = text.get(..text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match text.as_bytes().last()? {
        b'H' => Some(Duration::from_secs(number * 3_600)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Rounded up, so that the callee never gives up before the caller.
pub(crate) fn format(timeout: Duration) -> HeaderValue {
    let micros = timeout.as_nanos().div_ceil(1_000);
    let text = match micros {
        0..=99_999_999 => format!("{micros}u"),
        100_000_000..=99_999_999_000 => format!("{}m", micros.div_ceil(1_000)),
        _ => format!("{}S", micros.div_ceil(1_000_000).min(99_999_999)),
    };
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("0n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_never_shorter() {
        for micros in [0, 1, 999, 99_999_999, 100_000_001, 99_999_999_001, u64::MAX / 1_000] {
            let timeout = Duration::from_micros(micros);
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, format(timeout));
            let read = parse(&headers).unwrap().unwrap();
            assert!(read >= timeout.min(Duration::from_secs(99_999_999)), "{timeout:?} became {read:?}");
            assert!(read <= timeout + Duration::from_secs(1));
        }
    }

    #[test]
    fn only_the_specified_form_is_a_timeout() {
        for text in ["", "5", "m", "-5m", "5x", "123456789m", "5 m", "+5m", "é"] {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            assert!(parse(&headers).is_err(), "{text:?} was taken");
        }
        assert_eq!(parse(&HeaderMap::new()), Ok(None));
    }
}
