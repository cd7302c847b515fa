//! Promotion: the digests of a verified release go into deploy files (decision 38).

use praxis_check::{Deployment, Deployments, Policy, Promoted, Promotion};
use praxis_ledger::{Entry, Kind};
use praxis_oci::{Digest, Reference};
use serde_json::{Value, json};

use crate::{Engine, EngineError, ReleaseRecord, Worktree, record_time};

/// What `praxis promote` asks for.
pub struct PromoteRequest<'a> {
    /// The release.
    pub record: &'a ReleaseRecord,
    /// The policy of the work tree.
    pub policy: &'a Policy,
    /// Who approves.
    pub approver: Option<Approver>,
    /// Leave the files as they are: the patches are for somebody else to apply. Without an approver nothing is written down
    /// then.
    pub as_patch: bool,
}

/// Who approves a promotion.
#[derive(Clone, Debug)]
pub struct Approver {
    /// Name and address.
    pub name: String,
    /// Who says so: `command line` or `git`.
    pub said_by: &'static str,
}

/// Says how a release was verified, or why it is not to be believed.
pub type Verify<'a> = dyn Fn(&ReleaseRecord) -> Result<String, EngineError> + 'a;

impl Engine {
    /// Verifies a release, then writes its digests into the deploy files of the work tree: 64 digits a place and no other
    /// byte. Nothing is written before the approval is in the ledger; each file is at any moment wholly old or wholly new,
    /// and a promotion that was cut short is completed by the same request.
    ///
    /// # Errors
    /// If the release is not verified, a place cannot be edited without doubt, or the ledger or a file cannot be written.
    pub fn promote(
        &self,
        tree: &Worktree,
        request: &PromoteRequest,
        verify: &Verify,
    ) -> Result<Promotion, EngineError> {
        let verified = verify(request.record)?;
        let promotion = promotion(tree, request.policy, request.record)?;
        if promotion.changed.is_empty() {
            return Ok(promotion);
        }
        let entry = request
            .approver
            .as_ref()
            .map(|approver| entry(request, approver, &promotion, &verified));
        match (request.as_patch, entry) {
            (true, Some(entry)) => drop(self.record(entry)?),
            (true, None) => {}
            (false, Some(entry)) => {
                let prepared = tree.prepare(&promotion.patches)?;
                self.record(entry)?;
                prepared.place()?;
            }
            (false, None) => return Err(EngineError::user("it is not said who approves")),
        }
        Ok(promotion)
    }
}

/// What promoting a release would change. Nothing is written and nothing verified.
///
/// # Errors
/// If the release is of another image, or a place cannot be edited without doubt.
pub fn promotion(tree: &Worktree, policy: &Policy, record: &ReleaseRecord) -> Result<Promotion, EngineError> {
    let own = own_name(policy)?.unwrap_or_else(|| record.repository.clone());
    if own != record.repository {
        return Err(EngineError::user(format!(
            "the release is one of {}, this repository deploys {own}",
            record.repository
        )));
    }
    let images: Vec<Promoted> = record
        .images
        .iter()
        .map(|image| Promoted {
            variant: image.variant.as_deref(),
            digest: &image.digest,
            tags: &image.tags,
        })
        .collect();
    if images.iter().any(|image| is_zero(image.digest)) {
        return Err(EngineError::user(
            "the release has the placeholder for a digest: it was never published",
        ));
    }
    Ok(Deployments::find(tree, policy, &own)?.promote(&images)?)
}

/// What is wrong with the digests that are deployed: neither the placeholder nor the last release (that of `record`, else
/// `deploy.released`), not equal everywhere, or the placeholder in production. And how many places there are.
///
/// # Errors
/// If it is not said which image is deployed, or a place could not be promoted.
pub fn promotion_problems(
    tree: &Worktree,
    policy: &Policy,
    record: Option<&ReleaseRecord>,
) -> Result<(usize, Vec<(Deployment, String)>), EngineError> {
    let own = own_name(policy)?.or_else(|| record.map(|record| record.repository.clone()));
    let Some(own) = own else {
        return Err(EngineError::user("it is not said which image is deployed")
            .with_hint("name in [image] of praxis.toml, or a release record"));
    };
    let released = record
        .and_then(ReleaseRecord::image)
        .map(|image| image.digest.to_string());
    let released = released.or_else(|| policy.deploy.released.as_ref().map(|it| it.get_ref().clone()));
    let found = Deployments::find(tree, policy, &own)?;
    let problems = found.problems(released.as_deref()).into_iter();
    let problems = problems.map(|(place, why)| (place.clone(), why)).collect();
    Ok((found.places.len(), problems))
}

fn own_name(policy: &Policy) -> Result<Option<String>, EngineError> {
    let name = policy.image.name.as_ref().map(|name| name.parse::<Reference>());
    let name = name.transpose();
    let name = name.map_err(|error| EngineError::user(format!("image.name of praxis.toml: {error}")))?;
    Ok(name.map(|name| name.name()))
}

fn is_zero(digest: &Digest) -> bool {
    digest.as_bytes().iter().all(|byte| *byte == 0)
}

fn entry(request: &PromoteRequest, approver: &Approver, promotion: &Promotion, verified: &str) -> Entry {
    let record = request.record;
    let digest = |variant: Option<&str>| {
        let image = record
            .images
            .iter()
            .find(|image| image.variant.as_deref() == variant);
        image.map(|image| image.digest)
    };
    let change = |place: &Deployment| -> Value {
        json!({
            "path": place.path,
            "line": place.line,
            "before": place.digest,
            "after": digest(place.variant.as_deref()),
        })
    };
    Entry {
        time: record_time(),
        kind: Kind::Promote,
        subject: digest(None),
        success: true,
        summary: format!(
            "{} {} into {} places of {} files, approved by {}",
            if request.as_patch {
                "gave a patch to promote"
            } else {
                "promotes"
            },
            record.version,
            promotion.changed.len(),
            promotion.patches.len(),
            approver.name
        ),
        body: json!({
            "repository": record.repository,
            "version": record.version,
            "commit": record.commit,
            "approver": approver.name,
            "approver_said_by": approver.said_by,
            "verified": verified,
            "as_patch": request.as_patch,
            "changes": promotion.changed.iter().map(change).collect::<Vec<_>>(),
        }),
    }
}
