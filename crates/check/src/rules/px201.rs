//! # The runtime is not made from a builder
//!
//! The final stage starts from an image, or from a stage that builds nothing: not from one that other stages copy
//! artefacts out of, nor from one that is called a builder.
//!
//! # Why
//! What a builder holds (compilers, sources, caches, credentials of package managers) is what an attacker would
//! install first.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS builder
//! RUN make
//! FROM builder
//! CMD ["/app"]
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS builder
//! RUN make
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! COPY --from=builder /app /app
//! CMD ["/app"]
//! ```
//! # Fix
//! Start the final stage from a clean image and copy the artefacts with `COPY --from`.

use crate::images::BaseView;
use crate::rule::Report;
use crate::Repository;

const NAMES: [&str; 6] = ["build", "builder", "build-env", "compile", "compiler", "devel"];

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for index in view.chain() {
            let Some(BaseView::Stage(parent)) = view.bases.get(index) else {
                continue;
            };
            let name = view.tree.stages[*parent].from.name.clone().unwrap_or_default();
            if NAMES.contains(&name.as_str()) || name.ends_with("-builder") {
                let span = view.place(view.tree.stages[index].from.span, "FROM");
                report.add(&view.path, span, format!("the final image is made from the stage {name}"));
            }
        }
    }
}
