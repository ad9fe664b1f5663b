//! The generated files in the repository are those of this crate.

use std::fs;
use std::path::Path;

#[test]
fn the_generated_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let is_update = std::env::var_os("UPDATE_GENERATED").is_some();
    for file in api_docs::generate() {
        let path = root.join(file.path);
        if is_update {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &file.text).unwrap();
        }
        assert!(
            fs::read_to_string(&path).is_ok_and(|text| text == file.text),
            "{} is out of date; run `UPDATE_GENERATED=1 cargo test -p api-docs`",
            file.path
        );
    }
}
