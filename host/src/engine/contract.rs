//! Which versions of the contract a component may have been built against, and what it may ask for.

use wasmtime::component::Component;

use super::LoadError;

/// The version of the contract `croupier:game` that this host speaks.
pub const CONTRACT_VERSION: &str = "0.1.2";

/// How the versions begin that can stand in for each other: ours for an older one as it is, ours for a newer one as far
/// as the component uses nothing that ours does not have.
const COMPATIBLE: &str = "0.1.";

const PACKAGE: &str = "croupier:game/";
const IMPORTS: [&str; 7] = ["types", "wallet", "store", "random", "notify", "track", "log"];
/// What a release need not export.
const MIGRATION: &str = "migration";
/// See [`MIGRATION`].
const SIMULATION: &str = "simulation";

/// The name of one of the contract's interfaces, in the version that this host speaks.
pub(super) fn interface(name: &str) -> String {
    format!("{PACKAGE}{name}@{CONTRACT_VERSION}")
}

/// What a component's names say of the contract.
pub(super) struct Claims {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Claims {
    pub(super) fn of(component: &Component, engine: &wasmtime::Engine) -> Self {
        let component = component.component_type();
        Self {
            imports: component.imports(engine).map(|(name, _)| name.to_owned()).collect(),
            exports: component.exports(engine).map(|(name, _)| name.to_owned()).collect(),
        }
    }

    /// # Errors
    /// Where it was built against a version that ours cannot stand in for, or imports what no version has.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        let versions = self.imports.iter().chain(&self.exports).filter_map(|name| of_contract(name));
        for (_, version) in versions {
            if !version.starts_with(COMPATIBLE) {
                return Err(incompatible(version));
            }
        }
        let is_known = |name: &str| of_contract(name).is_some_and(|(interface, _)| IMPORTS.contains(&interface));
        match self.imports.iter().find(|import| !is_known(import)) {
            Some(import) => Err(self.mismatch(|| LoadError::ForbiddenImport(import.clone()))),
            None => Ok(()),
        }
    }

    /// Why it does not link: it may just be newer than this host, and use what is new.
    pub(super) fn mismatch(&self, otherwise: impl FnOnce() -> LoadError) -> LoadError {
        let imports = self.imports.iter().filter_map(|name| of_contract(name));
        let newer = imports.map(|(_, version)| version).find(|version| patch(version) > patch(CONTRACT_VERSION));
        newer.map_or_else(otherwise, incompatible)
    }

    /// Whether it brings documents of older releases to its own version.
    pub(super) fn migrates(&self) -> bool {
        self.exports(MIGRATION)
    }

    /// Whether it plays rounds by itself.
    pub(super) fn simulates(&self) -> bool {
        self.exports(SIMULATION)
    }

    fn exports(&self, interface: &str) -> bool {
        self.exports.iter().filter_map(|name| of_contract(name)).any(|(exported, _)| exported == interface)
    }
}

/// Interface and version, where a name is one of the contract's.
fn of_contract(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(PACKAGE)?.split_once('@')
}

fn patch(version: &str) -> u64 {
    version.strip_prefix(COMPATIBLE).and_then(|patch| patch.parse().ok()).unwrap_or(0)
}

fn incompatible(version: &str) -> LoadError {
    LoadError::IncompatibleContract { built_against: version.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(imports: &[&str], exports: &[&str]) -> String {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let claims = Claims { imports: owned(imports), exports: owned(exports) };
        claims.check().err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn only_the_contracts_interfaces_may_be_imported() {
        for good in ["croupier:game/wallet@0.1.0", "croupier:game/types@0.1.7"] {
            assert_eq!(refusal(&[good], &["croupier:game/game@0.1.0", "other:package/interface@2.0.0"]), "");
        }
        for bad in ["wasi:clocks/wall-clock@0.2.0", "croupier:game/clock@0.1.0", "croupier:game/wallet", "wallet"] {
            assert!(refusal(&[bad], &[]).contains(&format!("it imports '{bad}'")), "{bad}");
        }
    }

    #[test]
    fn a_version_that_ours_cannot_stand_in_for_is_named_with_what_to_rebuild() {
        for (imports, exports, version) in [
            (["croupier:game/wallet@0.2.0"], ["croupier:game/game@0.1.0"], "0.2.0"),
            (["croupier:game/wallet@0.1.0"], ["croupier:game/game@1.0.0"], "1.0.0"),
            (["croupier:game/wallet@0.1.0"], ["croupier:game/migration@0.10.0"], "0.10.0"),
            (["croupier:game/clock@0.1.7"], ["croupier:game/game@0.1.7"], "0.1.7"),
        ] {
            let refusal = refusal(&imports, &exports);
            assert!(refusal.contains(&format!("croupier:game@{version}")), "{refusal}");
            assert!(refusal.contains("rebuild"), "{refusal}");
        }
    }

    #[test]
    fn our_own_version_is_compatible() {
        assert!(CONTRACT_VERSION.starts_with(COMPATIBLE));
        assert!(CONTRACT_VERSION[COMPATIBLE.len()..].parse::<u64>().is_ok());
    }
}
