//! No panic, no hang and no endless memory on any bytes.

use praxis_source::SourceFile;

use crate::{Inputs, read};

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize
    }
}

const SIGNS: &[u8] = b"{}[]()\"$%'\n:=,*&!-?<";

const SEEDS: [(&str, &str); 4] = [
    (
        "a.hcl",
        "variable \"A\" {\n  type = list(string)\n  default = [\"é\", null]\n  validation {\n    condition = length(A) > 0\n    \
         error_message = \"no ${A}\"\n  }\n}\nfunction \"f\" {\n  params = [x]\n  result = \"<${x}%{ if true }y%{ endif }>\"\n}\n\
         target \"default\" {\n  name = \"a-${t}\"\n  matrix = { t = [\"x\", \"y\"] }\n  args = { for k, v in { a = 1 } : k => \
         format(\"%05d\", v + 2 * 3) if v != 2 }\n  dockerfile-inline = <<-EOT\n    FROM a\n    EOT\n  tags = [f(t), \
         target.default.args.a, A[0], A[*]]\n}\n",
    ),
    (
        "a.json",
        "{\"variable\":{\"A\":{\"default\":\"\\u00e9${1+1}\"}},\"target\":{\"default\":[{\"tags\":[\"${A}\",null,1.5e3,true]}]},\
         \"group\":{\"g\":{\"targets\":[\"default\"]}}}",
    ),
    (
        "a.yaml",
        "x: &a {b: [1, 'é', \"\\n\"]}\nservices:\n  default:\n    image: ${X:-y}\n    build:\n      <<: *a\n      context: .\n      \
         args:\n        - A=$$1\n      dockerfile_inline: |\n        FROM a\n    extends: {service: other}\n  other: {}\n",
    ),
    (
        "-",
        "A = cidrhost(1, 2)\ntarget \"default\" { tags = [regex_replace(\"a\", \"(a)\", \"$1\")] }\n",
    ),
];

fn run(name: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let inputs = Inputs {
        files: vec![SourceFile::new(name, text.clone())],
        dotenv: Some(SourceFile::new(".env", text)),
        ..Inputs::default()
    };
    if let Ok(bake) = read(&inputs) {
        let set = ["*.tags+=x".to_string()];
        _ = bake.resolve(&[], &set, &inputs.environment);
    }
}

#[test]
fn changed_files_never_panic() {
    let mut numbers = Numbers(1);
    for (name, seed) in SEEDS {
        run(name, seed.as_bytes());
        for _ in 0..1500 {
            let mut bytes = seed.as_bytes().to_vec();
            for _ in 0..1 + numbers.next() % 4 {
                let at = numbers.next() % bytes.len();
                match numbers.next() % 5 {
                    0 => bytes[at] = numbers.next() as u8,
                    1 => _ = bytes.remove(at),
                    2 => bytes.insert(at, SIGNS[numbers.next() % SIGNS.len()]),
                    3 => {
                        let end = (at + numbers.next() % 20).min(bytes.len());
                        let part = bytes[at..end].to_vec();
                        let to = numbers.next() % bytes.len();
                        bytes.splice(to..to, part);
                    }
                    _ => bytes.truncate(at.max(1)),
                }
                if bytes.is_empty() {
                    bytes.push(b'\n');
                }
            }
            run(name, &bytes);
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut numbers = Numbers(7);
    for round in 0..2000 {
        let length = numbers.next() % 200;
        let bytes: Vec<u8> = (0..length).map(|_| numbers.next() as u8).collect();
        let (name, _) = SEEDS[round % SEEDS.len()];
        run(name, &bytes);
    }
}

#[test]
fn long_runs_of_one_sign_are_errors() {
    for sign in [
        "(",
        "[",
        "{",
        "!",
        "-",
        "\"${",
        "a.",
        "a[",
        "a?",
        "1+",
        "<<A\n",
        "%{if a}",
        "- ",
        "{a: ",
        "? ",
        "&a ",
        "!t ",
        "*a ",
        "{\"a\":",
        "[\"a\",",
        "a ? b : ",
        "a {",
        "\"a\" {\n",
    ] {
        let text = sign.repeat(30_000);
        for (name, _) in SEEDS {
            run(name, text.as_bytes());
            run(name, format!("a = {text}").as_bytes());
        }
    }
}
