use praxis_dockerfile::parse;

use super::tests::{Shelf, request};
use super::*;

const SEED: &str = "# check=skip=all\nARG a=${b:-\"c d\"}\nFROM --platform=$BUILDPLATFORM plain AS y\nONBUILD RUN <<X\nb\nX\n\
FROM full AS z\nRUN --mount=type=cache,target=/c,id=${a} --mount=type=secret,id=é --network=none <<A cat \\\n | sh\n${a##*/}\n\
A\nCOPY --chown=${a%%x} --chmod=u=rwX --from=y [\"a\", \"b c\"] <<E ./\n${a/b/c}\nE\nENV \"a b\"='c' d=\\\"e é=ü\nENV a  b\n\
LABEL a=\"b\\\n c\"\nFROM y\nHEALTHCHECK --interval=1m3.5s CMD [\"a\"]\nEXPOSE 1-3/udp $p\nVOLUME [\"/a\"]\nSHELL [\"/bin/sh\"]\n\
ADD https://x/y git@h:r /z\nSTOPSIGNAL 9\nUSER a:b\nWORKDIR x/../y\nCOPY --from=0 /a /b\nCMD $a\n";

/// security row 38: no tree makes the planner panic. The changes come from a fixed sequence.
#[test]
fn row_38_no_text_makes_the_planner_panic() {
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let pieces = [
        "$a",
        "${",
        "}",
        "y",
        "0",
        "=",
        "/",
        "..",
        "\"",
        "\\",
        ",",
        "--from=z ",
        "#",
        "%",
        "\n",
        ":?",
    ];
    let (mut plans, mut refusals) = (0, 0);
    for _ in 0..3000 {
        let mut text: Vec<char> = SEED.chars().collect();
        for _ in 0..1 + random(3) {
            let at = random(text.len());
            match random(3) {
                0 => drop(text.drain(at..(at + random(5)).min(text.len()))),
                1 => drop(text.splice(at..at, pieces[random(pieces.len())].chars())),
                _ => text.swap(at, at / 2),
            }
        }
        let file = SourceFile::new("f", text.into_iter().collect::<String>());
        let (tree, errors) = parse(&file);
        if !errors.is_empty() {
            continue;
        }
        match plan(&file, &tree, &request(), &Shelf) {
            Ok(plan) => {
                assert_eq!(plan.target + 1, plan.stages.len());
                plans += 1;
            }
            Err(errors) => {
                assert!(errors.iter().any(Diagnostic::is_error));
                refusals += 1;
            }
        }
    }
    assert!(
        plans > 300 && refusals > 100,
        "the changes leave too little to plan: {plans} {refusals}"
    );
}
