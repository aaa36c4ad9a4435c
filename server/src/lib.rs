//! The composition root: configuration, lifecycle, administration, telemetry. No domain logic.
