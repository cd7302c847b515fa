use praxis_source::SourceFile;

use super::*;
use crate::parse;

/// The rules that find something.
fn rules(text: &str) -> Vec<String> {
    let (tree, errors) = parse(&SourceFile::new("f", text));
    assert_eq!(errors, [], "{text}");
    let options = CheckOptions::parse(tree.directives.check.as_deref().unwrap_or_default()).unwrap();
    let found = tree.filter_findings(&options, tree.check());
    found.into_iter().filter_map(|finding| finding.code).collect()
}

#[test]
fn each_rule_has_something_to_find() {
    for (text, rule) in [
        ("FROM x AS Upper\n", "StageNameCasing"),
        ("FROM x as y\n", "FromAsCasing"),
        ("FROM x\nRUN a \\\n\n b\n", "NoEmptyContinuation"),
        ("FROM x\nrun a\nCOPY a b\n", "ConsistentInstructionCasing"),
        ("FROM x AS a\nFROM y AS a\n", "DuplicateStageName"),
        ("FROM x AS scratch\n", "ReservedStageName"),
        ("FROM x\nCMD a b\n", "JSONArgsRecommended"),
        ("FROM x\nMAINTAINER me\n", "MaintainerDeprecated"),
        (
            "FROM x\nCMD [\"a\"]\nCMD [\"b\"]\n",
            "MultipleInstructionsDisallowed",
        ),
        ("FROM x\nENV a b\n", "LegacyKeyValueFormat"),
        ("FROM x\nARG AWS_SECRET\n", "SecretsUsedInArgOrEnv"),
        ("FROM x\nEXPOSE 80/TCP\n", "ExposeProtoCasing"),
        ("FROM x\nEXPOSE 127.0.0.1:80:80\n", "ExposeInvalidFormat"),
        (
            "# check=experimental=all\n# other text\nFROM x AS a\n",
            "InvalidDefinitionDescription",
        ),
    ] {
        assert_eq!(rules(text), [rule], "{text}");
    }
}

#[test]
fn good_files_pass() {
    let text = "# a the first\nFROM x AS a\nENV PUBLIC_KEY=1 MONKEY=2\nSHELL [\"/bin/sh\"]\nCMD a\nEXPOSE 80/tcp $p\n\
                RUN a \\\n # note\n b\nfrom y\n";
    assert_eq!(rules(text), ["ConsistentInstructionCasing"]);
    assert_eq!(rules("from x as a\nrun b\n"), [""; 0]);
    assert_eq!(
        rules("# something\nFROM x AS a\n"),
        [""; 0],
        "experimental rules are off"
    );
}

#[test]
fn rules_can_be_skipped() {
    assert_eq!(
        rules("# check=skip=StageNameCasing,all;error=true\nFROM x AS B\n"),
        [""; 0]
    );
    assert_eq!(
        rules("# check=skip=FromAsCasing\nFROM x as B\n"),
        ["StageNameCasing"]
    );
    let text = "FROM x\n# check=skip=JSONArgsRecommended\nCMD a\nENTRYPOINT b\n";
    assert_eq!(rules(text), ["JSONArgsRecommended"]);
}

#[test]
fn options_are_checked() {
    assert!(CheckOptions::parse("skip=all;error=true").unwrap().error);
    assert!(
        CheckOptions::parse("skpi=all")
            .unwrap_err()
            .contains("did you mean skip?")
    );
    assert!(CheckOptions::parse("error=maybe").is_err());
    assert!(CheckOptions::parse("x").is_err());
}
