//! Checks a component as a publisher, an operator and a player would come to know it: first everything that publishing checks, by
//! the same code, then some thousand seeded calls without a store. Says what it finds; changes nothing.

mod finding;
mod mathematics;
mod player;
mod schemas;
mod seen;
mod trial;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;

pub use self::{
    finding::{Finding, Severity},
    mathematics::Declared,
};
use self::{
    mathematics::in_words,
    seen::{MethodSeen, Seen},
    trial::Trial,
};
use crate::{
    catalog::{Playable, Upload},
    engine::{Engine, LoadError},
    identity::{GameId, ReleaseDigest},
    limits::{DOCUMENTS_BYTES_MAX, REPLY_BYTES_MAX},
    signing::Signature,
};

/// How much is tried.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Plan {
    /// Calls.
    pub calls: u32,
    /// What they follow from: the same seed, the same calls.
    pub seed: u64,
}

/// What is to be said of a component.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Which it is.
    pub release: ReleaseDigest,
    /// The game, if the component is one.
    pub game: Option<GameId>,
    /// The designer's version.
    pub version: Option<String>,
    /// What was tried.
    pub plan: Plan,
    /// What was measured, where anything could be called.
    pub measured: Option<Measured>,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
}

/// What the calls took and gave.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Calls that were answered with a result.
    pub replies: u64,
    /// Calls that were answered with one of the game's faults.
    pub faults: u64,
    /// Both, by method.
    pub methods: BTreeMap<String, Answered>,
    /// Rounds that were played to their end.
    pub rounds: u64,
    /// What they returned in words, where they were enough to say.
    pub returned: Option<String>,
    /// The largest payout of a round over its stake.
    pub largest_win: f64,
    /// What the game declares.
    pub declared: Declared,
    /// What a step computes.
    pub step_us: Quantiles,
    /// The largest memory of a step, in bytes.
    pub memory: Used,
    /// The largest answer, in bytes.
    pub reply: Used,
    /// The most that was kept for a player, in bytes.
    pub documents: Used,
}

/// How calls of a method were answered, where it did not break down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// With a result.
    pub replies: u64,
    /// With one of the game's faults.
    pub faults: u64,
}

/// How times are spread.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Quantiles {
    /// Half took no longer.
    pub p50: u64,
    /// Of a hundred, one took longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
    /// What is allowed.
    pub allowed: u64,
}

/// What was used of what is allowed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Used {
    /// The most.
    pub most: usize,
    /// What is allowed.
    pub allowed: usize,
}

impl Report {
    /// How many findings are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// Checks a component.
///
/// # Errors
/// Where this computer cannot do it; what is wrong with the component is in the report.
pub async fn check(engine: &Arc<Engine>, upload: &Upload, plan: Plan) -> anyhow::Result<Report> {
    let release = ReleaseDigest::of(&upload.component);
    let mut report = Report { release, game: None, version: None, plan, measured: None, findings: Vec::new() };
    report.findings.extend(upload.signature.as_deref().and_then(|signature| of_signature(signature, &release)));
    let loaded = match engine.check_size(upload.component.len()) {
        Ok(()) => Playable::load(engine, upload.component.clone()).await,
        Err(too_large) => Err(too_large),
    };
    let playable = match loaded {
        Ok(playable) => playable,
        Err(refusal) => {
            report.findings.push(of_refusal(&refusal));
            return Ok(report);
        }
    };
    let descriptor = playable.release.descriptor();
    report.game = Some(descriptor.id.clone());
    report.version = Some(descriptor.version.clone());
    for method in &descriptor.methods {
        if let Some((params, _)) = playable.schemas(&method.name) {
            let misfit = |example: &Value| Some(playable.check(&method.name, example).err()?.message);
            report.findings.extend(schemas::findings(method, params, misfit));
        }
    }
    let declared = Declared::of(descriptor.rtp_ppm, descriptor.max_win_ppm);
    let seen = Trial::new(engine, &playable, plan)?.play().await?;
    let bounds = engine.settings();
    report.findings.extend(seen.findings(declared, bounds.step_compute_max, bounds.memory_bytes_max));
    report
        .findings
        .sort_by(|one, other| (one.severity, &one.method, one.code).cmp(&(other.severity, &other.method, other.code)));
    report.measured = Some(measured(&seen, declared, bounds.step_compute_max, bounds.memory_bytes_max));
    Ok(report)
}

fn measured(seen: &Seen, declared: Declared, step_max: Duration, memory_bytes_max: usize) -> Measured {
    let returns = &seen.rounds.returns;
    let returned = returns.rtp().zip(returns.rtp_interval()).map(|(rtp, interval)| in_words(rtp, interval));
    let used = |most, allowed| Used { most, allowed };
    let answered = |seen: &MethodSeen| Answered { replies: seen.replies, faults: seen.faults };
    let methods: BTreeMap<_, _> = seen.methods.iter().map(|(name, method)| (name.clone(), answered(method))).collect();
    Measured {
        replies: methods.values().map(|method| method.replies).sum(),
        faults: methods.values().map(|method| method.faults).sum(),
        methods,
        rounds: returns.rounds,
        returned,
        largest_win: seen.rounds.largest_win,
        declared,
        step_us: seen.times(step_max),
        memory: used(seen.memory_bytes, memory_bytes_max),
        reply: used(seen.reply_bytes, REPLY_BYTES_MAX),
        documents: used(seen.documents_bytes, DOCUMENTS_BYTES_MAX),
    }
}

fn of_signature(signature: &str, release: &ReleaseDigest) -> Option<Finding> {
    let verified = Signature::parse(signature).and_then(|signature| signature.verify(release));
    let error = verified.err()?;
    Some(Finding::error("bad_signature", error.to_string(), "sign this build: croupier game sign"))
}

/// A component that no host takes in.
fn of_refusal(refusal: &LoadError) -> Finding {
    let code = match refusal {
        LoadError::TooLarge { .. } => "too_large",
        LoadError::CompileTooSlow => "compile_too_slow",
        LoadError::NotAComponent(_) => "not_a_component",
        LoadError::ForbiddenImport(_) => "forbidden_import",
        LoadError::IncompatibleContract { .. } => "incompatible_contract",
        LoadError::ContractMismatch(_) => "contract_mismatch",
        LoadError::NotCompiled(_) => "not_compiled",
        LoadError::DescribeFailed(_) => "describe_failed",
        LoadError::BadDescriptor(_) => "bad_descriptor",
    };
    Finding::error(code, refusal.to_string(), "no host takes it in like this: build it with 'croupier build'")
}
