//! The regular expressions of all checks: each becomes one static, compiled on first use.

use std::fmt::Write as _;

use regex::Regex;

use crate::Result;

#[derive(Default)]
pub(crate) struct Patterns(Vec<String>);

impl Patterns {
    /// The name of the static that holds this pattern.
    pub(crate) fn name(&mut self, pattern: &str) -> Result<String> {
        Regex::new(pattern)?;
        // RE2, which protovalidate prescribes, reads these as ASCII and the regex crate as Unicode.
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            if character == '\\' && characters.next().is_some_and(|class| "dDwWsSbB".contains(class)) {
                return Err("spell its character classes out, as in [0-9]".into());
            }
        }
        let index = self.0.iter().position(|known| known == pattern).unwrap_or_else(|| {
            self.0.push(pattern.to_owned());
            self.0.len() - 1
        });
        Ok(format!("PATTERN_{index}"))
    }

    /// The statics.
    pub(crate) fn code(&self) -> String {
        let mut code = String::new();
        for (index, pattern) in self.0.iter().enumerate() {
            let _ = writeln!(
                code,
                "static PATTERN_{index}: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| \
                 regex::Regex::new({pattern:?}).expect(\"the build compiled this pattern\"));"
            );
        }
        code
    }
}
