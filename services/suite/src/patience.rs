//! How long a command waits for a server that restarts, beyond the retries of the client: about 20 s in all.

use std::time::Duration;

const WAITS_MAX: u32 = 8;
const WAIT_FIRST: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Waits after so many failures in a row, longer each time; false, and at once, if they are enough.
#[must_use]
pub(crate) async fn wait(failures: u32) -> bool {
    match pause(failures) {
        Some(pause) => tokio::time::sleep(pause).await,
        None => return false,
    }
    true
}

fn pause(failures: u32) -> Option<Duration> {
    let doublings = failures.saturating_sub(1);
    (failures <= WAITS_MAX).then(|| WAIT_FIRST.saturating_mul(1 << doublings).min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_have_an_end() {
        let waits: Vec<u128> = (1..).map_while(pause).map(|pause| pause.as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    }
}
