//! The calls between JavaScript and the wasm client: `pkg/src/opcodes.js` is the table of `vitals::opcode`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panic")]

#[path = "../../wire/tests/generated/mod.rs"]
mod generated;

use std::fmt::Write as _;

use generated::check_generated;
use vitals::opcode::{BeaconCall, CallbackCall, Opcode};
use vitals::{CallbackTracker, EntryGrouping, ReportState, ReportTrigger, SoftNavigation};
use wire::Metric;

#[test]
fn opcodes_in_javascript_are_those_of_the_table() {
    check_generated("pkg/src/opcodes.js", "crates/vitals/src/opcode.rs", &javascript());
}

#[test]
fn opcodes_are_numbered_by_their_position() {
    for table in [BeaconCall::TABLE, CallbackCall::TABLE] {
        for (number, opcode) in (0..).zip(table) {
            assert_eq!(opcode.number, number, "{}", opcode.name);
        }
    }
}

#[test]
fn the_opcode_of_an_entry_is_the_index_of_its_type() {
    let entries = ["PaintEntry", "LargestPaintEntry", "LayoutShiftEntry", "EventEntry", "FirstInputEntry"];
    let names: Vec<&str> = BeaconCall::TABLE.iter().take(entries.len()).map(|opcode| opcode.name).collect();
    assert_eq!(names, entries);
    let types: Vec<Option<&str>> = Metric::ALL.iter().map(|metric| metric.entry_type()).collect();
    assert!(types[..entries.len()].iter().all(Option::is_some) && types[entries.len()..] == [None]);
}

#[test]
fn a_call_is_decoded_with_its_operands() {
    assert_eq!(BeaconCall::decode(10, [1.0, 2.0, 3.0, 4.0, 5.0]), Some(BeaconCall::PageHidden { at: 1.0 }));
    let duration = CallbackCall::RecordDuration { start: 1.0, end: 2.0, seen_at: 3.0 };
    assert_eq!(CallbackCall::decode(3, [1.0, 2.0, 3.0]), Some(duration));
    assert_eq!(CallbackCall::decode(14, [0.0; 3]), None);
}

#[test]
fn a_report_trigger_is_read_from_its_number() {
    for trigger in ReportTrigger::ALL {
        assert_eq!(ReportTrigger::from_code(trigger as u32), trigger);
    }
}

#[test]
fn the_state_of_a_view_is_read_from_its_number() {
    for state in ReportState::INITIAL {
        assert_eq!(ReportState::from_code(state as u32), state);
    }
}

fn javascript() -> String {
    let mut text = "/**
 * The calls to the wasm client: opcodes, operands and answers. Generated from `crates/vitals/src/opcode.rs`;
 * to write it anew, run `UPDATE_GENERATED=1 cargo test -p vitals --test opcodes`.
 * @module
 */

/** A number for wasm, where `true` becomes 1, `false` 0, and `undefined` not a number. @typedef {number | boolean | undefined} Operand */
"
    .to_owned();
    write_calls(&mut text, "BeaconCall", &[], BeaconCall::TABLE);
    text.push_str("\n/** The number of slots. */\n");
    write_constant(&mut text, "MAX_SUBSCRIPTIONS", CallbackTracker::MAX_SUBSCRIPTIONS);
    write_calls(&mut text, "CallbackCall", &["slot: number"], CallbackCall::TABLE);
    text.push_str("\n/** The answers to a new entry; any other one means to drop it. */\n");
    for grouping in [EntryGrouping::StartGroup, EntryGrouping::JoinGroup] {
        write_constant(&mut text, &capitals(&format!("{grouping:?}")), grouping.code().unwrap().into());
    }
    text.push_str("\n/** The triggers of a report. */\n");
    for trigger in ReportTrigger::ALL {
        write_constant(
            &mut text,
            &format!("TRIGGER_{}", capitals(&format!("{trigger:?}"))),
            trigger as usize,
        );
    }
    text.push_str("\n/** The states in which a view may begin. */\n");
    for state in ReportState::INITIAL {
        write_constant(&mut text, &format!("VIEW_{}", capitals(&format!("{state:?}"))), state as usize);
    }
    text.push_str("\n/** The answers to a soft-navigation entry; any other one means to ignore it. */\n");
    for meaning in [SoftNavigation::Current, SoftNavigation::New] {
        write_constant(
            &mut text,
            &format!("{}_VIEW", capitals(&format!("{meaning:?}"))),
            meaning.code().unwrap().into(),
        );
    }
    text
}

/// A type for all calls of a table, and a constant for each opcode.
fn write_calls(text: &mut String, calls: &str, first: &[&str], table: &[Opcode]) {
    write!(text, "\n/**\n * @typedef {{\n").unwrap();
    for Opcode { name, operands, .. } in table {
        let opcode = format!("opcode: typeof {}", capitals(name));
        let operands = operands.iter().map(|operand| format!("{}: Operand", camel_case(operand)));
        let elements: Vec<String> =
            std::iter::once(opcode).chain(first.iter().map(ToString::to_string)).chain(operands).collect();
        writeln!(text, " *   | [{}]", elements.join(", ")).unwrap();
    }
    writeln!(text, " * }} {calls}\n */").unwrap();
    for Opcode { number, name, description, .. } in table {
        writeln!(text, "/**{description} */").unwrap();
        write_constant(text, &capitals(name), *number as usize);
    }
}

fn write_constant(text: &mut String, name: &str, value: usize) {
    writeln!(text, "export const {name} = {value};").unwrap();
}

/// `StartGroup` is `START_GROUP`.
fn capitals(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(character.to_ascii_uppercase());
    }
    text
}

/// `start_time` is `startTime`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        text.push_str(&first.to_uppercase());
        text.push_str(rest);
    }
    text
}
