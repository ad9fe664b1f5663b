//! Paths as lenient origins read them, for access rules that a differently spelled path must not evade.

/// Returns a path as the most lenient origin interprets it: decoded repeatedly, without path parameters,
/// empty segments and dot segments.
pub(crate) fn normalize_path(path: &str) -> String {
    let mut path = path.to_owned();
    for _ in 0..MAX_DECODE_PASSES {
        let decoded = percent_decode(&path);
        if decoded == path {
            break;
        }
        path = decoded;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split(['/', '\\']) {
        let until = segment.find([';', '?', '#', '\0']).unwrap_or(segment.len());
        match segment.get(..until).unwrap_or(segment).trim() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}{}", segments.join("/"), if path.ends_with('/') && !segments.is_empty() { "/" } else { "" })
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code = code.filter(|code| code.iter().all(u8::is_ascii_hexdigit));
        let byte = code
            .and_then(|code| std::str::from_utf8(code).ok())
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const MAX_DECODE_PASSES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalized_as_the_most_lenient_origin_would() {
        for (path, reading) in [
            ("/admin/users", "/admin/users"),
            ("/%61dmin", "/admin"),
            ("/%2561dmin", "/admin"),
            ("//admin//users/", "/admin/users/"),
            ("/x/%2e%2e/admin", "/admin"),
            ("/x/..;/admin", "/admin"),
            ("/x\\..\\admin", "/admin"),
            ("/x/..%2fadmin", "/admin"),
            ("/admin;a=b/users", "/admin/users"),
            ("/admin%00.css", "/admin"),
            ("/admin%3fx", "/admin"),
            ("/%zz", "/%zz"),
            ("/", "/"),
        ] {
            assert_eq!(normalize_path(path), reading, "{path}");
        }
    }
}
