//! The SQL of rules: pure, without input or output, without a clock of its own.
