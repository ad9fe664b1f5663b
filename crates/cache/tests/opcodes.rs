//! The opcodes that JavaScript and Rust exchange: `worker/js/opcodes.js` is generated from the enums. Run
//! this test with `UPDATE_GENERATED=1` to write the file anew.

use std::fmt::Debug;
use std::path::Path;

use cache::purge_relay::SyncStep;
use cache::{OriginError, Step, Tier};

#[test]
fn the_opcode_table_of_the_worker_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worker/js/opcodes.js");
    let expect = module();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&file, &expect).expect("worker/js/opcodes.js is writable");
    }
    let found = std::fs::read_to_string(&file).expect("worker/js/opcodes.js exists");
    assert_eq!(
        found, expect,
        "run `UPDATE_GENERATED=1 cargo test -p edge-vitals-cache --test opcodes` to update the file"
    );
}

#[test]
fn opcodes_are_unique_and_read_back() {
    for step in Step::ALL {
        assert_eq!(Step::from_opcode(step.opcode()), Some(step));
    }
    for tier in Tier::ALL {
        assert_eq!(Tier::from_opcode(tier.opcode()), Some(tier));
    }
    for error in OriginError::ALL {
        assert_eq!(OriginError::from_opcode(error.opcode()), Some(error));
    }
    assert_eq!(Step::from_opcode(u8::MAX), None);
}

fn module() -> String {
    let mut text = String::from(
        "// Generated from crates/cache/src/exchange/step.rs by the test `opcodes` of the crate. Do not edit.\n",
    );
    text +=
        &table("Step", "The next thing for the Worker to do.", Step::ALL.map(|step| (step, step.opcode())));
    text += &table("Tier", "A tier that can hold an entry.", Tier::ALL.map(|tier| (tier, tier.opcode())));
    text += &table(
        "OriginError",
        "A request to the origin that ended without a response.",
        OriginError::ALL.map(|error| (error, error.opcode())),
    );
    text += &table(
        "SyncStep",
        "The next thing to do for the sync of purges.",
        SyncStep::ALL.map(|step| (step, step.opcode())),
    );
    text
}

fn table<T: Debug, const N: usize>(name: &str, about: &str, opcodes: [(T, u8); N]) -> String {
    let mut text = format!("\n/** {about} */\nexport const {name} = /** @type {{const}} */ ({{\n");
    for (value, opcode) in opcodes {
        text += &format!("  {}: {opcode},\n", screaming_snake_case(&format!("{value:?}")));
    }
    text + "});\n"
}

fn screaming_snake_case(name: &str) -> String {
    let mut text = String::new();
    for (index, char) in name.char_indices() {
        if index > 0 && char.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(char.to_ascii_uppercase());
    }
    text
}
