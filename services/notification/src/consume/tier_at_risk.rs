//! TierAtRisk of loyalty: the tier of a wallet ends soon unless something more counts for it.

use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;

use crate::domain::Occurrence;
use events::payload::{message, time, uuid};

pub(super) const KIND: &str = "rapport.loyalty.v1.TierAtRisk";

pub(super) fn decode(payload: &[u8]) -> Result<Occurrence, String> {
    let event: pb::TierAtRisk = message(payload)?;
    Ok(Occurrence::TierAtRisk {
        wallet_id: uuid(&event.wallet_id, "wallet_id")?,
        tier_id: event.tier_id,
        end_time: time(event.end_time, "end_time")?,
        to_stay: match event.to_stay {
            Some(spend) if spend.units > 0 || spend.nanos > 0 => text(&spend),
            None if event.to_stay_count > 0 => event.to_stay_count.to_string(),
            Some(_) | None => String::new(),
        },
    })
}

/// An amount with as many decimals as it has, but two if it has any.
fn text(amount: &Money) -> String {
    let Money { currency_code, units, nanos } = amount;
    match format!("{nanos:09}").trim_end_matches('0') {
        "" => format!("{units} {currency_code}"),
        decimals => format!("{units}.{decimals:0<2} {currency_code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_for_people() {
        for (units, nanos, written) in
            [(250, 0, "250 EUR"), (0, 500_000_000, "0.50 EUR"), (1, 5_000_000, "1.005 EUR")]
        {
            let amount = Money { currency_code: "EUR".into(), units, nanos };
            assert_eq!(text(&amount), written);
        }
    }
}
