//! Tiers: `libs <- services/{four} <- services/suite <- tests`, read from the manifests. The four services
//! never depend on each other's crates.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Problem;
use super::words::BANNED_NAMES;

/// Our own crates by the name they are imported as.
pub(super) type Tiers = BTreeMap<String, Tier>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    Lib,
    Service,
    Suite,
    Tests,
}

/// The tier of each of our crates, from the paths in the root manifest.
pub(super) fn tiers_of(root_manifest: &str) -> Tiers {
    let manifest: Table = root_manifest.parse().expect("the root manifest is TOML");
    let dependencies = manifest["workspace"]["dependencies"].as_table().expect("workspace dependencies");
    let paths = dependencies.iter().filter_map(|(name, value)| Some((name, value.get("path")?.as_str()?)));
    let tiers: Tiers = paths.filter_map(|(name, path)| Some((name.clone(), tier(path)?))).collect();
    assert!(!tiers.is_empty(), "the root manifest names none of our crates");
    tiers
}

/// The tier of the crate that a path leads into.
fn tier(path: &str) -> Option<Tier> {
    let mut parts = path.split('/');
    match (parts.next()?, parts.next()) {
        ("libs", _) => Some(Tier::Lib),
        ("services", Some("suite")) => Some(Tier::Suite),
        ("services", _) => Some(Tier::Service),
        ("tests", _) => Some(Tier::Tests),
        _ => None,
    }
}

fn may_use(user: Tier, used: Tier) -> bool {
    match user {
        Tier::Lib | Tier::Service => used == Tier::Lib,
        Tier::Suite => matches!(used, Tier::Lib | Tier::Service),
        Tier::Tests => true,
    }
}

pub(super) fn check(path: &str, text: &str, tiers: &Tiers) -> Vec<Problem> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Problem::new(path, 1, "manifest", error.to_string())],
    };
    let mut problems = Vec::new();
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    if let Some(name) = name.filter(|name| name.split('-').any(|word| BANNED_NAMES.contains(&word))) {
        problems.push(Problem::new(path, line_of(text, name), "banned name", name));
    }
    let Some(user) = tier(path) else { return problems };
    for (name, value) in dependencies(&manifest) {
        let line = line_of(text, name);
        if value.get("workspace").and_then(Value::as_bool) != Some(true) {
            let detail = format!("`{name}`: versions and paths stand in the root manifest only");
            problems.push(Problem::new(path, line, "manifest", detail));
        }
        if let Some(used) = tiers.get(name).filter(|used| !may_use(user, **used)) {
            let detail = format!("`{name}`: {user:?} may not depend on {used:?}");
            problems.push(Problem::new(path, line, "tiers", detail));
        }
    }
    problems
}

/// All dependencies of all kinds and targets.
fn dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut found = Vec::new();
    for table in std::iter::once(manifest).chain(targets) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let listed = table.get(kind).and_then(Value::as_table);
            found.extend(listed.into_iter().flatten().map(|(name, value)| (name.as_str(), value)));
        }
    }
    found
}

/// The first line that begins with `name`, or holds it.
fn line_of(text: &str, name: &str) -> usize {
    let at = |test: &dyn Fn(&str) -> bool| text.lines().position(test);
    let line = at(&|line| line.starts_with(name)).or_else(|| at(&|line| line.contains(name)));
    line.map_or(1, |line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::super::broken;
    use super::*;

    const ROOT: &str = r#"[workspace.dependencies]
db = { package = "rapport-db", path = "libs/db" }
loyalty = { package = "rapport-loyalty", path = "services/loyalty" }
scoring = { package = "rapport-scoring", path = "services/scoring" }
suite = { package = "rapport", path = "services/suite" }
tokio = "1"
"#;

    fn problems(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        broken(&check(path, text, &tiers_of(ROOT)))
    }

    #[test]
    fn each_tier_depends_only_on_those_below() {
        let uses = |name: &str| format!("[dependencies]\ntokio.workspace = true\n{name}.workspace = true\n");
        let allowed = [
            ("libs/cache", "db"),
            ("services/loyalty", "db"),
            ("services/suite", "loyalty"),
            ("services/suite", "db"),
            ("tests", "suite"),
        ];
        for (user, used) in allowed {
            assert_eq!(problems(&format!("{user}/Cargo.toml"), &uses(used)), [], "{user} {used}");
        }
        let refused = [
            ("libs/cache", "loyalty"),
            ("libs/cache", "suite"),
            ("services/loyalty", "scoring"),
            ("services/loyalty", "suite"),
        ];
        for (user, used) in refused {
            assert_eq!(problems(&format!("{user}/Cargo.toml"), &uses(used)), [(3, "tiers")], "{user} {used}");
        }
    }

    #[test]
    fn no_kind_of_dependency_escapes() {
        for kind in ["dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            let text = format!("[{kind}]\nloyalty.workspace = true\n");
            assert_eq!(problems("libs/cache/Cargo.toml", &text), [(2, "tiers")], "{kind}");
        }
        let path = "[dependencies]\nx = { path = \"../../services/loyalty\" }\n";
        assert_eq!(problems("libs/cache/Cargo.toml", path), [(2, "manifest")]);
        assert_eq!(problems("libs/cache/Cargo.toml", "[dependencies]\nx = \"1\"\n"), [(2, "manifest")]);
        assert_eq!(
            problems("libs/a/Cargo.toml", "[package]\nname = \"rapport-utils\"\n"),
            [(2, "banned name")]
        );
    }
}
