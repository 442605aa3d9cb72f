//! Every definition in `ACTIONS.md` is one that is accepted.

use rules::definition::Definition;

#[test]
fn every_example_of_the_page_is_a_rule() {
    let page = include_str!("../ACTIONS.md");
    let examples: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 2);
    for example in examples {
        let definition = Definition::parse("example", "ACTIONS.md", example)
            .unwrap_or_else(|errors| panic!("{}", errors.render(example)));
        assert_eq!(definition.warnings, []);
    }
}
