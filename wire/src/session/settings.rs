//! Run-time settings of a session (PostgreSQL's GUCs), and the part of them that binding and encoding read.

/// Settings that change what a text means or how a value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formats {
    /// IANA name or fixed offset.
    pub time_zone: String,
    /// `ISO, MDY`: only the order part changes how input is read.
    pub date_order: DateOrder,
    pub extra_float_digits: i32,
    pub bytea_output: ByteaOutput,
}

impl Default for Formats {
    fn default() -> Self {
        Self {
            time_zone: "UTC".into(),
            date_order: DateOrder::Mdy,
            extra_float_digits: 1,
            bytea_output: ByteaOutput::Hex,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    Mdy,
    Dmy,
    Ymd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteaOutput {
    Hex,
    Escape,
}
