//! The calls from JavaScript to the wasm client: an opcode and its operands, all numbers. One table
//! for each of the two shells in `crates/client`. `pkg/src/opcodes.js` is generated from these tables;
//! `tests/opcodes.rs` fails where the file differs.

/// A row of a table: one kind of call.
#[derive(Clone, Copy, Debug)]
pub struct Opcode {
    /// The number that stands for the call.
    pub number: u32,
    /// The name in Rust; in JavaScript it is written in capitals.
    pub name: &'static str,
    /// The names of the operands, in order.
    pub operands: &'static [&'static str],
    /// The doc comment.
    pub description: &'static str,
}

/// Defines an enum of calls, its decoder and its table. Nothing of the table reaches the wasm module,
/// which never reads it.
macro_rules! calls {
    (
        $(#[$doc:meta])*
        $calls:ident($max_operands:literal) {
            $($(#[doc = $description:literal])+ $call:ident = $number:literal ($($operand:ident),*),)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[expect(missing_docs, reason = "the operands are explained with the call they belong to")]
        pub enum $calls {
            $($(#[doc = $description])+ $call { $($operand: f64),* }),+
        }

        impl $calls {
            /// Every opcode of this shell.
            pub const TABLE: &[Opcode] = &[$(Opcode {
                number: $number,
                name: stringify!($call),
                operands: &[$(stringify!($operand)),*],
                description: concat!($($description),+),
            }),+];

            /// Reads a call; `None` for an unknown opcode. Operands beyond those of the call are ignored.
            #[inline(always)]
            #[must_use]
            pub const fn decode(opcode: u32, operands: [f64; $max_operands]) -> Option<Self> {
                match opcode {
                    $($number => {
                        let [$($operand,)* ..] = operands;
                        Some(Self::$call { $($operand),* })
                    })+
                    _ => None,
                }
            }
        }
    };
}

calls! {
    /// The calls of a page that only sends beacons. They are queued in order and made when a beacon is
    /// due. The calls for entries come first, in the order of [`wire::Metric::entry_type`] and then of soft
    /// navigations, so that the index of an entry's type is its opcode. `detail` is a shift's score or an
    /// event's processing start.
    BeaconCall(5) {
        /// A `paint` entry other than `first-paint`.
        PaintEntry = 0 (start_time, duration, interaction_id, detail, had_recent_input),
        /// A `largest-contentful-paint` entry.
        LargestPaintEntry = 1 (start_time, duration, interaction_id, detail, had_recent_input),
        /// A `layout-shift` entry.
        LayoutShiftEntry = 2 (start_time, duration, interaction_id, detail, had_recent_input),
        /// An `event` entry.
        EventEntry = 3 (start_time, duration, interaction_id, detail, had_recent_input),
        /// A `first-input` entry.
        FirstInputEntry = 4 (start_time, duration, interaction_id, detail, had_recent_input),
        /// The first byte of the document arrived. In place of an entry, which TTFB has not.
        FirstByte = 5 (at),
        /// An `interaction-contentful-paint` entry.
        InteractionPaintEntry = 6 (start_time, duration, interaction_id, detail, had_recent_input),
        /// A `soft-navigation` entry. `detail` and `had_recent_input` tell that its address is that of the
        /// current view, or that of the declaration that waits. Returns its meaning.
        SoftNavigationEntry = 7 (start_time, duration, interaction_id, detail, had_recent_input),
        /// Every entry of a batch has been sent.
        BatchEnded = 8 (),
        /// An input or a hiding of the page ended the search for the largest paint.
        LcpFinalized = 9 (),
        /// The page was hidden.
        PageHidden = 10 (at),
        /// Observation started, or the page was restored.
        ObservationStarted = 11 (first_hidden, activation_start, duration_threshold),
        /// A restored, declared or reported view began.
        ViewStarted = 12 (start, state),
        /// A restored page was painted, so long after the restore.
        RestorePaint = 13 (duration),
        /// The browser supports a metric.
        MetricSupported = 14 (metric),
        /// Returns the wire value of a metric; −1 while unknown.
        ReadMetric = 15 (metric),
        /// Returns 1 if a declaration only names the current view.
        DeclareView = 16 (is_current),
    }
}

calls! {
    /// The calls of a page with callbacks. Each names a slot, and is answered at once: not a number
    /// means that there is nothing to do.
    CallbackCall(3) {
        /// Sets the time at which the page was first hidden.
        SetFirstHidden = 0 (at),
        /// Records that the page was hidden.
        RecordHidden = 1 (at),
        /// Begins a new instance of the metric in the slot.
        BeginInstance = 2 (is_renewed, report_all_changes),
        /// Records a duration; returns 1 if it was accepted. Nothing seen only after the page was hidden
        /// counts.
        RecordDuration = 3 (start, end, seen_at),
        /// Adds a layout shift; returns the grouping of its entry.
        AddLayoutShift = 4 (at, score),
        /// Adds an event; returns the grouping of its entry. A negative duration only contributes its id.
        AddInteraction = 5 (id, at, duration),
        /// Updates the value; returns the id of the entry list on which a new value is based.
        UpdateValue = 6 (),
        /// Returns the change since the last report if a report is due.
        Report = 7 (trigger),
        /// Returns the exact value.
        ReadValue = 8 (),
        /// Returns the index of the value's rating.
        ReadRating = 9 (),
        /// Returns the value as a beacon carries it.
        ReadWireValue = 10 (),
        /// A restored, declared or reported view began, in any slot.
        BeginBeaconView = 11 (start, state),
        /// Returns 1 if a declaration only names the current view, in any slot.
        DeclareBeaconView = 12 (is_current),
        /// Returns the meaning of a soft-navigation entry, in any slot.
        ReportBeaconNavigation = 13 (start, is_current, is_pending),
    }
}
