//! The SQLSTATE codes that sessions and execution emit.
//!
//! Source: <https://www.postgresql.org/docs/15/errcodes-appendix.html>. Binding and value code name theirs where they raise them.

/// `successful_completion`, on notices.
pub const SUCCESS: &str = "00000";
/// `warning`
pub const WARNING: &str = "01000";
/// `protocol_violation`
pub const PROTOCOL_VIOLATION: &str = "08P01";
/// `feature_not_supported`
pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
/// `numeric_value_out_of_range`
pub const NUMERIC_OUT_OF_RANGE: &str = "22003";
/// `character_not_in_repertoire`
pub const BAD_ENCODING: &str = "22021";
/// `invalid_parameter_value`
pub const INVALID_PARAMETER_VALUE: &str = "22023";
/// `invalid_text_representation`
pub const INVALID_TEXT: &str = "22P02";
/// `not_null_violation`
pub const NOT_NULL_VIOLATION: &str = "23502";
/// `foreign_key_violation`
pub const FOREIGN_KEY_VIOLATION: &str = "23503";
/// `unique_violation`
pub const UNIQUE_VIOLATION: &str = "23505";
/// `check_violation`
pub const CHECK_VIOLATION: &str = "23514";
/// `active_sql_transaction`
pub const ACTIVE_TRANSACTION: &str = "25001";
/// `read_only_sql_transaction`
pub const READ_ONLY_TRANSACTION: &str = "25006";
/// `no_active_sql_transaction`
pub const NO_ACTIVE_TRANSACTION: &str = "25P01";
/// `in_failed_sql_transaction`
pub const IN_FAILED_TRANSACTION: &str = "25P02";
/// `idle_in_transaction_session_timeout`
pub const IDLE_IN_TRANSACTION_TIMEOUT: &str = "25P03";
/// `invalid_sql_statement_name`
pub const UNDEFINED_STATEMENT: &str = "26000";
/// `invalid_authorization_specification`
pub const INVALID_AUTHORIZATION: &str = "28000";
/// `invalid_password`
pub const INVALID_PASSWORD: &str = "28P01";
/// `invalid_cursor_name`
pub const UNDEFINED_CURSOR: &str = "34000";
/// Something else needs the object.
pub const DEPENDENT_OBJECTS_STILL_EXIST: &str = "2BP01";
/// `invalid_savepoint_specification`
pub const UNDEFINED_SAVEPOINT: &str = "3B001";
/// `serialization_failure`
pub const SERIALIZATION_FAILURE: &str = "40001";
/// `deadlock_detected`
pub const DEADLOCK_DETECTED: &str = "40P01";
/// `insufficient_privilege`
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// `syntax_error`
pub const SYNTAX_ERROR: &str = "42601";
/// `undefined_column`
pub const UNDEFINED_COLUMN: &str = "42703";
/// `duplicate_column`
pub const DUPLICATE_COLUMN: &str = "42701";
/// `undefined_object`
pub const UNDEFINED_OBJECT: &str = "42704";
/// `datatype_mismatch`
pub const DATATYPE_MISMATCH: &str = "42804";
/// The name belongs to an object of another kind.
pub const WRONG_OBJECT_TYPE: &str = "42809";
/// `undefined_table`
pub const UNDEFINED_TABLE: &str = "42P01";
/// `duplicate_cursor`
pub const DUPLICATE_CURSOR: &str = "42P03";
/// `duplicate_prepared_statement`
pub const DUPLICATE_STATEMENT: &str = "42P05";
/// `duplicate_table`
pub const DUPLICATE_TABLE: &str = "42P07";
/// `invalid_table_definition`
pub const INVALID_TABLE_DEFINITION: &str = "42P16";
/// `disk_full`
pub const DISK_FULL: &str = "53100";
/// `out_of_memory`
pub const OUT_OF_MEMORY: &str = "53200";
/// `too_many_connections`
pub const TOO_MANY_CONNECTIONS: &str = "53300";
/// `configuration_limit_exceeded`
pub const LIMIT_EXCEEDED: &str = "53400";
/// `program_limit_exceeded`
pub const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
/// More columns than a table or index can have.
pub const TOO_MANY_COLUMNS: &str = "54011";
/// `object_not_in_prerequisite_state`
pub const NOT_IN_PREREQUISITE_STATE: &str = "55000";
/// `cant_change_runtime_param`
pub const CANNOT_CHANGE_PARAMETER: &str = "55P02";
/// `lock_not_available`
pub const LOCK_NOT_AVAILABLE: &str = "55P03";
/// `query_canceled`
pub const QUERY_CANCELED: &str = "57014";
/// `admin_shutdown`
pub const ADMIN_SHUTDOWN: &str = "57P01";
/// `idle_session_timeout`
pub const IDLE_SESSION_TIMEOUT: &str = "57P05";
/// `io_error`
pub const IO_ERROR: &str = "58030";
/// `snapshot_too_old`
pub const SNAPSHOT_TOO_OLD: &str = "72000";
/// `internal_error`
pub const INTERNAL_ERROR: &str = "XX000";
/// `data_corrupted`
pub const DATA_CORRUPTED: &str = "XX001";
