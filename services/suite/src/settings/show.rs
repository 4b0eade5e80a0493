//! `rapport config`: the settings in force with secrets masked, or the commented defaults.

use super::{Settings, load};
use crate::Failure;
use crate::cli::ConfigArgs;
use crate::output;

/// The commented default file.
const DEFAULT: &str = include_str!("../../rapport.default.toml");

const MASK: &str = "***";

/// Prints what the arguments ask for.
pub(crate) fn print(args: &ConfigArgs) -> Result<(), Failure> {
    if args.default {
        output::print(DEFAULT);
        return Ok(());
    }
    let settings = masked(load(&args.server)?);
    let text = toml::to_string(&settings);
    output::print(
        &text.map_err(|error| Failure::failed(format!("the settings cannot be written: {error}")))?,
    );
    Ok(())
}

fn masked(mut settings: Settings) -> Settings {
    let urls = [
        &mut settings.feedback.database.url,
        &mut settings.scoring.database.url,
        &mut settings.loyalty.database.url,
        &mut settings.loyalty.redis.url,
        &mut settings.notification.database.url,
    ];
    for secret in urls {
        *secret = secret.split(',').map(without_password).collect::<Vec<_>>().join(",");
    }
    if !settings.events.token.is_empty() {
        settings.events.token = MASK.to_owned();
    }
    settings
}

/// The URL with its password masked; query parameters may hold one too.
fn without_password(url: &str) -> String {
    if url.is_empty() {
        return String::new();
    }
    let Ok(mut parsed) = url::Url::parse(url) else { return MASK.to_owned() };
    if parsed.password().is_some() && parsed.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    if parsed.query().is_some() {
        parsed.set_query(Some(MASK));
    }
    parsed.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::keys::{KEYS, Key};
    use super::*;

    #[test]
    fn the_default_file_holds_exactly_the_defaults() {
        let file: toml::Table = DEFAULT.parse().unwrap();
        assert_eq!(file, toml::Table::try_from(Settings::default()).unwrap());
        assert_eq!(toml::from_str::<Settings>(DEFAULT).unwrap(), Settings::default());
    }

    #[test]
    fn every_key_is_described_and_every_default_fits() {
        fn names(prefix: &str, table: &toml::Table, found: &mut Vec<String>) {
            for (name, value) in table {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                match value {
                    toml::Value::Table(table) => names(&name, table, found),
                    _ => found.push(name),
                }
            }
        }
        let mut found = Vec::new();
        names("", &DEFAULT.parse().unwrap(), &mut found);
        found.sort();
        let mut described: Vec<_> = KEYS.iter().map(|key| key.name.to_owned()).collect();
        described.sort();
        assert_eq!(found, described);
        assert!(KEYS.iter().all(|key| (key.fits)(&Settings::default())));
    }

    #[test]
    fn the_file_says_what_each_key_means() {
        let lines: Vec<_> = DEFAULT.lines().collect();
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(" = ")) {
            let before = lines[..index].iter().rev().take_while(|line| !line.is_empty());
            assert!(line.starts_with('#') || before.clone().any(|line| line.starts_with('#')), "{line}");
        }
    }

    #[test]
    fn every_secret_is_masked() {
        let mut table = toml::Table::try_from(Settings::default()).unwrap();
        let secret = |key: &&Key| key.secret;
        for key in KEYS.iter().filter(secret) {
            let mut names: Vec<&str> = key.name.split('.').collect();
            let last = names.pop().unwrap();
            let within =
                names.into_iter().fold(&mut table, |table, name| table[name].as_table_mut().unwrap());
            let value = match last {
                "token" => "hunter2hunter2hunter2",
                _ => "postgres://u:hunter2@h/db?password=hunter2,redis://:hunter2@b",
            };
            within.insert(last.to_owned(), value.into());
        }
        let shown = toml::to_string(&masked(table.try_into().unwrap())).unwrap();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(shown.matches("***").count(), 1 + 3 * (KEYS.iter().filter(secret).count() - 1), "{shown}");
    }
}
