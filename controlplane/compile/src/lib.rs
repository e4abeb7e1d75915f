//! compile(view) -> table, objects, status, diagnostics. Pure
