//! Amounts of money as people write them, read without floats.

use proto::google::r#type::Money;

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    /// Nothing there.
    #[error("the amount is missing")]
    Missing,
    /// Words, exponents, thousands separators, two signs.
    #[error("`{0}` is not a decimal number such as 12.50")]
    NotANumber(String),
    /// Below zero.
    #[error("`{0}` is negative")]
    Negative(String),
    /// Finer than the currency.
    #[error("`{text}` is finer than {currency} allows ({decimals} decimals)")]
    TooFine { text: String, currency: String, decimals: u32 },
    /// More than fits.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

/// Digits that a decimal number may have.
const DIGITS_MAX: usize = 30;
/// Decimals of what a single point costs.
const FRACTION_DIGITS: u32 = 6;
/// Decimals of `google.type.Money`.
const NANO_DIGITS: u32 = 9;

/// An exact decimal number, not negative: `mantissa / 10^scale`, without trailing zeros behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) mantissa: u128,
    pub(crate) scale: u32,
}

impl Decimal {
    /// Reads digits with at most one point; a sign is allowed, a negative number is not.
    pub(crate) fn parse(text: &str) -> Result<Decimal, Wrong> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Wrong::Missing);
        }
        let not_a_number = || Wrong::NotANumber(shortened(text));
        let (negative, digits) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
            return Err(not_a_number());
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        if whole.len() + fraction.len() > DIGITS_MAX {
            return Err(Wrong::TooLarge(shortened(text)));
        }
        let digits = whole.bytes().chain(fraction.bytes());
        let mantissa = digits.fold(0, |sum, byte| sum * 10 + u128::from(byte - b'0'));
        if negative && mantissa > 0 {
            return Err(Wrong::Negative(shortened(text)));
        }
        let scale = u32::try_from(fraction.len()).map_err(|_| not_a_number())?;
        Ok(Decimal { mantissa, scale })
    }
}

/// A currency with the decimals that ISO 4217 gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Currency {
    code: [u8; 3],
    /// 2 for most: cents.
    pub(crate) decimals: u32,
}

impl Currency {
    /// Three capital letters.
    pub(crate) fn parse(code: &str) -> Option<Currency> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        let decimals = match code {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
            | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            "CLF" | "UYW" => 4,
            _ => 2,
        };
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Currency { code: bytes, decimals })
    }

    /// The code.
    pub(crate) fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or("")
    }

    /// An amount in the currency's unit (dollars).
    pub(crate) fn major(&self, text: &str) -> Result<Money, Wrong> {
        let number = Decimal::parse(text)?;
        if number.scale > self.decimals {
            return Err(self.too_fine(text, self.decimals));
        }
        self.money(number.mantissa, number.scale).ok_or_else(|| Wrong::TooLarge(shortened(text)))
    }

    /// An amount in the currency's unit that may be a fraction of the smallest one, down to a millionth: what
    /// a single point costs.
    pub(crate) fn fraction(&self, text: &str) -> Result<Money, Wrong> {
        let number = Decimal::parse(text)?;
        if number.scale > FRACTION_DIGITS {
            return Err(self.too_fine(text, FRACTION_DIGITS));
        }
        self.money(number.mantissa, number.scale).ok_or_else(|| Wrong::TooLarge(shortened(text)))
    }

    /// An amount in the currency's smallest unit (cents).
    pub(crate) fn minor(&self, text: &str) -> Result<Money, Wrong> {
        let number = Decimal::parse(text)?;
        if number.scale > 0 {
            return Err(self.too_fine(text, 0));
        }
        self.money(number.mantissa, self.decimals).ok_or_else(|| Wrong::TooLarge(shortened(text)))
    }

    fn too_fine(&self, text: &str, decimals: u32) -> Wrong {
        Wrong::TooFine { text: shortened(text.trim()), currency: self.code().to_owned(), decimals }
    }

    fn money(&self, mantissa: u128, scale: u32) -> Option<Money> {
        let unit = 10_u128.checked_pow(scale)?;
        let nano = 10_u128.checked_pow(NANO_DIGITS.checked_sub(scale)?)?;
        Some(Money {
            currency_code: self.code().to_owned(),
            units: i64::try_from(mantissa / unit).ok()?,
            nanos: i32::try_from((mantissa % unit) * nano).ok()?,
        })
    }
}

/// An amount as text: at least the currency's decimals, more only if they are there.
pub(crate) fn text_of(money: &Money) -> String {
    let decimals = Currency::parse(&money.currency_code).map_or(2, |currency| currency.decimals);
    let sign = if money.units < 0 || money.nanos < 0 { "-" } else { "" };
    let fraction = format!("{:09}", money.nanos.unsigned_abs());
    let keep = fraction.trim_end_matches('0').len().max(decimals as usize);
    let point = if keep == 0 { "" } else { "." };
    format!("{sign}{}{point}{}", money.units.unsigned_abs(), &fraction[..keep])
}

/// What is shown of a value that may be of any length.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 40;
    let clean: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() { format!("{clean}..") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    #[test]
    fn amounts_are_exact_in_both_units_and_any_exponent() {
        let cases = [
            ("USD", "12.5", "12.50", 12, 500_000_000),
            ("USD", "0.07", "0.07", 0, 70_000_000),
            ("USD", "+1.500", "1.50", 1, 500_000_000),
            ("USD", " 3 ", "3.00", 3, 0),
            ("USD", ".5", "0.50", 0, 500_000_000),
            ("USD", "5.", "5.00", 5, 0),
            ("USD", "-0", "0.00", 0, 0),
            ("JPY", "1200", "1200", 1200, 0),
            ("KWD", "1.234", "1.234", 1, 234_000_000),
            ("USD", "9223372036854775807.99", "9223372036854775807.99", i64::MAX, 990_000_000),
        ];
        for (code, text, shown, units, nanos) in cases {
            let money = currency(code).major(text).unwrap();
            assert_eq!((money.units, money.nanos), (units, nanos), "{text}");
            assert_eq!(text_of(&money), shown, "{text}");
        }
        for (code, text, shown) in
            [("USD", "229", "2.29"), ("USD", "100.00", "1.00"), ("JPY", "229", "229"), ("KWD", "1", "0.001")]
        {
            assert_eq!(text_of(&currency(code).minor(text).unwrap()), shown);
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in ["NaN", "inf", "1e3", "1,000", "--1", "1.2.3", "$1", ".", "-", "0x10", "١", "1 000"] {
            let refused = currency("USD").major(text);
            assert!(matches!(refused, Err(Wrong::NotANumber(_))), "{text}: {refused:?}");
        }
        assert_eq!(currency("USD").major("  "), Err(Wrong::Missing));
        assert!(matches!(currency("USD").major("-0.01"), Err(Wrong::Negative(_))));
        assert!(matches!(currency("USD").major("0.001"), Err(Wrong::TooFine { .. })));
        assert!(matches!(currency("USD").minor("0.5"), Err(Wrong::TooFine { .. })));
        assert!(matches!(currency("JPY").major("0.5"), Err(Wrong::TooFine { .. })));
        assert_eq!(currency("JPY").fraction("0.000125").map(|money| money.nanos), Ok(125_000));
        assert!(matches!(currency("JPY").fraction("0.0000001"), Err(Wrong::TooFine { .. })));
        assert!(matches!(currency("USD").major("9223372036854775808"), Err(Wrong::TooLarge(_))));
        assert!(matches!(currency("USD").minor(&"9".repeat(500)), Err(Wrong::TooLarge(_))));
        for code in ["", "usd", "US", "USDX", "U$D"] {
            assert_eq!(Currency::parse(code), None, "{code}");
        }
    }

    #[test]
    fn long_values_are_cut_where_they_are_shown() {
        assert_eq!(shortened("a\u{7}b"), "a?b");
        assert_eq!(shortened(&"ä".repeat(41)), format!("{}..", "ä".repeat(40)));
    }
}
