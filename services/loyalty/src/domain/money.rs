//! Amounts of money, exact to a millionth of the currency's unit.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Three capital letters, or nothing.
    pub fn try_new(code: &str) -> Option<Currency> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Currency(bytes))
    }

    /// The code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    /// The least that is paid in it, in millionths of its unit: the minor unit by ISO 4217, and a hundredth
    /// of what that does not list.
    pub fn minor_micros(&self) -> i64 {
        match self.code() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
            | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => Money::MICROS_PER_UNIT,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 1_000,
            "CLF" | "UYW" => 100,
            _ => 10_000,
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(code: String) -> Result<Currency, String> {
        Currency::try_new(&code).ok_or(code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.code().to_owned()
    }
}

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Of which currency.
    pub currency: Currency,
    /// Millionths of the currency's unit.
    pub micros: i64,
}

impl Money {
    /// The largest amount of one activity: a thousand million units.
    pub const MICROS_MAX: i64 = 1_000_000_000 * Money::MICROS_PER_UNIT;

    /// Millionths in a unit.
    pub const MICROS_PER_UNIT: i64 = 1_000_000;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_every_currency_has_hundredths() {
        let minor = |code: &str| Currency::try_new(code).unwrap().minor_micros();
        assert_eq!(["USD", "EUR", "JPY", "KWD", "CLF"].map(minor), [10_000, 10_000, 1_000_000, 1_000, 100]);
    }
}
