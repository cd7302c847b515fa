//! `docs/security-rows.md` says what is true.

use std::fs;
use std::path::Path;

#[test]
fn every_row_that_is_promised_has_tests_that_exist() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = fs::read_to_string(top.join("docs/security-rows.md")).unwrap();
    let cells = |line: &str| {
        line.split('|')
            .map(|cell| cell.trim().to_string())
            .collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .map(cells)
        .collect();
    let promised = (1..=17)
        .chain(20..=24)
        .chain(25..=35)
        .chain([36])
        .chain(39..=50)
        .chain(56..=63)
        .chain([66]);
    for number in promised {
        let row = rows.iter().find(|row| row[1] == number.to_string());
        let row = row.unwrap_or_else(|| panic!("row {number} is not in the table"));
        assert!(row[3].contains("`row_"), "row {number} has no test");
    }
    for number in 1..=16 {
        let row = rows.iter().find(|row| row[1] == format!("S{number}"));
        let row = row.unwrap_or_else(|| panic!("row S{number} is not in the table"));
        assert!(
            row[3].contains(&format!("`service_row_{number:02}_")),
            "row S{number} has no test of its own"
        );
    }
    let mut names = 0;
    for place in rows
        .iter()
        .flat_map(|row| row[3].split("<br>"))
        .filter(|place| place.contains('`'))
    {
        let (path, tests) = place.split_once(": ").unwrap();
        let text = fs::read_to_string(top.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        for name in tests.split(", ").map(|name| name.trim_matches('`')) {
            assert!(text.contains(&format!("fn {name}(")), "{path} has no test {name}");
            names += 1;
        }
    }
    assert!(names > 80, "{names}");
}
