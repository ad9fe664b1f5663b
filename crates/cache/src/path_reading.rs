//! Paths as origins may read them, for access rules that a differently spelled path must not evade. An
//! origin may ignore case, decode once or more often, take an encoded slash or a backslash for a separator,
//! drop path parameters, empty segments and trailing dots, resolve dot segments, end the path at an encoded
//! delimiter, or do none of this. A pattern claims a path if any combination of these matches it.

/// A path, decoded as far as it goes and split wherever an origin may split it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathReadings(Vec<Piece>);

/// A pattern in the same form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoldedPattern(Vec<FoldedSegment>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FoldedSegment {
    /// This segment.
    Literal(String),
    /// One segment.
    Any,
    /// The rest of the path.
    Rest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    /// In one case, without parameters, surrounding whitespace and trailing dots. Every reading of a segment
    /// has the same name.
    name: String,
    kind: PieceKind,
    /// The separator before it is not a plain slash, so it may belong to the segment before.
    is_joined: bool,
    /// An origin may drop from here to the next plain slash.
    has_parameters: bool,
    /// An origin may drop the rest of the path.
    may_end_path: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PieceKind {
    Named,
    /// Empty, or a dot: an origin may skip it.
    Empty,
    /// Two dots: an origin may remove the segments before it.
    Parent,
}

impl PathReadings {
    /// Splits a path.
    pub(crate) fn parse(path: &str) -> Self {
        Self(path.strip_prefix('/').unwrap_or(path).split('/').flat_map(split_segment).collect())
    }
}

impl FoldedPattern {
    pub(crate) fn new(segments: impl IntoIterator<Item = FoldedSegment>) -> Self {
        let fold = |segment| match segment {
            FoldedSegment::Literal(text) => split_segment(&text)
                .into_iter()
                .filter(|piece| piece.kind == PieceKind::Named)
                .map(|piece| FoldedSegment::Literal(piece.name))
                .collect(),
            FoldedSegment::Any | FoldedSegment::Rest => vec![segment],
        };
        Self(segments.into_iter().flat_map(fold).collect())
    }

    /// Returns true if an origin may read the path as one that matches. Each bit of `states` stands for the
    /// number of segments that some reading of the path so far has matched.
    pub(crate) fn claims(&self, path: &PathReadings) -> bool {
        let Self(segments) = self;
        // A pattern that is too long for the bits claims every path.
        let Some(complete) = u32::try_from(segments.len()).ok().and_then(|length| 1_u64.checked_shl(length))
        else {
            return true;
        };
        let states_before = |kind: &FoldedSegment| {
            segments
                .iter()
                .enumerate()
                .filter(|(_, segment)| *segment == kind)
                .fold(0, |all, (at, _)| all | 1 << at)
        };
        let before_rest: u64 = states_before(&FoldedSegment::Rest);
        let before_any: u64 = states_before(&FoldedSegment::Any);
        let (mut states, mut reached) = (1_u64, 1_u64);
        let mut drops_parameters = false;
        for piece in &path.0 {
            if states & before_rest != 0 {
                return true;
            }
            let named = FoldedSegment::Literal(piece.name.clone());
            let mut next = (states & (before_any | states_before(&named))) << 1;
            drops_parameters &= piece.is_joined;
            if piece.is_joined {
                next |= states & (before_any << 1);
            }
            if drops_parameters || piece.kind == PieceKind::Empty {
                next |= states;
            }
            if piece.kind == PieceKind::Parent {
                next |= reached;
            }
            drops_parameters |= piece.has_parameters;
            reached |= next;
            states = next;
            if piece.may_end_path && states & (complete | before_rest) != 0 {
                return true;
            }
        }
        states & (complete | before_rest) != 0
    }
}

/// Returns true if every origin reads the segment as one segment with a name.
pub(crate) fn is_single_segment(segment: &str) -> bool {
    match &*split_segment(segment) {
        [piece] => piece.kind == PieceKind::Named && !piece.has_parameters && !piece.may_end_path,
        _ => false,
    }
}

/// Returns true if no origin leaves the segments before this one because of it.
pub(crate) fn stays_below(segment: &str) -> bool {
    split_segment(segment).iter().all(|piece| piece.kind != PieceKind::Parent)
}

/// Splits the text between two slashes.
fn split_segment(segment: &str) -> Vec<Piece> {
    let decoded = percent_decode_fully(segment);
    let parts = decoded.split(['/', '\\']).enumerate();
    parts.map(|(index, text)| Piece::new(text, index > 0)).collect()
}

impl Piece {
    fn new(text: &str, is_joined: bool) -> Self {
        let end = text.find([';', '?', '#', '\0']).unwrap_or(text.len());
        let name: String =
            text.get(..end).unwrap_or(text).chars().filter(|char| !char.is_control()).collect();
        let (kind, name) = match name.trim() {
            "" | "." => (PieceKind::Empty, ""),
            ".." => (PieceKind::Parent, ""),
            name => match name.trim_end_matches(['.', ' ']) {
                "" => (PieceKind::Empty, ""),
                name => (PieceKind::Named, name),
            },
        };
        // Some letters have an upper case in common, and some a lower one.
        let name = name.to_uppercase().to_lowercase();
        let has_parameters = text.contains(';');
        let may_end_path = text.contains(['?', '#', '\0']);
        Self { name, kind, is_joined, has_parameters, may_end_path }
    }
}

/// Decodes until nothing is left to decode.
fn percent_decode_fully(text: &str) -> String {
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        bytes.push(byte);
        // A decoded percent sign or digit may complete another code.
        while let Some((before, [b'%', high, low])) = bytes.split_last_chunk::<3>() {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let Some((high, low)) = digit(*high).zip(digit(*low)) else { break };
            let end = before.len();
            bytes.truncate(end);
            bytes.push(high << 4 | low);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_wherever_an_origin_may_split_them() {
        for (path, names) in [
            ("/admin/users", "admin|users"),
            ("/%61DMIN", "admin"),
            ("/%252561dmin", "admin"),
            ("/%%36%31dmin", "admin"),
            ("//admin//users/", "|admin||users|"),
            ("/x\\admin", "x|admin"),
            ("/x/%2e%2e%2fadmin", "x||admin"),
            ("/admin;a=b/users", "admin|users"),
            ("/admin.%20/users%00.css", "admin|users"),
            ("/ad%0amin", "admin"),
            ("/%zz", "%zz"),
            ("/%e2%84%aa", "k"),
            ("/", ""),
        ] {
            let PathReadings(pieces) = PathReadings::parse(path);
            let found: Vec<&str> = pieces.iter().map(|piece| &*piece.name).collect();
            assert_eq!(found.join("|"), names, "{path}");
        }
    }

    #[test]
    fn a_segment_that_an_origin_may_take_for_the_parent_does_not_stay_below() {
        for segment in ["..", "%2e%2e", "%252E.", "x%2f..%2fy", "..;a=b", ".. "] {
            assert!(!stays_below(segment), "{segment}");
        }
        for segment in ["a", ".", "...", "a..b", "%2e", ""] {
            assert!(stays_below(segment), "{segment}");
        }
    }
}
